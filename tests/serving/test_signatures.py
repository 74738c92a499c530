"""The signatures of an exported model, compared with the model in Python."""

import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.data import records
from deeprke_tf.networks.mean_network import mean_network
from deeprke_tf.serving import signatures
from tests.support.signature_inputs import (
    ENCODING,
    inputs_of,
    python_probabilities,
    random_texts,
)
from tests.support.small_models import CONFIGS, trained_model

VIEWS = CONFIGS["paper"].views


def outputs_of(loaded, texts):
    """What each signature of a SavedModel gives, by signature and output."""
    inputs = inputs_of(texts)
    return {
        name: {
            output: values.numpy()
            for output, values in function(
                **{key: inputs[key] for key in function.structured_input_signature[1]}
            ).items()
        }
        for name, function in loaded.signatures.items()
    }


@pytest.fixture(scope="module")
def loaded(exported):
    """The SavedModel, loaded."""
    return tf.saved_model.load(exported)


# === Agreement ===


def test_all_signatures_agree_with_python(loaded):
    texts = [*random_texts(498, seed=1), ("ACGZACG", "......."), ("NNN", "...")]
    expected = python_probabilities(trained_model("paper"), texts)
    assert np.isnan(expected).sum() >= 2
    outputs = outputs_of(loaded, texts)
    assert set(outputs) == {"serving_default", "contexts", "ids", "records"}
    for name, values in outputs.items():
        assert set(values) == {"probability", "calibrated_probability"}
        for probability in values.values():
            assert probability.dtype == np.float32
            np.testing.assert_allclose(
                probability[:, 0], expected, atol=1e-5, err_msg=name
            )


@pytest.mark.parametrize("n_structures", [1, 3])
def test_inputs_of_different_numbers_of_sites_are_refused(loaded, n_structures):
    inputs = inputs_of([("ACGUACGU", "........")] * 3)
    for signature, (first, second) in {
        "serving_default": ("sequence", "dot_bracket"),
        "contexts": ("sequence", "contexts"),
        "ids": ("sequence_kmers", "structure_kmers"),
    }.items():
        given = {first: inputs[first][:2], second: inputs[second][:n_structures]}
        message = f"{first} and {second} must have the same shape"
        for _ in range(20):  # the order of a graph's operations differs between calls
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                loaded.signatures[signature](**given)


def test_a_model_without_structure_takes_the_sequence_alone(tmp_path):
    name = "one-hot"
    signatures.save(trained_model(name), ENCODING, tmp_path / "1")
    loaded = tf.saved_model.load(tmp_path / "1")
    taken = {
        signature: set(function.structured_input_signature[1])
        for signature, function in loaded.signatures.items()
    }
    assert taken == {
        "serving_default": {"sequence"},
        "ids": {"sequence_kmers"},
        "records": {"records"},
    }
    texts = random_texts(20, seed=2)
    expected = python_probabilities(trained_model(name), texts)
    for values in outputs_of(loaded, texts).values():
        np.testing.assert_allclose(values["probability"][:, 0], expected, atol=1e-5)


def test_calibration_changes_one_output_and_keeps_nan(tmp_path):
    model = trained_model("cnn-only")
    # Makes a number of anything, as a lookup would.
    signatures.save(
        model, ENCODING, tmp_path / "1", lambda p: tf.where(p >= 0.0, p / 2, 7.0)
    )
    texts = [("ACGUACGU", "((....))"), ("ACGUACGU", "((.....)")]
    sequence, dot_bracket = map(tf.constant, zip(*texts, strict=True))
    function = tf.saved_model.load(tmp_path / "1").signatures["serving_default"]
    outputs = function(sequence=sequence, dot_bracket=dot_bracket)
    probability = outputs["probability"].numpy()[:, 0]
    calibrated = outputs["calibrated_probability"].numpy()[:, 0]
    np.testing.assert_array_equal(calibrated, probability / 2)
    assert np.isnan(calibrated).tolist() == [False, True]


def test_members_that_read_other_views_are_averaged():
    members = [trained_model(n) for n in ("no-structure", "paper", "cnn-only")]
    mean = mean_network(members)
    texts = [*random_texts(20, seed=4), ("ACGZACG", ".......")]
    each = np.array([python_probabilities(member, texts) for member in members])
    made = signatures.signatures(mean, ENCODING, lambda raw: raw / 2, members)
    inputs = inputs_of(texts)
    outputs = made["ids"]({n: inputs[n] for n in signatures.input_specs(VIEWS)["ids"]})
    for name, expected in {
        "probability": each.mean(axis=0),
        "calibrated_probability": each.mean(axis=0) / 2,
        "probability_sd": each.std(axis=0, ddof=1),
    }.items():
        found = outputs[name].numpy()[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=name)


# === Rows that are no sites ===


@pytest.mark.parametrize(
    ("fault", "sequence_kmers", "structure_kmers"),
    [
        ("negative id", [-1, 3], [2, 3]),
        ("beyond the sequence vocabulary", [66, 3], [2, 3]),
        ("beyond the structure vocabulary", [5, 3], [218, 3]),
        ("nothing but padding", [0, 0], [0, 0]),
        ("nothing but unknown k-mers", [1, 1], [2, 3]),
        ("padding in front", [0, 5], [0, 3]),
        ("one view longer", [5, 0], [3, 3]),
    ],
)
def test_ids_that_are_no_site_have_no_probability(
    loaded, fault, sequence_kmers, structure_kmers
):
    function = loaded.signatures["ids"]
    good = [5, 6]

    def probabilities(*rows):
        first, second = zip(*rows, strict=True)
        outputs = function(
            sequence_kmers=tf.constant(first, tf.int64),
            structure_kmers=tf.constant(second, tf.int64),
        )
        return outputs["probability"].numpy()[:, 0]

    both = probabilities((sequence_kmers, structure_kmers), (good, good))
    assert np.isnan(both[0]), fault
    np.testing.assert_allclose(both[1:], probabilities((good, good)), atol=1e-6)


def test_a_record_without_a_view_has_no_probability(loaded):
    function = loaded.signatures["records"]
    good = records.serialize("site", [5, 6], [7, 8], label=1)
    unequal = tf.train.Example()
    for name, ids in {"sequence_kmers": [5, 6], "structure_kmers": [7]}.items():
        unequal.features.feature[name].int64_list.value.extend(ids)
    rows = [b"", good, unequal.SerializeToString()]
    probability = function(records=tf.constant(rows))["probability"].numpy()[:, 0]
    assert np.isnan(probability).tolist() == [True, False, True]


@pytest.mark.parametrize("signature", ["serving_default", "contexts", "ids", "records"])
def test_an_empty_batch_has_no_probabilities(loaded, signature):
    function = loaded.signatures[signature]
    inputs = {
        name: tf.zeros([0] * spec.shape.rank, spec.dtype)
        for name, spec in function.structured_input_signature[1].items()
    }
    assert function(**inputs)["probability"].shape == (0, 1)


def test_every_input_has_the_name_and_the_shape_that_are_documented():
    specs = signatures.input_specs(CONFIGS["paper"].views)
    for inputs in specs.values():
        for name, spec in inputs.items():
            assert spec.name == name
            assert name in signatures.__doc__
    assert specs["ids"]["sequence_kmers"].shape.rank == 2
    assert specs["serving_default"]["sequence"].dtype == tf.string
