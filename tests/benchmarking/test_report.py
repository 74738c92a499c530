import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.benchmarking import report, results
from deeprke_tf.benchmarking.experiments import Experiment
from deeprke_tf.errors import UserError

pytestmark = pytest.mark.draws

NAMES = [f"{i}_RBP+{i}" for i in range(1, 10)]
EXPERIMENTS = [
    Experiment(name, i, ((None, None),), ((None, None),))
    for i, name in enumerate(NAMES, start=1)
]


def write_results(
    out, presets, n=8, mask="none", protocol="frozen", seeds=(1, 2), **more
):
    for i, name in enumerate(NAMES[:n]):
        for preset, base in presets.items():
            for seed in seeds:
                result = {
                    "benchmark": "rbp31",
                    "experiment": name,
                    "preset": preset,
                    "protocol": protocol,
                    "seed": seed,
                    "mask": mask,
                    "auroc": base + 0.01 * i + 0.002 * seed,
                    "finished": f"2026-01-0{seed}T00:00:00Z",
                    "command": "benchmark rbp31",
                    "versions": {"python": "3.11"},
                }
                path = out / "rbp31" / "results" / name
                path.mkdir(parents=True, exist_ok=True)
                stem = f"{preset}.{protocol}.seed{seed}.{mask}"
                (path / f"{stem}.json").write_text(json.dumps(result | more))


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "deeprke_rbp31_auroc.csv"
    rows = [f"{i},x,0.7,0.81" for i in range(1, 10)]
    path.write_text("\n".join(["number,experiment,oli,deeprke", *rows]) + "\n")
    return results.read_published(tmp_path, "rbp31")


def reported(out, published=None, experiments=EXPERIMENTS, only=None):
    """The files of the report, and its text with single spaces."""
    table = pd.DataFrame() if published is None else published
    paths = report.report("rbp31", out, experiments, table, only)
    return paths, re.sub(" +", " ", (out / "rbp31" / "report.md").read_text())


def test_aurocs_are_means_over_seeds_beside_the_published_ones(tmp_path, published):
    write_results(tmp_path, {"paper": 0.8, "no-structure": 0.75})
    _paths, text = reported(tmp_path, published)
    assert "| experiment | paper | no-structure | DeepRKE, published |" in text
    assert "| 1_RBP+1 | 0.803 | 0.753 | 0.810 | 0.700 |" in text
    assert (
        "| no-structure | DeepRKE, published | 8 | 0.788 / 0.810 | 2 | 0 | 6 |" in text
    )
    assert "seeds" in text and "| paper | frozen | 8 | 1, 2 | - |" in text
    assert "python 3.11" in text


def test_an_interval_of_auroc_stays_within_0_and_1(tmp_path):
    for n, base in ((2, 0.2), (1, 0.9)):
        write_results(tmp_path, {"paper": base}, n=n, seeds=(1,))
    _paths, text = reported(tmp_path)
    assert "| **paper** | 2 | 0.557 (0.000 to 1.000) |" in text


def test_the_report_tells_the_precision_of_each_method(tmp_path):
    for preset, precisions in {"paper": [True], "deeprke": [False, True]}.items():
        for seed, mixed in enumerate(precisions):
            config = {"train": {"mixed_precision": mixed}}
            write_results(tmp_path, {preset: 0.8}, seeds=(seed,), config=config)
    write_results(tmp_path, {"oli": 0.7}, seeds=(1,))
    _paths, text = reported(tmp_path)
    assert "| oli | frozen | 8 | 1 | - |" in text
    assert "| paper | frozen | 8 | 0 | mixed bfloat16 |" in text
    assert "| deeprke | frozen | 8 | 0, 1 | float32, mixed bfloat16 |" in text


def test_the_report_begins_with_the_means(tmp_path, published):
    write_results(tmp_path, {"paper": 0.8, "no-structure": 0.75})
    _paths, text = reported(tmp_path, published)
    title, _blank, first = text.splitlines()[:3]
    assert (title, first) == ("# RBP-31 benchmark", "## Mean AUROC")
    # A t-test over eight experiments, 0.01 apart.
    half_width = 2.3646 * np.std(np.arange(8) / 100, ddof=1) / np.sqrt(8)
    ends = f"({0.838 - half_width:.3f} to {0.838 + half_width:.3f})"
    assert f"| **paper** | 8 | 0.838 {ends} |" in text
    # Two-sided, eight of eight: 2 / 2^8.
    better = "+0.0500 (+0.0500 to +0.0500) | 8 of 8 | 0.0078 |"
    assert f"| no-structure | 8 | 0.788 {ends_of(0.788, half_width)} | {better}" in text
    assert "| DeepRKE, published | 8 | 0.810" in text


def test_the_means_count_experiments_that_are_equal(tmp_path):
    write_results(tmp_path, {"paper": 0.8, "no-structure": 0.8004})
    _paths, text = reported(tmp_path)
    assert "| -0.0004 (-0.0004 to -0.0004) | 0 of 8, 8 equal |" in text


def ends_of(mean, half_width):
    return f"({mean - half_width:.3f} to {mean + half_width:.3f})"


def test_rbps_are_named_and_their_files_listed(tmp_path):
    name = "24_PARCLIP_QKI_hg19"
    experiment = Experiment(name, 24, ((None, None),), ((None, None),))
    write_results(tmp_path, {"paper": 0.8}, n=1)
    (tmp_path / "rbp31" / "results" / NAMES[0]).rename(
        tmp_path / "rbp31" / "results" / name
    )
    for path in (tmp_path / "rbp31" / "results" / name).iterdir():
        path.write_text(path.read_text().replace(NAMES[0], name))
    _paths, text = reported(tmp_path, experiments=[experiment])
    assert "| QKI | 0.803 |" in text and "| QKI | `24_PARCLIP_QKI_hg19` |" in text


def test_experiments_without_results_or_files_are_listed(tmp_path):
    write_results(tmp_path, {"paper": 0.8})
    lacking = dataclasses.replace(EXPERIMENTS[8], train=())
    _paths, text = reported(tmp_path, experiments=[*EXPERIMENTS[:8], lacking])
    assert "- `9_RBP+9`: no training sites among the files" in text
    _paths, text = reported(tmp_path)
    assert "- `9_RBP+9`: not run" in text


def test_a_note_on_an_experiment_with_few_sites_is_shown_once(tmp_path):
    write_results(tmp_path, {"oli": 0.7, "paper": 0.8}, n=1, note="only 3 bound sites")
    _paths, text = reported(tmp_path)
    assert text.count("- 1_RBP+1: only 3 bound sites") == 1
    write_results(tmp_path / "other", {"paper": 0.8})
    assert "## Notes" not in reported(tmp_path / "other")[1]


def test_masked_sites_have_tables_of_their_own(tmp_path, published):
    write_results(tmp_path, {"paper": 0.8})
    write_results(tmp_path, {"paper": 0.6}, n=3, mask="3prime-edge")
    _paths, text = reported(tmp_path, published)
    plain, masked = text.split("## Mean AUROC, with the 3' edge masked")
    assert "| 1_RBP+1 | 0.803 | 0.810 |" in plain
    assert "| 1_RBP+1 | 0.603 |" in masked and "| **paper** | 3 | 0.613" in masked
    assert "DeepRKE, published" not in masked


def test_masked_sites_alone_are_reported_too(tmp_path, published):
    write_results(tmp_path, {"paper": 0.6}, n=3, mask="3prime-edge")
    paths, text = reported(tmp_path, published)
    assert "| 1_RBP+1 | 0.603 |" in text
    assert [path.name for path in paths] == ["report.md", "report.html"]


def test_grouped_comes_first_and_is_never_mixed_with_frozen(tmp_path, published):
    write_results(tmp_path, {"oli": 0.7, "paper": 0.75, "deeprke": 0.6}, n=9)
    write_results(tmp_path, {"deeprke": 0.8}, protocol="grouped", seeds=(1,))
    paths, text = reported(tmp_path, published)
    assert tmp_path / "rbp31" / "pairs.png" in paths
    assert "| experiment | deeprke | deeprke, frozen | paper | oli |" in text
    assert "| **deeprke** | 8 | 0.837" in text
    assert "| paper | 9 | 0.793" in text and "| 8 of 8 | 0.0078 |" in text
    assert "| deeprke | frozen | 9 | 1, 2 |" in text
    assert "| deeprke | grouped | 8 | 1 |" in text


def test_results_of_a_protocol_of_earlier_versions_are_left_out(tmp_path):
    write_results(tmp_path, {"paper": 0.7}, n=2)
    write_results(tmp_path, {"paper": 0.9}, n=3, protocol="published")
    _paths, text = reported(tmp_path)
    assert "| 1_RBP+1 | 0.703 |" in text and "0.903" not in text
    assert "- `3_RBP+3`: not run" in text


def test_a_report_on_some_experiments_has_their_means(tmp_path):
    write_results(tmp_path, {"paper": 0.8}, seeds=(1,))
    _paths, text = reported(tmp_path, only=[NAMES[0], NAMES[2], NAMES[8]])
    assert "| **paper** | 2 | 0.812 (" in text
    assert NAMES[1] not in text and f"- `{NAMES[8]}`: not run" in text


def test_the_page_needs_no_other_file(tmp_path, published):
    write_results(tmp_path, {"paper": 0.8, "no-structure": 0.75, "oli": 0.6})
    paths, _text = reported(tmp_path, published)
    assert [path.name for path in paths] == [
        *("report.md", "report.html", "bars.png", "pairs.png"),
    ]
    page = (tmp_path / "rbp31" / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == page.count("<img") == 2
    assert "<table>" in page and "http" not in page
    assert not list((tmp_path / "rbp31").glob(".*"))


def test_without_results_there_is_a_report_that_says_so(tmp_path):
    paths, text = reported(tmp_path)
    assert "There are no results yet." in text and len(paths) == 2


@pytest.mark.parametrize("benchmark", ["rbp31", "rbp24"])
def test_the_results_in_the_documents_give_their_report(benchmark):
    directory = Path(__file__).parents[2] / "docs" / "results"
    text = (directory / benchmark / "report.md").read_text()
    text = re.sub(" +", " ", text)
    found = results.read(directory, benchmark)
    for mask in {result["mask"] for result in found}:
        aurocs = results.aurocs(found, mask)
        for method in aurocs:
            assert f"{aurocs[method].count()} | {aurocs[method].mean():.3f}" in text


def test_a_file_that_is_not_a_result_is_named(tmp_path):
    write_results(tmp_path, {"paper": 0.8}, n=1, seeds=(1,))
    (path,) = (tmp_path / "rbp31" / "results").glob("*/*.json")
    path.write_text("{}")
    with pytest.raises(UserError, match=r"seed1\.none\.json is not a result"):
        reported(tmp_path)


def test_a_published_table_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(UserError, match="Cannot read the published table"):
        results.read_published(tmp_path / "none.csv", "rbp24")
    for columns in ("a,b", "file_stem,DeepRKE", "number,deeprke"):
        (tmp_path / "other.csv").write_text(f"{columns}\n1,2\n")
        with pytest.raises(UserError, match="needs the column 'file_stem' and at"):
            results.read_published(tmp_path / "other.csv", "rbp24")
