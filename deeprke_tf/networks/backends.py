"""Where a network computes: some layers have a form that is faster in one place."""

import keras


def is_tensorflow_on_cpu() -> bool:
    """Returns whether Keras computes by TensorFlow, without a GPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")
