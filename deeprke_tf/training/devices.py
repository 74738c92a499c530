"""The devices to train on, and the strategy that splits a batch among them."""

import tensorflow as tf

from deeprke_tf.errors import UserError, require_positive

MOST_CPU_DEVICES = 64  # each has a copy of the network and threads of its own


def strategy(n_devices: int | None = None) -> tf.distribute.Strategy:
    """Returns a strategy over GPUs, or over logical CPU devices where there are none.

    For one CPU device it is TensorFlow's default strategy, with which Keras starts an
    epoch sooner; the results are the same.

    Args:
      n_devices: Number of devices; if None, all GPUs, or one CPU device.

    Raises:
      UserError: There are fewer GPUs than asked for, or TensorFlow already runs on
        another number of CPU devices.
    """
    require_positive(devices=n_devices)
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and (n_devices or 1) == 1:
        return tf.distribute.get_strategy()
    if not gpus:
        if n_devices and n_devices > MOST_CPU_DEVICES:
            raise UserError(
                f"`devices` must be at most {MOST_CPU_DEVICES} without a GPU, got "
                f"{n_devices}."
            )
        return tf.distribute.MirroredStrategy(_logical_cpus(n_devices or 1))
    n_used = n_devices or len(gpus)
    if n_used > len(gpus):
        raise UserError(f"`devices` is {n_used}, but {len(gpus)} GPUs were found.")
    return tf.distribute.MirroredStrategy([f"/gpu:{i}" for i in range(n_used)])


def names(strategy: tf.distribute.Strategy) -> list[str]:
    """Returns the device names of a result of `strategy`."""
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        return list(strategy.extended.worker_devices)
    return [tf.config.list_logical_devices("CPU")[0].name]


def _logical_cpus(n_devices: int) -> list[str]:
    """Splits the CPU into logical devices, to test training on several devices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * n_devices
    try:
        tf.config.set_logical_device_configuration(cpu, logical)
    except RuntimeError as error:
        raise UserError(
            f"Cannot split the CPU into {n_devices} devices: TensorFlow has started "
            "in this process; train in a new one."
        ) from error
    return [f"/cpu:{i}" for i in range(n_devices)]
