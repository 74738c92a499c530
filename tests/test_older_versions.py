"""What version 0.1.0 made, before the package had rooms, is still read.

`support/made_by_0.1.0.tar.xz` holds a dataset, a run, an ensemble of two runs, an
export, a scan, a fold cache, and what that version predicted.
"""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf import evaluate, predict, scan, train
from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.structure import VIENNARNA_VERSION
from deeprke_tf.training import epochs

ARCHIVE = Path(__file__).parent / "support" / "made_by_0.1.0.tar.xz"

needs_its_viennarna = pytest.mark.skipif(
    VIENNARNA_VERSION != "2.8.0", reason="the fold cache is of ViennaRNA 2.8.0"
)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The directory that the archive holds."""
    directory = tmp_path_factory.mktemp("old")
    # Its argument `filter` is not known to the first releases of Python 3.10 and 3.11.
    shutil.unpack_archive(ARCHIVE, directory)
    return directory


@pytest.fixture
def old_cache(old, monkeypatch):
    """Folds come from the old fold cache: to fold anything is an error."""
    monkeypatch.setenv("DEEPRKE_CACHE", str(old / "cache"))
    monkeypatch.setattr("deeprke_tf.rna.folding.fold", None)


def rows_of(table):
    """The rows of a prediction table, by the name of the site."""
    lines = [line for line in table.read_text().splitlines() if line[0] != "#"]
    return {row["name"]: row for row in csv.DictReader(lines, dialect="excel-tab")}


def sequences_of(fasta):
    """The sequences of a FASTA file, each joined from its lines."""
    records = fasta.read_text().split(">")[1:]
    return ["".join(record.splitlines()[1:]) for record in records]


def settings_of(config):
    """The settings of a config.json as one flat mapping."""
    return {name: value for part in config.values() for name, value in part.items()}


@needs_its_viennarna
def test_an_old_fold_cache_answers(old):
    sequences = sequences_of(old / "new.fa")
    with FoldCache(old / "cache" / "folds.sqlite", FoldSettings()) as cache:
        folds = cache.get(sequences)
    assert [len(folds[sequence]) for sequence in sequences] == [
        len(sequence) for sequence in sequences
    ]


@needs_its_viennarna
@pytest.mark.parametrize("model", ["run", "ensemble"])
def test_an_old_model_predicts_what_it_did(old, old_cache, tmp_path, model):
    table = tmp_path / "new.tsv"
    flags = ["--sites", str(old / "new.fa"), "--out", str(table)]
    assert predict.main(["--model", str(old / model), *flags]) == 0
    before, now = rows_of(old / f"predictions-{model}.tsv"), rows_of(table)
    assert list(now) == list(before) and len(now) == 12
    for name, row in before.items():
        assert now[name]["bound"] == row["bound"]
        for column in set(row) - {"name", "bound", "skipped"}:
            assert float(now[name][column]) == pytest.approx(
                float(row[column]), abs=2e-5
            )


@pytest.mark.parametrize("model", ["run", "ensemble"])
def test_an_old_model_is_measured_on_the_old_dataset(old, tmp_path, model):
    flags = ["--model", str(old / model), "--data", str(old / "dataset")]
    assert evaluate.main([*flags, "--out", str(tmp_path / "evaluated")]) == 0
    measured = json.loads((tmp_path / "evaluated" / "metrics.json").read_text())
    assert measured["n_sites"] == 40 and 0 <= measured["auroc"] <= 1


def test_old_settings_train_on_the_old_dataset(old, tmp_path, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    # By then the settings are read and the dataset is checked.
    monkeypatch.setattr(epochs, "compiled_model", interrupt)
    config = old / "run" / "config.json"
    flags = ["--data", str(old / "dataset"), "--config", str(config)]
    out = tmp_path / "run"
    assert train.main([*flags, "--out", str(out), "--epochs", "1"]) == 130
    before = settings_of(json.loads(config.read_text()))
    now = settings_of(json.loads((out / "config.json").read_text()))
    assert now["filters"] == before["filters"] == [4, 4]
    assert now["dropout"] == before["dropout"]
    assert now["kmer_weight"] == before["kmer_share"]


@needs_its_viennarna
def test_an_old_export_gives_what_its_run_predicted(old):
    sequences = sequences_of(old / "new.fa")
    with FoldCache(old / "cache" / "folds.sqlite", FoldSettings()) as cache:
        folds = cache.get(sequences)
    serve = tf.saved_model.load(str(old / "export" / "run" / "1")).signatures[
        "serving_default"
    ]
    answer = serve(
        sequence=tf.constant(sequences),
        dot_bracket=tf.constant([folds[sequence] for sequence in sequences]),
    )
    before = [
        float(row["probability"])
        for row in rows_of(old / "predictions-run.tsv").values()
    ]
    np.testing.assert_allclose(answer["probability"][:, 0], before, atol=2e-5)


@needs_its_viennarna
def test_an_old_scan_goes_on_without_scoring_again(old, old_cache, monkeypatch):
    monkeypatch.setattr("deeprke_tf.rna.folding.FoldingPool.structures_of", None)
    flags = ["--model", str(old / "run"), "--fasta", str(old / "new.fa")]
    out = old / "scan"
    assert scan.main([*flags, "--out", str(out), "--threshold", "0.4"]) == 0
    assert len((out / "sites.bed").read_text().splitlines()) > 2
