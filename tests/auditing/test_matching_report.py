import json

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.auditing.matching_report import Group, matching_report
from deeprke_tf.rna.sites import Site


def table(n, seed, gc=0.5, regions=("CDS", "intron"), length=60, **columns):
    """Random sites; `columns` are functions of a random generator."""
    rng = np.random.default_rng(seed)
    weights = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    return pd.DataFrame(
        {
            "sequence": [
                "".join(rng.choice(list("ACGT"), length, p=weights)) for _ in range(n)
            ],
            "region": rng.choice(regions, n),
            **{name: draw(rng, n) for name, draw in columns.items()},
        }
    )


def near(rng, n):
    return rng.integers(0, 50, n)


def far(rng, n):
    return rng.integers(1000, 5000, n)


def rows(report):
    return {row.name: row for row in report.rows}


def test_the_report_has_both_classes_before_and_after_and_what_each_rule_reaches():
    report = matching_report(
        table(200, 1, gc=0.7, to_splice_site=near),
        table(200, 2, gc=0.7, to_splice_site=near),
        table(200, 3, gc=0.4, to_splice_site=far),
    )
    gc = rows(report)["GC content"]
    assert (gc.bound, gc.before, gc.after) == pytest.approx((0.7, 0.4, 0.7), abs=0.03)
    assert gc.auroc_before > 0.95 and gc.auroc_after < 0.6
    splice = rows(report)["distance to the nearest splice site"]
    assert splice.auroc_before > 0.99 and splice.auroc_after < 0.6
    length = rows(report)["length of the sequence"]
    assert (length.bound, length.after, length.auroc_after) == (60, 60, 0.5)
    assert rows(report)["dinucleotide GC"].bound == pytest.approx(0.35**2, abs=0.02)
    assert not report.findings
    assert "no rule exceeds an AUROC of 0.65" in report.summary


def test_a_rule_that_still_tells_the_classes_apart_is_named():
    report = matching_report(
        table(200, 1, regions=["CDS"], to_transcript_end=near),
        table(200, 2, regions=["CDS", "intron", "intron"], to_transcript_end=far),
    )
    named = " ".join(report.warnings)
    assert "distance to the nearest transcript end alone separates bound" in named
    assert rows(report)["region"].auroc_after > 0.8
    region = next(r for r in report.rules_after if r.feature.name == "region")
    assert region.difference.startswith("CDS in 100% of bound, ")
    assert "WARNING: The " in report.summary


def test_unknown_distances_are_no_difference():
    def some(rng, n):
        return np.where(rng.random(n) < 0.4, np.nan, rng.integers(0, 50, n))

    report = matching_report(
        table(200, 1, repeats=some), table(200, 2, repeats=some), None
    )
    assert rows(report)["fraction of repeats (lower case)"].auroc_after < 0.6
    assert rows(report)["GC content"].before is None


@pytest.mark.draws
def test_a_report_is_written_as_table_json_and_figure(tmp_path):
    report = matching_report(table(30, 1), table(30, 2), table(30, 3))
    written = report.write(tmp_path)
    assert {p.name for p in written} == {
        "matching.json",
        "matching.tsv",
        "matching.png",
    }
    contents = json.loads((tmp_path / "matching.json").read_text())
    assert contents["n_sites"]["background before matching"] == 30
    assert {rule["rule"] for rule in contents["rules_after"]} > {"GC content", "region"}
    read = pd.read_csv(tmp_path / "matching.tsv", sep="\t").set_index("name")
    assert read.loc["fraction in CDS", "bound"] == pytest.approx(0.5, abs=0.3)
    assert (tmp_path / "matching.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.draws
@pytest.mark.parametrize("n", [0, 3])
def test_too_few_sites_have_no_rules(tmp_path, n):
    report = matching_report(table(30, 1), table(n, 2))
    assert not report.rules_after
    assert report.write(tmp_path)


def test_some_sites_of_a_group_keep_what_belongs_to_them():
    sites = [Site(str(i), "ACGU") for i in range(9)]
    group = Group("all", sites, np.arange(9).astype(str), {"x": np.arange(9.0)})
    some = group.some(4, seed=1)
    names = [site.name for site in some.sites]
    assert len(set(names)) == 4
    assert some.region.tolist() == names
    assert some.values["x"].tolist() == [float(name) for name in names]
    assert group.some(9, seed=1) is group
