"""All checks of a machine, one after the other."""

from collections.abc import Iterator
from pathlib import Path

from deeprke_tf.diagnostics import devices, machine
from deeprke_tf.diagnostics.machine import Finding
from deeprke_tf.errors import UserError
from deeprke_tf.rna import fold_cache


def examine(
    seconds: float = 10.0, batch_size: int = 128, cache: Path | None = None
) -> Iterator[Finding]:
    """Yields findings about versions, folding, cache, disk, devices and throughput.

    Args:
      seconds: How long to train to measure the throughput.
      batch_size: Sites per batch, over all devices together.
      cache: File of known folds; the user's if None.

    Raises:
      UserError: An argument is out of range.
    """
    for name, value in {"seconds": seconds, "batch_size": batch_size}.items():
        if not value > 0:
            raise UserError(f"`{name}` must be above 0, got {value}.")
    yield from machine.versions()
    yield machine.viennarna()
    yield from machine.cache_and_disks(cache or fold_cache.default_path())
    yield from devices.gpus(machine.system_gpus())
    yield from devices.timed_devices(batch_size)
    yield devices.throughput(batch_size, seconds)
