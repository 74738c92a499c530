"""Prediction through a server, held against prediction with the run itself.

The server is `tests.support.serving_stub`: real signatures, TF Serving's protocols,
faults.
"""

import csv
import json
import shutil
import socket
from pathlib import Path

import pytest
import requests

from deeprke_tf import api, predict
from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs import run as runs
from deeprke_tf.runs import scorer
from deeprke_tf.runs.predictor import encode_sites
from deeprke_tf.serving import answers, calibration_graph, client, retries, signatures
from deeprke_tf.serving.client import ServedModel
from deeprke_tf.serving.protocol import RequestSettings
from tests.support import serving_stub
from tests.support.small_models import CONFIGS, trained_model
from tests.support.small_runs import make_sites, write_table

N_SITES = 40
CALIBRATION = Calibration("temperature", prior=0.3, slope=0.5, intercept=-1)


@pytest.fixture(autouse=True)
def _loopback_without_waiting(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(retries, "BACK_OFF", 0.01)


def tiny_run(name, manifest=None):
    """A run as `runs.load` gives it, of a network of `small_models`."""
    return runs.Run(
        directory=Path("run"),
        config=RunConfig(model=CONFIGS[name]),
        encoding=Encoding(),
        threshold=0.5,
        calibration=CALIBRATION,
        manifest=manifest or {},
        model=trained_model(name),
    )


def serve(run, directory):
    """A stub of the exported run."""
    calibrate = calibration_graph.in_graph(run.calibration)
    members = [member.model for member in run.members]
    signatures.save(run.model, run.encoding, directory / "1", calibrate, members)
    return serving_stub.Stub(directory)


@pytest.fixture(scope="module")
def run():
    """A model that reads both views."""
    return tiny_run("cnn-only")


@pytest.fixture(scope="module")
def served(run, tmp_path_factory):
    """The stub of `run`, and its URL by protocol."""
    stub = serve(run, tmp_path_factory.mktemp("serving") / "QKI")
    with serving_stub.rest(stub) as rest, serving_stub.grpc_server(stub) as grpc:
        urls = {
            "REST": f"http://127.0.0.1:{rest}/v1/models/QKI",
            "gRPC": f"grpc://127.0.0.1:{grpc}/QKI",
        }
        yield stub, urls


@pytest.fixture
def stub(served):
    stub, _urls = served
    stub.faults.clear()
    stub.batches.clear()
    stub.n_at_once = 0
    return stub


@pytest.fixture
def rest_url(served):
    return served[1]["REST"]


@pytest.fixture
def grpc_url(served):
    return served[1]["gRPC"]


@pytest.fixture(params=["REST", "gRPC"])
def url(served, request):
    return served[1][request.param]


@pytest.fixture
def pool():
    """Sites of a test that scores them itself have their structures."""
    with FoldingPool(workers=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    path = tmp_path_factory.mktemp("sites") / "sites.tsv"
    return write_table(path, make_sites(N_SITES, seed=2))


def run_predict(sites, out, *flags):
    return predict.main(["--sites", str(sites), "--out", str(out), *map(str, flags)])


def rows_of(path):
    lines = path.read_text().splitlines(keepends=True)
    table = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(table, dialect="excel-tab"))


def asked(url, sites, tmp_path, *flags):
    """The rows that a server gives."""
    out = tmp_path / "served.tsv"
    assert run_predict(sites, out, "--server", url, *flags) == 0
    return rows_of(out)


def local(run, sites, tmp_path, *flags):
    """The rows that the run itself gives."""
    out = tmp_path / "local.tsv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "load_run", lambda _directory: run)
        assert run_predict(sites, out, "--model", "run", *flags) == 0
    return rows_of(out)


def probabilities(rows):
    return [float(row["probability"]) for row in rows]


def calibrated(rows):
    return [float(row["calibrated_probability"]) for row in rows]


def refused(url, sites, tmp_path, capsys, *flags):
    """The error of a server that fails; nothing else may be left."""
    out = tmp_path / "refused.tsv"
    capsys.readouterr()
    assert run_predict(sites, out, "--server", url, *flags) == 1
    assert not list(tmp_path.glob("refused.tsv*"))
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (line,) = [line for line in error.splitlines() if "error: " in line]
    return line


# === The same as with the run ===


def test_a_server_gives_the_rows_of_the_run(run, url, sites, stub, tmp_path):
    middle = sorted(probabilities(local(run, sites, tmp_path)))[N_SITES // 2]
    flags = ["--threshold", middle - 1e-5, "--batch-size", 7]
    rows = asked(url, sites, tmp_path, *flags)
    expected = local(run, sites, tmp_path, *flags)
    assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)
    assert {row["bound"] for row in rows} == {"0", "1"}
    assert calibrated(rows) == pytest.approx(calibrated(expected), abs=1e-5)
    assert calibrated(rows) != pytest.approx(probabilities(rows), abs=1e-2)
    for row, expected_row in zip(rows, expected, strict=True):
        for name in ("name", "bound", "skipped"):
            assert row[name] == expected_row[name]
    assert sorted(stub.batches) == [5, 7, 7, 7, 7, 7]


def test_probabilities_are_the_models_within_rounding(run, url, pool):
    score = scorer.scorer(run.model)
    made = [
        Site(name, sequence, None, dot_bracket)
        for name, sequence, _label, dot_bracket in make_sites(12, seed=5)
    ]
    encoded = encode_sites(run, made, pool)
    expected = scorer.score_sites(score, encoded, 12)
    with ServedModel(url, RequestSettings()) as model:
        found = [scored.probability for scored in model.score(made, pool, 5)]
    assert found == pytest.approx(expected.tolist(), abs=1e-6)


def test_sites_without_a_structure_are_folded_here(run, url, tmp_path):
    fasta = tmp_path / "sites.fa"
    fasta.write_text(">a\nGGGGCAAAAGCCCC\n>b\nACGUUGUAUAUAACGU\n")
    rows = asked(url, fasta, tmp_path, "--workers", 1)
    expected = local(run, fasta, tmp_path, "--workers", 1)
    assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)


def test_bound_is_empty_without_a_threshold(rest_url, sites, tmp_path):
    assert {row["bound"] for row in asked(rest_url, sites, tmp_path)} == {""}


def test_the_header_says_what_a_server_does_not_tell(rest_url, sites, tmp_path):
    asked(rest_url, sites, tmp_path)
    lines = (tmp_path / "served.tsv").read_text().splitlines()
    assert lines[0].startswith(f"# deeprke predict, server {rest_url}, version ")
    assert lines[1:3] == [
        "# threshold not known: a server tells none, give --threshold",
        "# calibration as exported with the model",
    ]
    asked(rest_url, sites, tmp_path, "--threshold", 0.25)
    line = (tmp_path / "served.tsv").read_text().splitlines()[1]
    assert line == "# threshold 0.25 (given as --threshold)"


@pytest.fixture(scope="module")
def tiny_ensemble():
    """An ensemble as `runs.load` gives it, of networks that read one and both views."""
    members = [
        tiny_run(name, {"model_sha256": name}) for name in ("cnn-only", "no-structure")
    ]
    return runs.Run(
        *(members[0].directory, members[0].config, members[0].encoding, {}),
        threshold=0.5,
        calibration=CALIBRATION,
        members=members,
    )


def test_an_ensemble_has_its_standard_deviation(tiny_ensemble, sites, tmp_path):
    stub = serve(tiny_ensemble, tmp_path / "QKI")
    expected = local(tiny_ensemble, sites, tmp_path)
    with serving_stub.rest(stub) as rest, serving_stub.grpc_server(stub) as grpc:
        for url in (
            f"http://127.0.0.1:{rest}/v1/models/QKI",
            f"grpc://127.0.0.1:{grpc}/QKI",
        ):
            rows = asked(url, sites, tmp_path)
            assert list(rows[0]) == list(expected[0])
            for column in ("probability", "calibrated_probability", "probability_sd"):
                found = [float(row[column]) for row in rows]
                wanted = [float(row[column]) for row in expected]
                assert found == pytest.approx(wanted, abs=1e-5)


@pytest.fixture(scope="module")
def old_urls(run, tmp_path_factory):
    """A served export without `calibrated_probability`, as there once were."""
    directory = tmp_path_factory.mktemp("old") / "QKI"
    made = signatures.signatures

    def without(*arguments):
        def only_probability(function):
            return lambda inputs: {"probability": function(inputs)["probability"]}

        return {n: only_probability(f) for n, f in made(*arguments).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "signatures", without)
        stub = serve(run, directory)
    with serving_stub.rest(stub) as rest, serving_stub.grpc_server(stub) as grpc:
        yield f"http://127.0.0.1:{rest}/v1/models/QKI", f"grpc://127.0.0.1:{grpc}/QKI"


def test_an_older_export_is_scored_without_calibrated_probabilities(
    run, old_urls, sites, tmp_path
):
    expected = local(run, sites, tmp_path)
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
    with serving_stub.rest(stub) as port:
        rows = asked(f"http://127.0.0.1:{port}/v1/models/PUM2", sites, tmp_path)
    expected = local(run, sites, tmp_path)
    assert probabilities(rows) == pytest.approx(probabilities(expected), abs=2e-6)


def test_the_version_that_was_newest_at_the_start_scores_all(url, served, pool):
    stub, _urls = served
    with ServedModel(url, RequestSettings()) as model:
        newest = model.version
        stub_version = stub.version("QKI", None)
        assert newest == stub_version
        path = stub.directory / str(newest)
        shutil.copytree(path, stub.directory / str(newest + 1))
        made = [Site("a", "ACGUACGU", None, "((....))")]
        ((_site, probability, *_others),) = model.score(made, pool)
        assert 0 < probability < 1
    assert newest in stub._models
    assert newest + 1 not in stub._models
    with ServedModel(f"{url}/versions/1", RequestSettings()) as model:
        assert model.version == 1


# === Many sites ===


def test_thousands_of_sites_keep_their_order(rest_url, stub, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_SITES_AT_ONCE", 50)
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
    monkeypatch.setattr(client, "_SITES_AT_ONCE", 10)
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


# === A server that fails for a while ===


@pytest.mark.parametrize(
    "faults",
    [
        ["503", "503"],
        ["reset"],
        ["hang up"],
        ["half"],
        ["429", "504"],
        ["reset", "503", "reset"],
    ],
)
def test_rest_requests_are_tried_again(rest_url, sites, stub, faults, tmp_path):
    stub.faults.extend(faults)
    assert len(asked(rest_url, sites, tmp_path)) == N_SITES
    assert stub.batches == [N_SITES]


@pytest.mark.parametrize(
    "faults", [["UNAVAILABLE"] * 2, ["RESOURCE_EXHAUSTED"], ["DEADLINE_EXCEEDED"]]
)
def test_grpc_requests_are_tried_again(grpc_url, sites, stub, faults, tmp_path):
    stub.faults.extend(faults)
    assert len(asked(grpc_url, sites, tmp_path)) == N_SITES
    assert stub.batches == [N_SITES]


def test_a_slow_answer_is_asked_for_again(url, sites, stub, tmp_path):
    asked(url, sites, tmp_path)  # The first request is slow by itself.
    stub.faults.append("slow")
    assert len(asked(url, sites, tmp_path, "--timeout", 1.5)) == N_SITES


# === A server that fails ===


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (["503"] * 3, "answered 503: told to say 503; tried 3 times."),
        (["500"], "answered 500: told to say 500."),
        (["reset"] * 3, "Connection reset by peer; tried 3 times."),
        (["hang up"] * 3, "end closed connection without response; tried 3 times."),
        (["slow"] * 3, "no answer in 0.3 s; tried 3 times."),
        (["half"] * 3, "IncompleteRead(11 bytes read, 989 more expected); tried 3"),
        (["stall"] * 3, "no answer in 0.3 s; tried 3 times."),
        (["drip"] * 3, "no answer in 0.3 s; tried 3 times."),
        (["endless"], "answered more than 64 MiB"),
        (["deep"], "answered what is not JSON: [[["),
        (["digits"], "answered a probability of 1000"),
        (["not JSON"], "answered what is not JSON: {"),
        (["rows missing"], " for 40 sites; expected rows of one probability, as many"),
        (["flat"], " for 40 sites; expected rows of one probability"),
        (["texts"], "answered [['0.5'], ["),
        (["above 1"], "answered a probability of 1.5."),
        (["infinite"], "answered a probability of inf."),
        (["no output"], "answered without the output probability: {'outputs': [["),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_rest_server_that_fails_ends_with_what_it_said(
    rest_url, sites, stub, faults, message, tmp_path, capsys
):
    stub.faults.extend(faults)
    timeout = 0.3 if {"slow", "stall", "drip"} & set(faults) else 30
    flags = ["--tries", 3, "--timeout", timeout]
    error = refused(rest_url, sites, tmp_path, capsys, *flags)
    assert f"error: {rest_url}" in error
    assert message in error
    assert not stub.faults


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (
            ["UNAVAILABLE"] * 3,
            "UNAVAILABLE: told to say UNAVAILABLE; tried 3 times.",
        ),
        (["INTERNAL"], "answered INTERNAL: told to say INTERNAL."),
        (["slow"] * 3, "DEADLINE_EXCEEDED: Deadline Exceeded; tried 3 times."),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_grpc_server_that_fails_ends_with_what_it_said(
    grpc_url, sites, stub, faults, message, tmp_path, capsys
):
    stub.faults.extend(faults)
    timeout = 0.3 if "slow" in faults else 30
    flags = ["--tries", 3, "--timeout", timeout]
    error = refused(grpc_url, sites, tmp_path, capsys, *flags)
    assert f"error: {grpc_url} answered " in error
    assert message in error


def test_a_server_that_fails_later_leaves_no_table(
    rest_url, sites, stub, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(client, "_SITES_AT_ONCE", 10)
    stub.faults.extend([None, None, None, "500"])
    flags = ["--requests-at-once", 1]
    assert "500" in refused(rest_url, sites, tmp_path, capsys, *flags)
    assert stub.batches == [10, 10, 10]


def test_no_server_is_said_in_one_line(sites, tmp_path, capsys):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        host = f"127.0.0.1:{held.getsockname()[1]}"
        flags = ["--tries", 2]
        url = f"http://{host}/v1/models/QKI"
        error = refused(url, sites, tmp_path, capsys, *flags)
        assert error.endswith("/metadata: Connection refused; tried 2 times.")
        error = refused(f"grpc://{host}/QKI", sites, tmp_path, capsys, *flags)
        assert "answered UNAVAILABLE: " in error
        assert error.endswith("Connection refused; tried 2 times.")


def test_a_model_that_is_not_there(url, sites, tmp_path, capsys):
    error = refused(url.replace("QKI", "PUM2"), sites, tmp_path, capsys)
    assert error.endswith("Servable not found for request: Latest(PUM2).")
    error = refused(f"{url}/versions/99", sites, tmp_path, capsys)
    assert error.endswith("Servable not found for request: Specific(QKI, 99).")


def test_a_signature_that_is_not_there(url, pool, monkeypatch):
    with ServedModel(url, RequestSettings()) as model:
        module = model._client.__module__
        monkeypatch.setattr(f"{module}.SIGNATURE", "other")
        made = [Site("a", "ACGUACGU", None, "((....))")]
        with pytest.raises(UserError, match='"other" not found in signature def'):
            list(model.score(made, pool))


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (["x"], ["y"], "serving_default takes x and gives y."),
        (["sequence", "contexts"], ["probability"], "takes sequence, contexts and"),
        (["sequence"], ["score"], "takes sequence and gives score."),
    ],
)
def test_models_of_other_makers_are_refused(inputs, outputs, message):
    signature = {
        "inputs": {name: {"dtype": "DT_STRING"} for name in inputs},
        "outputs": {name: {"dtype": "DT_FLOAT"} for name in outputs},
    }
    with pytest.raises(
        UserError, match="not serve a model of `deeprke export`"
    ) as error:
        answers.describe_model({"serving_default": signature}, "URL")
    assert message in str(error.value)


@pytest.mark.parametrize("signatures", [None, [], {}, {"serving_default": {}}, "text"])
def test_signatures_of_any_form_are_refused(signatures):
    with pytest.raises(UserError, match="it has no signature serving_default"):
        answers.describe_model(signatures, "URL")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Give --model RUN or --server URL, one of the two."),
        (["--model", "run", "--server", "http://h/v1/models/M"], "one of the two."),
        (["--server", "localhost:8501"], "expected http://host:8501/v1/models/NAME"),
        (
            ["--server", "http://localhost:8501"],
            "no URL of a served model; expected http",
        ),
        (
            ["--server", "http://h/v1/models/M:predict"],
            "no URL of a served model",
        ),
        (
            ["--server", "http://me:secret@h/v1/models/M"],
            "no URL of a served model",
        ),
        (["--server", "grpc://localhost:8500"], "expected grpc://host:8500/NAME."),
        (
            ["--server", "http://h/v1/models/M", "--tries", "0"],
            "tries must be at least",
        ),
        (
            ["--server", "http://h/v1/models/M", "--timeout", "0"],
            "timeout must be above",
        ),
        (
            ["--server", "http://h/v1/models/M", "--fdr", "0.1", "--prior", "0.2"],
            "--fdr, --prior: only with --model. A server gives its probabilities",
        ),
        (
            ["--server", "http://h/v1/models/M", "--no-calibration"],
            "--no-calibration: only with --model.",
        ),
        (["--model", "run", "--timeout", "9"], "go with --server"),
        (["--model", "run", "--temperature", "30"], "go with --server"),
        (["--model", "run", "--threshold", "2"], "threshold must be in [0, 1], got 2."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_are_refused(flags, message, sites, tmp_path, capsys):
    assert run_predict(sites, tmp_path / "out.tsv", *flags) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# === What the documentation shows ===


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
