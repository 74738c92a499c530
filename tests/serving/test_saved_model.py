"""An exported SavedModel scored where nothing of this package is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.support.signature_inputs import inputs_of, python_probabilities, random_texts
from tests.support.small_models import trained_model

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
