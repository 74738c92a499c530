"""Checks of devices: which ones TensorFlow uses, and how fast they train.

That TensorFlow lists a device does not mean that it computes there: a training step is
run on each device, as in `deeprke train`, and the placement of its result is checked.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.config import ModelConfig, VectorConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.diagnostics.machine import SITE_LENGTH, Finding
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.training import devices

_TIMED_STEPS = 5


def gpus(system_gpus: Sequence[str]) -> list[Finding]:
    """Compares the GPUs of the system with the GPUs that TensorFlow uses.

    Args:
      system_gpus: The names of the system's GPUs.
    """
    n_used = len(tf.config.list_physical_devices("GPU"))
    if not system_gpus:
        return [Finding("GPUs", f"{n_used or 'none'}")]
    observed = f"{len(system_gpus)}, of which TensorFlow uses {n_used}"
    found = [Finding("GPUs", observed, "" if n_used else _advice())]
    return found + [Finding("", name) for name in system_gpus]


def _advice() -> str:
    """Returns what to do about a GPU that TensorFlow does not use."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return (
            f"there is a GPU, but CUDA_VISIBLE_DEVICES={hidden!r} hides it: unset the "
            "variable."
        )
    if not tf.test.is_built_with_cuda():
        return (
            "there is a GPU, but this TensorFlow is built without CUDA: install the "
            "package tensorflow, not tensorflow-cpu."
        )
    return (
        "there is a GPU, but TensorFlow does not use it: training would be many times "
        f"slower. Install the CUDA libraries with TensorFlow, pip install "
        f"'tensorflow[and-cuda]=={tf.__version__}', check that `nvidia-smi` works, and "
        "read the messages of `deeprke doctor --verbose`."
    )


def timed_devices(batch_size: int) -> list[Finding]:
    """Times a training step on each device, in float32 and mixed precision.

    Args:
      batch_size: Sites per step.
    """
    return [
        timed_device(f"{kind}:{index}", batch_size)
        for kind in ("CPU", "GPU")
        for index in range(len(tf.config.list_physical_devices(kind)))
    ]


def timed_device(name: str, batch_size: int) -> Finding:
    """Times a training step on one device, such as "GPU:0", as `timed_devices` does."""
    seconds = []
    for policy in ("float32", "mixed_bfloat16"):
        try:
            strategy = tf.distribute.MirroredStrategy([f"/{name.lower()}"])
            step, result = training_step(strategy, policy, batch_size)
        except tf.errors.OpError as error:
            first = str(error).splitlines()[0]
            return Finding(name, f"fails: {first}", "a training step fails on it.")
        if not result.device.endswith(f"device:{name}"):
            return Finding(
                name,
                f"not used: the result lies on {result.device}",
                "TensorFlow lists it, but computes elsewhere; see its messages with "
                "--verbose.",
            )
        if result.dtype != tf.float32:
            observed = f"{policy} gives {result.dtype.name}"
            return Finding(name, observed, "the probability must be float32.")
        seconds.append(_median_seconds(step))
    single, mixed = seconds
    return Finding(
        name,
        f"used, a step of {batch_size} sites in {1000 * single:.0f} ms; with "
        f"--mixed-precision {1000 * mixed:.0f} ms, probability float32",
    )


def throughput(batch_size: int, seconds: float) -> Finding:
    """Trains for some seconds on the devices that `deeprke train` would use.

    Args:
      batch_size: Sites per step, over all devices together.
      seconds: How long.
    """
    strategy = devices.strategy()
    step, _result = training_step(strategy, "float32", batch_size)
    n_steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        step()
        n_steps += 1
    rate = n_steps * batch_size / (time.perf_counter() - started)
    names = ", ".join(name.rpartition("device:")[2] for name in devices.names(strategy))
    return Finding(
        "throughput",
        f"{rate:,.0f} sites/s trained on {names}, {SITE_LENGTH} nt each, preset paper",
    )


def training_step(
    strategy: tf.distribute.Strategy, policy: str, batch_size: int
) -> tuple[Callable[[], object], tf.Tensor]:
    """Builds the network of preset paper, and traces a training step.

    Args:
      strategy: The devices.
      policy: Keras's dtype policy.
      batch_size: Sites per step; they are random.

    Returns:
      The step, and the network's probability of one site, float32 [1, 1].
    """
    encoding = Encoding()
    rng = np.random.default_rng(1)
    vectors, batch = {}, {}
    for view in ("sequence", "structure"):
        n_ids = len(getattr(encoding, f"{view}_vocabulary"))
        shape = (n_ids, VectorConfig().vector_size)
        vectors[view] = rng.normal(size=shape).astype(np.float32)
        vectors[view][0] = 0  # padding
        ids = rng.integers(1, n_ids, (batch_size, SITE_LENGTH - encoding.k + 1))
        batch[f"{view}_kmers"] = ids
    labels = rng.integers(0, 2, (batch_size, 1)).astype(np.float32)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with strategy.scope():
            model = build_model(
                ModelConfig(), vectors["sequence"], vectors["structure"]
            )
            model.compile("adam", "binary_crossentropy")
    finally:
        keras.config.set_dtype_policy(before)
    # The first two steps trace the graph.
    for _ in range(2):
        model.train_on_batch(batch, labels)
    one = {name: tf.constant(ids[:1]) for name, ids in batch.items()}
    results = strategy.run(tf.function(lambda: model(one, training=False)))
    result = strategy.experimental_local_results(results)[0]
    return lambda: model.train_on_batch(batch, labels), result


def _median_seconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(_TIMED_STEPS):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
