"""Strategies; to split the CPU needs a process where TensorFlow has not started."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deeprke_tf import evaluate, export, train
from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.data import batches as dataset
from deeprke_tf.data.joint_sites import write_joint_sites
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.runs.run import Run
from deeprke_tf.training import devices
from deeprke_tf.training.task import JointTask
from tests.support import fresh_processes
from tests.support.interruptions import call_after_first_epoch
from tests.support.small_models import CONFIGS, tiny_model, write_dataset
from tests.support.small_runs import QUICK, make_data, make_sites, write_table


@pytest.fixture
def gpus(monkeypatch):
    """Makes TensorFlow list some GPUs, and a strategy be the list of their names."""

    def pretend(n_gpus):
        found = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(n_gpus)]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: found)
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: names)

    return pretend


@pytest.mark.parametrize("n_devices", [0, -1])
def test_fewer_than_one_device_is_refused(n_devices):
    with pytest.raises(
        UserError, match=f"`devices` must be at least 1, got {n_devices}"
    ):
        devices.strategy(n_devices)


def test_too_many_cpu_devices_are_refused(gpus):
    gpus(0)
    with pytest.raises(UserError, match="`devices` must be at most 64 without a GPU"):
        devices.strategy(1000)


def test_more_devices_than_there_are_gpus_are_refused(gpus):
    gpus(2)
    with pytest.raises(UserError, match="`devices` is 3, but 2 GPUs were found"):
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
    with pytest.raises(UserError, match="Cannot split the CPU into 2 devices"):
        devices.strategy(2)


def train_on_two_and_on_one(directory):
    """Trains equal networks on two devices and on one, and compares the weights."""
    rng = np.random.default_rng(0)
    # Batches of 2 and 1 sites to a device; the last has a single site.
    sites = [(rng.integers(2, 66, 3 + i % 4), i % 2) for i in range(13)]
    info = write_dataset(directory, {"train": sites})
    config = CONFIGS["cnn-only"]
    two = devices.strategy(2)
    assert two.num_replicas_in_sync == 2
    assert devices.strategy(2).num_replicas_in_sync == 2
    other = write_dataset(directory / "B", {"train": sites[:7]})
    datasets = {"A": info, "B": other}
    joint_sites = write_joint_sites(datasets, directory / "joint", 38)
    joint = JointTask(datasets, joint_sites, RunConfig(model=config), 1.0)

    def read(**how):
        weights = (0.5, 2.0)
        return dataset.read_split(
            *(info, "train", config.views, 3), class_weights=weights, **how
        )

    def read_joint(**how):
        return joint.batches(TrainConfig(batch_size=3), **how)

    for batches, loss, bound_fraction in (
        (read, "binary_crossentropy", 0.5),
        (read_joint, joint.loss, joint.bound_fraction),
    ):
        trained = []
        for strategy in (two, devices.strategy(1)):
            with strategy.scope():
                model = tiny_model(config, bound_fraction)
                model.compile(keras.optimizers.SGD(0.5), loss)
            of_batches = batches(
                shuffle_seed=1, n_devices=strategy.num_replicas_in_sync
            )
            model.fit(of_batches, verbose=0, shuffle=False)
            trained.append(np.concatenate([w.ravel() for w in model.get_weights()]))
        np.testing.assert_allclose(*trained, atol=1e-5)


@pytest.mark.slow
def test_two_devices_train_as_one_does_for_any_number_of_sites(tmp_path):
    out = tmp_path / "out"
    process = fresh_processes.start(train_on_two_and_on_one, tmp_path / "data", out=out)
    fresh_processes.finish(process, out)


def train_mirrored(directory, flags):
    """Trains two runs on two devices: a whole one, and one from its first epoch on."""

    def train_to(name):
        argv = [*flags, "--devices", "2", "--out", str(directory / name)]
        return train.main(argv)

    def copy_as_if_killed():
        shutil.copytree(directory / "whole", directory / "run")

    with pytest.MonkeyPatch.context() as patch:
        call_after_first_epoch(patch, copy_as_if_killed)
        assert train_to("whole") == 0
    return train_to("run")


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """Data, and runs on them of two epochs by two devices."""
    here = tmp_path_factory.mktemp("mirrored")
    # Odd numbers, so that neither batches nor splits can be halved.
    write_table(here / "train.tsv", make_sites(131, seed=1))
    write_table(here / "test.tsv", make_sites(37, seed=2))
    data = make_data(
        here / "data",
        *("--sites", here / "train.tsv", "--test-sites", here / "test.tsv"),
        *("--validation-fraction", "0.2"),
    )
    flags = ["--data", str(data), *QUICK, "--batch-size", "13", "--epochs", "2"]
    arguments = train_mirrored, here, [*flags, "--mixed-precision"]
    process = fresh_processes.start(*arguments, out=here / "out")
    fresh_processes.finish(process, here / "out")
    return here


def history(run):
    return pd.read_csv(run / "history.csv")


@pytest.mark.slow
def test_a_mirrored_run_resumes_and_measures_exactly(mirrored):
    whole, run = history(mirrored / "whole"), history(mirrored / "run")
    assert "resuming after epoch 1" in (mirrored / "out").read_text()
    np.testing.assert_allclose(run, whole, rtol=1e-4)
    manifest = json.loads((mirrored / "run" / "manifest.json").read_text())
    assert len(manifest["devices"]) == 2
    # Each validation site once, each test site once.
    data = mirrored / "data"
    splits = json.loads((data / "dataset.json").read_text())["splits"]
    labels, _probabilities = layout.read_validation(mirrored / "run")
    assert len(labels) == splits["validation"]["n_sites"]
    assert labels.sum() == splits["validation"]["n_positive"]
    evaluated = mirrored / "evaluated"
    flags = ["--model", mirrored / "run", "--data", data, "--out", evaluated]
    assert evaluate.main([str(flag) for flag in flags]) == 0
    measured = json.loads((evaluated / "metrics.json").read_text())
    assert (measured["n_sites"], measured["n_positive"]) == (37, 13)


@pytest.mark.slow
def test_a_mirrored_run_in_mixed_precision_leaves_a_float32_model(mirrored):
    loaded = Run.load(mirrored / "run")
    assert loaded.config.train.mixed_precision
    assert {of.dtype_policy.name for of in loaded.model.layers} == {"float32"}
    out = mirrored / "serving"
    assert export.main(["--model", str(mirrored / "run"), "--out", str(out)]) == 0
    sequence = "GGGGAAAACCCCUGUAUAUA"
    signatures = tf.saved_model.load(str(out / "1")).signatures
    served = signatures["serving_default"](sequence=tf.constant([sequence]))
    ids = loaded.encoding.sequence_vocabulary.encode(sequence)
    predicted = loaded.model({"sequence_kmers": tf.constant([ids], tf.int64)})
    assert predicted.dtype == tf.float32
    np.testing.assert_allclose(served["probability"], predicted, rtol=1e-5)
