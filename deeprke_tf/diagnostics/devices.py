"""What `deeprke doctor` sees of devices: which there are, and what they do.

That TensorFlow lists a device does not mean that it computes there: a step of training
is run on each, as `deeprke train` would, and its result asked where it lies.
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
from deeprke_tf.doctor import Finding
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.training import devices

_STEPS = 5


def gpus(system_gpus: Sequence[str]) -> list[Finding]:
    """Compares the GPUs of the system with those that TensorFlow uses.

    Args:
      system_gpus: One entry a GPU, as the system names them.
    """
    seen = len(tf.config.list_physical_devices("GPU"))
    if not system_gpus:
        return [Finding("GPUs", f"{seen or 'none'}")]
    text = f"{len(system_gpus)}, of which TensorFlow uses {seen}"
    found = [Finding("GPUs", text, "" if seen else _advice())]
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
        f"slower. Install CUDA's libraries with TensorFlow, pip install "
        f"'tensorflow[and-cuda]=={tf.__version__}', see that `nvidia-smi` works, and "
        "read what `deeprke doctor --verbose` says while it loads."
    )


def timed_devices(batch_size: int, site_nt: int) -> list[Finding]:
    """Times a step of training on each device, in float32 and mixed precision.

    Args:
      batch_size: Sites.
      site_nt: Their length, nucleotides.
    """
    found = []
    for kind in ("CPU", "GPU"):
        for index, _device in enumerate(tf.config.list_physical_devices(kind)):
            found.append(_timed_device(f"{kind}:{index}", batch_size, site_nt))
    return found


def _timed_device(name: str, batch_size: int, site_nt: int) -> Finding:
    seconds = {}
    for policy in ("float32", "mixed_bfloat16"):
        try:
            strategy = tf.distribute.MirroredStrategy([f"/{name.lower()}"])
            step, result = _stepper(strategy, policy, batch_size, site_nt)
        except tf.errors.OpError as error:
            first = str(error).splitlines()[0]
            return Finding(name, f"fails: {first}", "a step of training fails on it.")
        if not result.device.endswith(f"device:{name}"):
            return Finding(
                name,
                f"not used: the result lies on {result.device}",
                "TensorFlow lists it, but computes elsewhere; see its messages with "
                "--verbose.",
            )
        if result.dtype != tf.float32:
            return Finding(
                name,
                f"{policy} gives {result.dtype.name}",
                "the probability must be float32.",
            )
        seconds[policy] = _median_seconds(step)
    single, mixed = seconds.values()
    return Finding(
        name,
        f"used, a step of {batch_size} sites in {1000 * single:.0f} ms; with "
        f"--mixed-precision {1000 * mixed:.0f} ms, probability float32",
    )


def throughput(batch_size: int, site_nt: int, seconds: float) -> Finding:
    """Trains for some seconds on the devices that `deeprke train` would use.

    Args:
      batch_size: Sites, over all devices together.
      site_nt: Their length, nucleotides.
      seconds: How long.
    """
    strategy = devices.strategy()
    step, _result = _stepper(strategy, "float32", batch_size, site_nt)
    n_steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        step()
        n_steps += 1
    rate = n_steps * batch_size / (time.perf_counter() - started)
    names = ", ".join(name.rpartition("device:")[2] for name in devices.names(strategy))
    seen = f"{rate:,.0f} sites/s trained on {names}, {site_nt} nt each, preset paper"
    return Finding("throughput", seen)


def _stepper(
    strategy: tf.distribute.Strategy, policy: str, batch_size: int, site_nt: int
) -> tuple[Callable[[], object], tf.Tensor]:
    """Returns a step of training, begun already, and probabilities of the network."""
    encoding = Encoding()
    rng = np.random.default_rng(1)
    vectors, batch = {}, {}
    for view in ("sequence", "structure"):
        n_ids = len(getattr(encoding, f"{view}_vocabulary"))
        shape = (n_ids, VectorConfig().vector_size)
        vectors[view] = rng.normal(size=shape).astype(np.float32)
        vectors[view][0] = 0  # padding
        ids = rng.integers(1, n_ids, (batch_size, site_nt - encoding.k + 1))
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
    # The first two trace the graph.
    for _ in range(2):
        model.train_on_batch(batch, labels)
    some = {name: tf.constant(ids[:1]) for name, ids in batch.items()}
    results = strategy.run(tf.function(lambda: model(some, training=False)))
    result = strategy.experimental_local_results(results)[0]
    return lambda: model.train_on_batch(batch, labels), result


def _median_seconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(_STEPS):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
