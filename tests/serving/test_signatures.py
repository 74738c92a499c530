"""The signatures of an exported model, compared with the model in Python."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from deeprke_tf.data import records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.networks.mean_network import mean_network
from deeprke_tf.rna.sites import Site, clean_site
from deeprke_tf.rna.structure import fold, loop_contexts
from deeprke_tf.runs.scorer import score_sites
from deeprke_tf.serving import signatures
from tests.support.small_models import CONFIGS, compiled_scorer, trained_model

ENCODING = Encoding()
VIEWS = CONFIGS["paper"].views


def random_texts(n_sites, seed):
    """Sequences in DNA or RNA, some padded or with N inside, and their structures."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n_sites):
        letters = rng.choice(["ACGU", "ACGT", "acgu", "ACGTacgtN"])
        sequence = "".join(rng.choices(letters, k=rng.randint(3, 90)))
        padding = rng.choice([0, 0, 3])
        dot_bracket = fold(clean_letters(sequence))[0]
        ends = "N" * padding, "." * padding
        texts.append((ends[0] + sequence + ends[0], ends[1] + dot_bracket + ends[1]))
    return texts


def clean_letters(sequence):
    return sequence.upper().replace("T", "U")


def python_probabilities(model, texts):
    """The probability of each site, NaN where Python skips it."""
    views = [tensor.name for tensor in model.inputs]
    sites = [clean_site("", 1, s, k=3, dot_bracket=d) for s, d in texts]
    encoded = [
        dict(zip(views, ENCODING.encode(site.sequence, site.dot_bracket), strict=False))
        for site in sites
        if isinstance(site, Site)
    ]
    probabilities = np.full(len(sites), np.nan, np.float32)
    usable = [isinstance(site, Site) for site in sites]
    probabilities[usable] = score_sites(compiled_scorer(model), encoded, batch_size=32)
    return probabilities


def inputs_of(texts):
    """Every input that a signature may have, for the same sites."""
    sequences, dot_brackets = map(list, zip(*texts, strict=True))
    encoded = [
        ENCODING.encode(site.sequence, site.dot_bracket)
        if isinstance(site := clean_site("", 1, s, k=3, dot_bracket=d), Site)
        else ([], [])
        for s, d in texts
    ]
    sequence_kmers, structure_kmers = map(list, zip(*encoded, strict=True))
    examples = [records.serialize("site", *ids, label=0) for ids in encoded]
    return {
        "sequence": tf.constant(sequences),
        "dot_bracket": tf.constant(dot_brackets),
        "contexts": tf.constant([loop_contexts(d) for d in dot_brackets]),
        "sequence_kmers": tf.ragged.constant(sequence_kmers, tf.int64).to_tensor(),
        "structure_kmers": tf.ragged.constant(structure_kmers, tf.int64).to_tensor(),
        "records": tf.constant(examples),
    }


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
def exported(tmp_path_factory):
    """Directory of the SavedModel of the network that reads both views."""
    directory = tmp_path_factory.mktemp("exported") / "1"
    signatures.save(trained_model("paper"), ENCODING, directory)
    return directory


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
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            loaded.signatures[signature](**given)
        assert f"{first} and {second} must have the same shape" in str(error.value)


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


# === Where nothing of this project is installed ===

_FOREIGN_PROCESS = """
import sys
for name in ("deeprke_tf", "tensorflow_text", "keras"):
    sys.modules[name] = None
import numpy as np, tensorflow as tf
inputs = np.load(sys.argv[2], allow_pickle=False)
outputs = {}
for name, function in tf.saved_model.load(sys.argv[1]).signatures.items():
    keys = function.structured_input_signature[1]
    result = function(**{key: tf.constant(inputs[key]) for key in keys})
    outputs[name] = result["probability"].numpy()
np.savez(sys.argv[3], **outputs)
"""


def test_a_process_without_this_package_scores_every_signature(exported, tmp_path):
    texts = random_texts(20, seed=3)
    inputs = {name: values.numpy() for name, values in inputs_of(texts).items()}
    # Records may hold zero bytes, which NumPy's strings cannot end with.
    inputs = {
        name: values.astype("S") if values.dtype == object else values
        for name, values in inputs.items()
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    subprocess.run(
        [sys.executable, "-c", _FOREIGN_PROCESS, exported, "inputs.npz", "outputs.npz"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    expected = python_probabilities(trained_model("paper"), texts)
    outputs = np.load(tmp_path / "outputs.npz")
    assert len(outputs.files) == 4
    for name in outputs.files:
        np.testing.assert_allclose(outputs[name][:, 0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    """tests/saved_model.c, built against the headers and libraries of the TF wheel."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or shutil.which("nm") is None:
        pytest.skip("no C compiler")
    package = Path(tf.sysconfig.get_lib())
    library = package / "libtensorflow_cc.so.2"
    needed = [package / "include/tensorflow/c/c_api.h", library]
    if missing := [path.name for path in needed if not path.exists()]:
        pytest.skip(f"this TensorFlow has no {', '.join(missing)}")
    directory = tmp_path_factory.mktemp("c")

    def compile_to(name, *flags):
        subprocess.run([compiler, *flags, "-o", directory / name], check=True)
        return directory / name

    source = Path(__file__).with_name("saved_model.c")
    flags = ["-std=c99", "-Wall", "-Werror", "-I", package / "include"]
    compiled = compile_to("saved_model.o", *flags, "-c", source)
    # To link with a library of a gigabyte takes ten seconds: its place is kept by one
    # of the same name and functions; what runs is the real one.
    stub = directory / "stub.c"
    stub.write_text(
        "".join(f"void {name}(void) {{}}\n" for name in missing_in(compiled))
    )
    named = f"-Wl,-soname,{library.name}"
    kept = compile_to("stub.so", "-shared", "-fPIC", named, stub)
    found = [f"-Wl,-rpath,{package}", "-Wl,-z,now"]
    return compile_to("saved_model", compiled, kept, *found)


def missing_in(compiled):
    """The functions of TensorFlow that an object file calls."""
    listed = subprocess.run(["nm", "-u", compiled], capture_output=True, text=True)
    return [name for name in listed.stdout.split() if name.startswith("TF_")]


def test_a_c_program_gives_the_probabilities_of_python(exported, c_program):
    texts = [*random_texts(30, seed=4), ("ACGUACGU", "((.....)")]
    saved = saved_model_pb2.SavedModel.FromString(
        (exported / "saved_model.pb").read_bytes()
    )
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    names = [
        signature.inputs["sequence"].name.removesuffix(":0"),
        signature.inputs["dot_bracket"].name.removesuffix(":0"),
        signature.outputs["probability"].name,
    ]
    done = subprocess.run(
        [c_program, exported, *names],
        input="".join(f"{sequence}\t{structure}\n" for sequence, structure in texts),
        check=True,
        capture_output=True,
        text=True,
    )
    found = np.array(done.stdout.split(), np.float32)
    expected = python_probabilities(trained_model("paper"), texts)
    assert np.isnan(expected[-1])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_input_has_the_name_and_the_shape_that_are_documented():
    specs = signatures.input_specs(CONFIGS["paper"].views)
    for inputs in specs.values():
        for name, spec in inputs.items():
            assert spec.name == name
            assert name in signatures.__doc__
    assert specs["ids"]["sequence_kmers"].shape.rank == 2
    assert specs["serving_default"]["sequence"].dtype == tf.string
