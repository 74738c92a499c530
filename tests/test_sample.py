"""Tests of tfrecords/sample, the data of the quick start."""

import json
from pathlib import Path

import pytest

from deeprke_tf import train
from deeprke_tf.data import batches, description, stored_sites
from deeprke_tf.data.structure_shuffling import permutation
from deeprke_tf.evaluation import metrics
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs import batching, layout, scorer
from deeprke_tf.runs.run import Run

SAMPLE = Path(__file__).parent.parent / "tfrecords" / "sample"


@pytest.mark.parametrize(
    "split, n_sites, n_positive",
    [("train", 3623, 1810), ("validation", 377, 190), ("test", 1000, 500)],
)
def test_the_sample_is_whole(split, n_sites, n_positive):
    info = description.read(SAMPLE)
    stored_sites.verify_shards(info, split)
    assert info.split(split).n_sites == n_sites
    assert info.split(split).n_positive == n_positive
    labels = [
        label.numpy()
        for _inputs, label, _weight in batches.read_split(info, split, (), 500)
    ]
    assert sum(map(len, labels)) == n_sites
    assert sum(label.sum() for label in labels) == n_positive


def test_no_sequence_of_the_sample_is_in_train_and_test():
    duplicates = description.read(SAMPLE).contents["duplicates"]
    assert duplicates["sequences_in_train_and_test"] == 0


def test_the_sites_to_predict_can_be_read():
    sites = list(SitesFile(SAMPLE / "new_sites.fa", k=3, labelled=False))
    assert len(sites) == 20
    assert all(isinstance(site, Site) for site in sites)


@pytest.mark.slow
def test_structure_tells_the_sites_of_the_sample_apart(tmp_path):
    # Without normalization training may fall back to chance; a smaller network,
    # smaller batches and larger steps than in `make demo`.
    flags = ["--preset", "paper", "--batch-norm", "--epochs", "1"]
    flags += ["--filters", "32", "--kernel-sizes", "8", "--dense-units", "16"]
    flags += ["--lstm-units", "0", "--batch-size", "32", "--learning-rate", "0.005"]
    flags += ["--vector-size", "20", "--vector-sites", "500"]
    run = tmp_path / "run"
    assert train.main(["--data", str(SAMPLE), "--out", str(run), *flags]) == 0
    # Of validation, as no choice was made on it: `make demo` evaluates on the test.
    auroc = json.loads((run / "metrics.json").read_text())["auroc"]
    assert auroc > 0.9
    sequences, structures = (
        stored_sites.sample_kmers(description.read(SAMPLE), "validation", view, -1)
        for view in ("sequence_kmers", "structure_kmers")
    )
    order = permutation([*map(len, structures)], "validation")
    of_others = [
        {"sequence_kmers": ids, "structure_kmers": structures[place]}
        for ids, place in zip(sequences, order, strict=True)
    ]
    score = scorer.scorer(Run.load(run).model)
    probabilities = batching.score_sites(score, of_others, 100)
    labels, _probabilities = layout.read_validation(run)
    assert metrics.auroc(labels, probabilities) < auroc - 0.05
