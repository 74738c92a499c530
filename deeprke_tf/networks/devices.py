"""Where a network computes: some layers have a form that is faster in one place."""

import tensorflow as tf


def is_on_cpu() -> bool:
    """Returns whether TensorFlow computes without a GPU."""
    return not tf.config.list_physical_devices("GPU")
