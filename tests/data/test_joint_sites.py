"""The training sites of several datasets as one, without what any of them holds out."""

import random

import numpy as np
import pytest

from deeprke_tf.data import batches, description, joint_sites, stored_sites
from deeprke_tf.errors import UserError
from tests.support.small_runs import make_data


def letters(rng, n=60):
    return "".join(rng.choices("ACGU", k=n))


@pytest.fixture
def datasets(tmp_path):
    """Makes datasets from (sequence, label) rows of train and test by name."""

    def make(**of_rbps):
        made = {}
        for name, splits in of_rbps.items():
            flags = ["--no-structure", "--validation-fraction", "0.1"]
            for flag, rows in zip(("--sites", "--test-sites"), splits, strict=True):
                path = tmp_path / f"{name}{flag}.tsv"
                lines = [f"{sequence}\t{label}\n" for sequence, label in rows]
                path.write_text("".join(["sequence\tlabel\n", *lines]))
                flags += [flag, path]
            made[name] = description.read(make_data(tmp_path / name, *flags))
        return made

    return make


def labelled(rng, n_sites):
    return [(letters(rng), i % 3 // 2) for i in range(n_sites)]


def merged(datasets, tmp_path, shared_letters=38):
    info = joint_sites.write_joint_sites(datasets, tmp_path / "sites", shared_letters)
    vocabulary = info.encoding.sequence_vocabulary
    found = {
        vocabulary.letters(ids): dict(zip(rbps.tolist(), of_site.tolist(), strict=True))
        for ids, rbps, of_site in stored_sites.joint_sites(info)
    }
    return info, found


def test_sites_that_overlap_with_held_out_ones_of_any_dataset_are_left_out(
    datasets, tmp_path
):
    rng = random.Random(1)
    a, b = labelled(rng, 80), labelled(rng, 80)
    # The first shares 38 letters with a test site of the other RBP, the second 30.
    overlapping = a[0][0][10:48] + letters(rng, 22)
    nearly = a[1][0][10:40] + letters(rng, 30)
    made = datasets(
        A=(a, labelled(rng, 9)),
        B=(b, [(overlapping, 0), (nearly, 1), (letters(rng), 0)]),
    )
    info, found = merged(made, tmp_path)
    assert a[0][0] not in found and a[1][0] in found
    of_a, of_b = info.contents["joint"]
    assert (of_a["name"], of_a["n_left_out"], of_b["n_left_out"]) == ("A", 1, 0)
    assert of_a["n_sites"] == made["A"].split("train").n_sites - 1
    assert of_a["n_positive"] == made["A"].split("train").n_positive


def test_validation_sites_of_another_dataset_are_held_out_too(datasets, tmp_path):
    rng = random.Random(2)
    rows = labelled(rng, 150)
    # Both split the same sequences alike: give one of them another split.
    made = datasets(A=(rows, labelled(rng, 6)), B=(labelled(rng, 90), rows[:75]))
    _info, found = merged(made, tmp_path)
    assert not found.keys() & {sequence for sequence, _label in rows[:75]}


def test_what_a_dataset_outside_the_training_holds_out_is_left_out(datasets, tmp_path):
    rng = random.Random(8)
    a, b = labelled(rng, 80), labelled(rng, 80)
    made = datasets(
        A=(a, labelled(rng, 6)),
        B=(b, labelled(rng, 6)),
        C=(labelled(rng, 90), [(a[0][0], 0), (b[0][0], 1), (letters(rng), 0)]),
    )
    away = made.pop("C")
    info = joint_sites.write_joint_sites(made, tmp_path / "sites", 38, held_out=[away])
    assert [row["name"] for row in info.contents["joint"]] == ["A", "B"]
    assert [row["n_left_out"] for row in info.contents["joint"]] == [1, 1]


def test_a_sequence_of_two_datasets_is_written_once_with_both_labels(
    datasets, tmp_path
):
    rng = random.Random(3)
    a, b = labelled(rng, 60), labelled(rng, 60)
    common = [letters(rng) for _site in range(40)]
    made = datasets(
        A=(a + [(sequence, 0) for sequence in common], labelled(rng, 6)),
        B=(b + [(sequence, 1) for sequence in common], labelled(rng, 6)),
    )
    info, found = merged(made, tmp_path)
    both = {sequence: of for sequence, of in found.items() if len(of) == 2}
    assert both and both.keys() <= set(common)
    assert all(of == {0: 0, 1: 1} for of in both.values())
    assert info.split("train").n_sites == len(found)
    n_labels = sum(row["n_sites"] for row in info.contents["joint"])
    assert n_labels == len(found) + len(both)


def test_a_dataset_may_hold_sites_of_others_alone(datasets, tmp_path):
    rng = random.Random(6)
    rows = labelled(rng, 90)
    made = datasets(A=(rows, labelled(rng, 6)), B=(rows[:60], labelled(rng, 6)))
    info, found = merged(made, tmp_path)
    of_a, of_b = info.contents["joint"]
    assert sum(0 in of for of in found.values()) == of_a["n_sites"]
    assert sum(1 in of for of in found.values()) == of_b["n_sites"]


def test_batches_hold_target_and_weight_of_each_rbp(datasets, tmp_path):
    rng = random.Random(4)
    made = datasets(
        A=(labelled(rng, 60), labelled(rng, 6)), B=(labelled(rng, 90), labelled(rng, 6))
    )
    info, found = merged(made, tmp_path)
    targets = np.array([[0.1, 0.9], [0.2, 0.8]])
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    read = batches.read_split(
        *(info, "train", ("sequence_kmers",), 16),
        joint=batches.JointLabels(targets, weights),
        shuffle_seed=1,
    )
    vocabulary = info.encoding.sequence_vocabulary
    n_read = 0
    for inputs, label, weight in read:
        assert label.shape == (len(weight), 2, 2) and (weight.numpy() == 1).all()
        for ids, of_rbps in zip(inputs["sequence_kmers"].numpy(), label, strict=True):
            of_site = found[vocabulary.letters(ids[ids != 0])]
            for rbp, (target, its_weight) in enumerate(of_rbps.numpy()):
                if rbp in of_site:
                    assert target == np.float32(targets[rbp, of_site[rbp]])
                    assert its_weight == weights[rbp, of_site[rbp]]
                else:
                    assert its_weight == 0
            n_read += 1
    assert n_read == len(found)


def test_any_part_of_the_merged_sites_is_a_sample_of_all_datasets(
    datasets, tmp_path, monkeypatch
):
    monkeypatch.setattr(joint_sites, "SITES_PER_TURN", 10)
    rng = random.Random(5)
    made = datasets(
        A=(labelled(rng, 200), labelled(rng, 6)),
        B=(labelled(rng, 400), labelled(rng, 6)),
    )
    info, _found = merged(made, tmp_path)
    rbps = np.concatenate([of for _ids, of, _labels in stored_sites.joint_sites(info)])
    for part in np.array_split(rbps, 6):
        assert 0.5 < part.mean() < 0.8


def test_an_rbp_without_a_bound_site_left_is_refused(datasets, tmp_path):
    rng = random.Random(6)
    rows = labelled(rng, 60)
    bound = [row for row in rows if row[1]]
    made = datasets(
        A=(rows, labelled(rng, 6)), B=(labelled(rng, 60), [*bound, (letters(rng), 0)])
    )
    with pytest.raises(UserError, match=r"0 bound and \d+ background sites share no"):
        merged(made, tmp_path)
