"""Imports TensorFlow without its start-up messages."""

import os
import sys
import tempfile


def import_tensorflow(verbose: bool = False) -> None:
    """Imports TensorFlow; messages reach the user only when asked for, or on failure.

    TensorFlow logs while it is loaded, before any setting of its own can stop it: its
    C++ code writes to the file descriptor itself.

    Args:
      verbose: Let everything through.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0" if verbose else "3"
    if verbose:
        import tensorflow  # noqa: F401

        return
    sys.stderr.flush()
    descriptor = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            messages.seek(0)
            os.write(descriptor, messages.read())
            raise
        finally:
            os.dup2(descriptor, 2)
            os.close(descriptor)
    tf.get_logger().setLevel("ERROR")
