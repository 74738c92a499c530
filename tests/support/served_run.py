"""A run of a tiny network, a stub of TF Serving that serves it, and `predict`."""

import csv
from pathlib import Path

from deeprke_tf import predict
from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.runs.run import Run
from deeprke_tf.serving import calibration_graph, signatures
from tests.support import serving_stub
from tests.support.small_models import CONFIGS, trained_model

N_SITES = 40
CALIBRATION = Calibration("temperature", prior=0.3, slope=0.5, intercept=-1)


def tiny_run(name, manifest=None):
    """A run, as `Run.load` returns it, of a network of `small_models`."""
    return Run(
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


def run_predict(sites, out, *flags):
    return predict.main(["--sites", str(sites), "--out", str(out), *map(str, flags)])


def rows_of(path):
    lines = path.read_text().splitlines(keepends=True)
    table = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(table, dialect="excel-tab"))


def asked(url, sites, tmp_path, *flags):
    """The rows of the table that `predict` writes with a server."""
    out = tmp_path / "served.tsv"
    assert run_predict(sites, out, "--server", url, *flags) == 0
    return rows_of(out)
