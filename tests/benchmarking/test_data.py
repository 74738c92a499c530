"""The datasets of tasks."""

import pytest

from deeprke_tf.benchmarking import experiments, tasks
from deeprke_tf.benchmarking.data import Datasets
from deeprke_tf.data import stored_sites

pytest_plugins = ["tests.support.benchmark_fixtures"]


def dataset(out, experiment, preset, mask="none"):
    benchmark = "rbp31" if experiment.number else "rbp24"
    task = tasks.Task(benchmark, experiment, preset, "frozen", 1, mask)
    return Datasets(out, workers=1).of(task)


def kmers(dataset, split, view):
    return [ids.tolist() for ids in stored_sites.sample_kmers(dataset, split, view, -1)]


def test_shuffled_structures_come_from_other_sites(rbp_data, tmp_path):
    experiment = experiments.find("rbp31", rbp_data)[0]
    shuffled, plain = (
        dataset(tmp_path, experiment, name) for name in ("shuffled-structure", "paper")
    )
    sequences, structures = (
        [kmers(one, "train", f"{view}_kmers") for one in (shuffled, plain)]
        for view in ("sequence", "structure")
    )
    assert sequences[0] == sequences[1]
    assert structures[0] != structures[1]
    assert sorted(structures[0]) == sorted(structures[1])
    labels = [stored_sites.sample_labels(one, "train", -1) for one in (shuffled, plain)]
    assert labels[0].tolist() == labels[1].tolist()
    # A model of sequences alone takes the dataset that is there.
    assert dataset(tmp_path, experiment, "oli").directory == plain.directory


@pytest.mark.parametrize("preset", ["no-structure", "oli"])
def test_sequences_alone_are_not_folded(rbp_data, tmp_path, preset):
    (experiment,) = experiments.find("rbp24", rbp_data)
    found = dataset(tmp_path, experiment, preset, "3prime-edge")
    assert not found.has_structure
    unknown = [ids.count(1) for ids in kmers(found, "test", "sequence_kmers")]
    assert set(unknown) == {9}  # k-mers over seven masked bases
    assert found.split("test").n_sites == 120 and found.split("test").n_positive == 60
