"""Strategies; several logical CPU devices need a process that has not begun."""

import pathlib
import subprocess
import sys
import textwrap

import pytest
import tensorflow as tf

from deeprke_tf import devices
from deeprke_tf.errors import UserError

ROOT = pathlib.Path(__file__).parent.parent


def run_afresh(code, timeout=120):
    """Runs code in a Python process of its own; returns the last line it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout.splitlines()[-1]


@pytest.fixture
def gpus(monkeypatch):
    """Makes TensorFlow list some GPUs; returns what a strategy is then made over."""

    def pretend(n_gpus):
        found = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(n_gpus)]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: found)
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: names)

    return pretend


@pytest.mark.parametrize("n_devices", [0, -1])
def test_no_devices_at_all_are_refused(n_devices):
    with pytest.raises(UserError, match=f"devices must be at least 1, got {n_devices}"):
        devices.strategy(n_devices)


def test_more_devices_than_there_are_gpus_are_refused(gpus):
    gpus(2)
    with pytest.raises(UserError, match="3 devices asked for, but 2 GPUs found"):
        devices.strategy(3)


@pytest.mark.parametrize(
    ("n_devices", "names"),
    [
        (None, ["/gpu:0", "/gpu:1"]),
        (1, ["/gpu:0"]),
        (2, ["/gpu:0", "/gpu:1"]),
    ],
)
def test_all_gpus_are_used_unless_fewer_are_asked_for(gpus, n_devices, names):
    gpus(2)
    assert devices.strategy(n_devices) == names


without_gpu = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU"
)


@without_gpu
def test_without_a_gpu_one_cpu_device_is_used():
    assert devices.strategy().num_replicas_in_sync == 1


@without_gpu
def test_the_cpu_cannot_be_split_after_tensorflow_has_started():
    tf.constant(1) + 1
    with pytest.raises(UserError, match="Cannot split the CPU into 2 devices any more"):
        devices.strategy(2)


@pytest.mark.slow
def test_two_devices_train_as_one_does_whatever_the_number_of_sites():
    code = """
        import pathlib, sys, tempfile
        import keras, numpy as np
        from deeprke_tf import dataset, devices
        from tests.small_models import CONFIGS, tiny_model, write_dataset

        config = CONFIGS["no-structure"]
        rng = np.random.default_rng(0)
        # 13 sites by 4: the last batch has a single one; by 13: 7 and 6 to a device.
        sites = [(rng.integers(2, 66, 3 + i % 4), i % 2) for i in range(13)]
        info = write_dataset(pathlib.Path(tempfile.mkdtemp()), {"train": sites})
        two = devices.strategy(2)
        assert two.num_replicas_in_sync == 2
        assert devices.strategy(2).num_replicas_in_sync == 2
        trained = []
        for strategy in (two, devices.strategy(1)):
            with strategy.scope():
                model = tiny_model(config)
                model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
            for batch_size in (4, 13):
                batches = dataset.read_split(
                    info, "train", config.views, batch_size, shuffle_seed=1,
                    class_weights=(0.5, 2.0), n_devices=strategy.num_replicas_in_sync,
                )
                model.fit(batches, verbose=0, shuffle=False)
            trained.append(np.concatenate([w.ravel() for w in model.get_weights()]))
        print(np.abs(trained[0] - trained[1]).max() < 1e-5)
    """
    assert run_afresh(code) == "True"


@pytest.mark.slow
def test_a_mirrored_run_resumes_measures_and_exports_exactly():
    code = """
        import json, pathlib, tempfile
        import numpy as np, pandas as pd, tensorflow as tf
        from deeprke_tf import evaluate, export, runs, train, training
        from tests.small_runs import TINY, make_data, make_sites, write_table

        here = pathlib.Path(tempfile.mkdtemp())
        # Odd numbers, so that neither batches nor splits can be halved.
        write_table(here / "train.tsv", make_sites(131, seed=1))
        write_table(here / "test.tsv", make_sites(37, seed=2))
        data = make_data(
            here / "data", "--sites", here / "train.tsv",
            "--test-sites", here / "test.tsv", "--validation-fraction", "0.2",
        )
        flags = ["--data", data, *TINY, "--batch-size", "13", "--epochs", "2"]
        flags += ["--devices", "2", "--mixed-precision", "--preset", "no-structure"]
        flags = [str(flag) for flag in flags]
        assert train.main([*flags, "--out", str(here / "whole")]) == 0

        def interrupt(*_row):
            raise KeyboardInterrupt

        line, training._epoch_line = training._epoch_line, interrupt
        assert train.main([*flags, "--out", str(here / "run")]) == 130
        training._epoch_line = line
        assert train.main([*flags, "--out", str(here / "run")]) == 0
        whole, run = (pd.read_csv(here / o / "history.csv") for o in ("whole", "run"))
        np.testing.assert_allclose(run, whole, rtol=1e-4)

        # Each validation site once, each test site once.
        splits = json.loads((data / "dataset.json").read_text())["splits"]
        labels, _probabilities = runs.read_validation(here / "run")
        assert len(labels) == splits["validation"]["n_sites"]
        assert labels.sum() == splits["validation"]["n_positive"]
        evaluated = here / "evaluated"
        evaluate_flags = ["--model", here / "run", "--data", data, "--out", evaluated]
        assert evaluate.main([str(flag) for flag in evaluate_flags]) == 0
        measured = json.loads((evaluated / "metrics.json").read_text())
        assert (measured["n_sites"], measured["n_positive"]) == (37, 13)

        out = here / "serving"
        assert export.main(["--model", str(here / "run"), "--out", str(out)]) == 0
        model = runs.load(here / "run").model
        sequence = "GGGGAAAACCCCUGUAUAUA"
        served = tf.saved_model.load(str(out / "1")).signatures["serving_default"](
            sequence=tf.constant([sequence])
        )["probability"]
        encoding = runs.load(here / "run").encoding
        ids = encoding.sequence_vocabulary.encode(sequence)
        predicted = model({"sequence_kmers": tf.constant([ids], tf.int64)})
        assert predicted.dtype == tf.float32
        np.testing.assert_allclose(served, predicted, rtol=1e-5)
        print("exact")
    """
    assert run_afresh(code, timeout=900) == "exact"
