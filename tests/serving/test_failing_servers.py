"""Servers that fail, at first or for good; the answers of other models; wrong flags."""

import socket

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import Site
from deeprke_tf.serving import answers, client, grpc_client, rest_client
from deeprke_tf.serving.client import ServedModel
from deeprke_tf.serving.protocol import RequestSettings
from tests.support.served_run import N_SITES, asked, run_predict


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
        (["503"] * 3, "answered 503: fault 503; tried 3 times."),
        (["500"], "answered 500: fault 500."),
        (["reset"] * 3, "Connection reset by peer; tried 3 times."),
        (["hang up"] * 3, "end closed connection without response; tried 3 times."),
        (["slow"] * 3, "no answer in 0.3 s; tried 3 times."),
        (["half"] * 3, "IncompleteRead(11 bytes read, 989 more expected); tried 3"),
        (["stall"] * 3, "no answer in 0.3 s; tried 3 times."),
        (["drip"] * 3, "no answer in 0.3 s; tried 3 times."),
        (["endless"], "answered more than 64 MiB"),
        (["deep"], "answered with invalid JSON: [[["),
        (["digits"], "answered a probability of 1000"),
        (["not JSON"], "answered with invalid JSON: {"),
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


@pytest.mark.parametrize("fault", ["slow", "stall"])
def test_a_timeout_of_a_rest_server_reads_the_same_whoever_notices_it(
    rest_url, sites, stub, fault, tmp_path, capsys, monkeypatch
):
    # Two clocks start with a request, and either may end first.
    monkeypatch.setattr(rest_client, "_within", lambda _seconds, send: send())
    stub.faults.extend([fault] * 2)
    error = refused(rest_url, sites, tmp_path, capsys, "--tries", 2, "--timeout", 0.3)
    assert "no answer in 0.3 s; tried 2 times." in error


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (
            ["UNAVAILABLE"] * 3,
            "UNAVAILABLE: fault UNAVAILABLE; tried 3 times.",
        ),
        (["INTERNAL"], "answered INTERNAL: fault INTERNAL."),
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
    monkeypatch.setattr(client, "SITES_AT_ONCE", 10)
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
        for module in (rest_client, grpc_client):
            monkeypatch.setattr(module, "SIGNATURE", "other")
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
        (["--server", "grpc://localhost/QKI"], "expected grpc://host:8500/NAME."),
        (
            ["--server", "http://h/v1/models/M", "--tries", "0"],
            "tries must be at least",
        ),
        (
            ["--server", "http://h/v1/models/M", "--timeout", "0"],
            "timeout must be above",
        ),
        (["--server", "http://h/v1/models/M", "--timeout", "1e12"], "at most a day"),
        (
            ["--server", "http://h/v1/models/M", "--requests-at-once", "1000000000"],
            "requests-at-once must be between 1 and 1,000, got 1000000000.",
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
