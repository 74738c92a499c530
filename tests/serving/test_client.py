"""Prediction through a server, compared with prediction by the run itself.

The server is `tests.support.serving_stub`: real signatures, TF Serving's protocols,
faults.
"""

import json
import shutil

import pytest
import requests

from deeprke_tf import api
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs.run import Run
from deeprke_tf.serving import client, signatures
from deeprke_tf.serving.client import ServedModel
from deeprke_tf.serving.protocol import RequestSettings
from tests.support import serving_stub
from tests.support.served_run import (
    CALIBRATION,
    N_SITES,
    asked,
    rows_of,
    run_predict,
    serve,
    tiny_run,
)
from tests.support.small_runs import make_sites, write_table


def local(run, sites, tmp_path, *flags):
    """The rows of the table that `predict` writes with the run."""
    out = tmp_path / "local.tsv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "load_run", lambda _directory, rbp=None: run)
        assert run_predict(sites, out, "--model", "run", *flags) == 0
    return rows_of(out)


def probabilities(rows):
    return [float(row["probability"]) for row in rows]


def calibrated(rows):
    return [float(row["calibrated_probability"]) for row in rows]


def test_a_server_gives_the_rows_of_the_run(tiny, url, sites, stub, tmp_path):
    middle = sorted(probabilities(local(tiny, sites, tmp_path)))[N_SITES // 2]
    flags = ["--threshold", middle - 1e-5, "--batch-size", 7]
    rows = asked(url, sites, tmp_path, *flags)
    expected = local(tiny, sites, tmp_path, *flags)
    assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)
    assert {row["bound"] for row in rows} == {"0", "1"}
    assert calibrated(rows) == pytest.approx(calibrated(expected), abs=1e-5)
    assert calibrated(rows) != pytest.approx(probabilities(rows), abs=1e-2)
    for row, expected_row in zip(rows, expected, strict=True):
        for name in ("name", "bound", "skipped"):
            assert row[name] == expected_row[name]
    assert sorted(stub.batches) == [5, 7, 7, 7, 7, 7]


def test_sites_without_a_structure_are_folded_here(tiny, url, tmp_path):
    fasta = tmp_path / "sites.fa"
    fasta.write_text(">a\nGGGGCAAAAGCCCC\n>b\nACGUUGUAUAUAACGU\n")
    rows = asked(url, fasta, tmp_path, "--workers", 1)
    expected = local(tiny, fasta, tmp_path, "--workers", 1)
    assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)


def test_bound_is_empty_without_a_threshold(rest_url, sites, tmp_path):
    assert {row["bound"] for row in asked(rest_url, sites, tmp_path)} == {""}


def test_the_header_names_what_a_server_does_not_report(rest_url, sites, tmp_path):
    asked(rest_url, sites, tmp_path)
    lines = (tmp_path / "served.tsv").read_text().splitlines()
    assert lines[0].startswith(f"# deeprke predict, server {rest_url}, version ")
    assert lines[1:3] == [
        "# threshold not known: a server reports none, give --threshold",
        "# calibration as exported with the model",
    ]
    asked(rest_url, sites, tmp_path, "--threshold", 0.25)
    line = (tmp_path / "served.tsv").read_text().splitlines()[1]
    assert line == "# threshold 0.25 (given as --threshold)"


@pytest.fixture(scope="module")
def tiny_ensemble():
    """An ensemble as `Run.load` gives it, of networks that read one and both views."""
    members = [
        tiny_run(name, {"model_sha256": name}) for name in ("cnn-only", "no-structure")
    ]
    return Run(
        *(members[0].directory, members[0].config, members[0].encoding, {}),
        threshold=0.5,
        calibration=CALIBRATION,
        members=members,
    )


def test_an_ensemble_has_its_standard_deviation(tiny_ensemble, sites, tmp_path):
    stub = serve(tiny_ensemble, tmp_path / "QKI")
    expected = local(tiny_ensemble, sites, tmp_path)
    with serving_stub.urls(stub) as urls:
        for url in urls.values():
            rows = asked(url, sites, tmp_path)
            assert list(rows[0]) == list(expected[0])
            for column in ("probability", "calibrated_probability", "probability_sd"):
                found = [float(row[column]) for row in rows]
                wanted = [float(row[column]) for row in expected]
                assert found == pytest.approx(wanted, abs=1e-5)


@pytest.fixture(scope="module")
def old_urls(tiny, tmp_path_factory):
    """A served export without `calibrated_probability`, as there once were."""
    directory = tmp_path_factory.mktemp("old") / "QKI"
    made = signatures.signatures

    def without(*arguments):
        def only_probability(function):
            return lambda inputs: {"probability": function(inputs)["probability"]}

        return {n: only_probability(f) for n, f in made(*arguments).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "signatures", without)
        stub = serve(tiny, directory)
    with serving_stub.urls(stub) as urls:
        yield list(urls.values())


def test_an_older_export_is_scored_without_calibrated_probabilities(
    tiny, old_urls, sites, tmp_path
):
    expected = local(tiny, sites, tmp_path)
    for url in old_urls:
        rows = asked(url, sites, tmp_path)
        assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)
        assert {row["calibrated_probability"] for row in rows} == {""}
        lines = (tmp_path / "served.tsv").read_text().splitlines()
        assert lines[2] == (
            "# calibration not known: the export has no calibrated_probability"
        )


def test_sites_are_skipped_here_and_on_the_server(url, sites, stub, tmp_path):
    table = tmp_path / "sites.tsv"
    rows = [
        ("foreign", "ACGZ", 0, "...."),
        ("short", "AC", 0, ".."),
        ("good", "ACGUACGU", 0, "((....))"),
        ("no k-mer", "ACNGU", 0, "....."),
        ("long", "A" * 60, 0, "." * 60),
    ]
    rows = asked(url, write_table(table, rows), tmp_path, "--max-length", 50)
    assert [row["name"] for row in rows] == [
        *("foreign", "short", "good", "no k-mer", "long")
    ]
    assert [row["skipped"].partition(":")[0] for row in rows] == [
        "letters that are not nucleotides",
        client.NOT_SCORED,
        "",
        client.NOT_SCORED,
        "longer than the maximum length",
    ]
    for name in ("probability", "calibrated_probability"):
        assert [bool(row[name]) for row in rows] == [False, False, True, False, False]
    assert stub.batches == [3]


def test_a_model_without_structure_is_sent_none(sites, tmp_path):
    run = tiny_run("no-structure")
    stub = serve(run, tmp_path / "serving" / "PUM2")
    with serving_stub.urls(stub) as urls:
        rows = asked(urls["REST"], sites, tmp_path)
    expected = local(run, sites, tmp_path)
    assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)


def test_the_version_that_was_newest_at_the_start_scores_all(url, served, pool):
    stub, _urls = served
    with ServedModel(url, RequestSettings()) as model:
        newest = model.version
        assert newest == stub.version("QKI", None)
        path = stub.directory / str(newest)
        shutil.copytree(path, stub.directory / str(newest + 1))
        made = [Site("a", "ACGUACGU", None, "((....))")]
        ((_site, probability, *_others),) = model.score(made, pool)
        assert 0 < probability < 1
    assert newest in stub.models
    assert newest + 1 not in stub.models
    with ServedModel(f"{url}/versions/1", RequestSettings()) as model:
        assert model.version == 1


# === Many sites ===


def test_thousands_of_sites_keep_their_order(rest_url, stub, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "SITES_AT_ONCE", 50)
    four = make_sites(4, seed=3)
    cycle = [(f"s{i}", *four[i % 4][1:]) for i in range(403)]
    table = write_table(tmp_path / "sites.tsv", cycle)
    # Requests that are late must not change the order.
    stub.faults.extend(["late", None, None, "503"])
    flags = ["--batch-size", 20, "--requests-at-once", 3]
    rows = asked(rest_url, table, tmp_path, *flags)
    assert [row["name"] for row in rows] == [name for name, *_ in cycle]
    for i, row in enumerate(rows):
        first = float(rows[i % 4]["probability"])
        assert float(row["probability"]) == pytest.approx(first, abs=2e-6)
    assert sum(stub.batches) == 403
    assert 1 < stub.n_at_once <= 3


def test_only_some_sites_are_held_at_a_time(rest_url, pool, monkeypatch):
    monkeypatch.setattr(client, "SITES_AT_ONCE", 10)
    taken = []

    def endless():
        while True:
            taken.append(None)
            yield Site("a", "ACGUACGU", None, "((....))")

    with ServedModel(rest_url, RequestSettings()) as model:
        scored = model.score(endless(), pool, 10)
        for _ in range(50):
            next(scored)
        scored.close()
    assert len(taken) <= 70


def test_the_requests_of_the_documentation_are_answered(rest_url):
    answer = requests.post(
        f"{rest_url}:predict",
        json={
            "instances": [
                {"sequence": "GGGGAAAACCCC", "dot_bracket": "((((....))))"},
                {"sequence": "not RNA", "dot_bracket": "......."},
            ]
        },
    )
    assert answer.text.count("NaN") == 2
    good, bad = json.loads(answer.text)["predictions"]
    assert 0 < good["probability"][0] < 1
    assert bad["probability"][0] != bad["probability"][0]
