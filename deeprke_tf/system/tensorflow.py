"""Imports TensorFlow without its start-up messages."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def require_tensorflow() -> None:
    """Imports TensorFlow, quietly, unless it is imported already."""
    if "tensorflow" not in sys.modules:
        import_tensorflow()


def import_tensorflow(verbose: bool = False) -> None:
    """Imports TensorFlow; messages reach the user only when asked for, or on failure.

    TensorFlow logs while it is loaded, before any setting of its own can stop it: its
    C++ code writes to the file descriptor itself.

    Args:
      verbose: Let everything through.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0" if verbose else "3"
    if verbose:
        with _without_jax():
            import tensorflow  # noqa: F401

        return
    sys.stderr.flush()
    descriptor = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            with _without_jax():
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


@contextlib.contextmanager
def _without_jax() -> Iterator[None]:
    """Makes JAX look as if it were not installed, unless it is imported already.

    TensorFlow imports it for its Lite converter, which nothing here uses: 0.7 seconds.
    """
    if "jax" in sys.modules:
        yield
        return
    sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["jax"]
