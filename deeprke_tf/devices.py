"""The devices to train on, and the strategy that spreads a batch over them."""

import tensorflow as tf

from deeprke_tf.errors import UserError


def strategy(n_devices: int | None = None) -> tf.distribute.MirroredStrategy:
    """Returns a strategy over GPUs, or over logical CPU devices where there are none.

    Args:
      n_devices: How many to use; every GPU found, or one CPU device, if None.

    Raises:
      UserError: There are fewer GPUs than asked for, or TensorFlow already runs on
        another number of CPU devices.
    """
    if n_devices is not None and n_devices < 1:
        raise UserError(f"devices must be at least 1, got {n_devices}.")
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return tf.distribute.MirroredStrategy(_logical_cpus(n_devices or 1))
    n_used = n_devices or len(gpus)
    if n_used > len(gpus):
        raise UserError(f"{n_used} devices asked for, but {len(gpus)} GPUs found.")
    return tf.distribute.MirroredStrategy([f"/gpu:{i}" for i in range(n_used)])


def _logical_cpus(n_devices: int) -> list[str]:
    """Splits the CPU into logical devices; several are for trying things out."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if n_devices > 1:
        logical = [tf.config.LogicalDeviceConfiguration()] * n_devices
        try:
            tf.config.set_logical_device_configuration(cpu, logical)
        except RuntimeError as error:
            raise UserError(
                f"Cannot split the CPU into {n_devices} devices any more: TensorFlow "
                "has started; do it first in a process of its own."
            ) from error
    return [f"/cpu:{i}" for i in range(n_devices)]
