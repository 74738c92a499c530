"""Looks at what the package runs on, and says what is wrong with it.

python -m deeprke_tf.doctor
"""

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deeprke_tf import __version__, cli
from deeprke_tf.errors import UserError
from deeprke_tf.rna import fold_cache
from deeprke_tf.rna.folding import n_cores

_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "gensim", "keras-tuner")
_LEAST_DISK = 2e9  # bytes; a dataset, a run and a search fit into it
_SITE_NT = 101  # windows of RBP-31


@dataclasses.dataclass(frozen=True)
class DoctorFlags:
    """Shows versions, devices, cache, disk and speed; ends with 1 if one is wrong.

    A training step is timed on each device, in float32 and in mixed precision, on
    random sites of 101 nt with the network of preset paper.
    """

    seconds: float = 10.0
    """How long to train for the throughput, without the time to begin."""
    batch_size: int = 128
    """Sites in a batch, over all devices together."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""

    def __post_init__(self):
        for name in ("seconds", "batch_size"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0, got {getattr(self, name)}.")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was seen of one thing.

    Attributes:
      topic: The thing.
      seen: What there is of it.
      advice: What to do about it; empty if it is as it should be.
    """

    topic: str
    seen: str
    advice: str = ""


def examine(flags: DoctorFlags) -> None:
    """Prints what there is, as it is found.

    Raises:
      UserError: Something is wrong; it says what to do.
    """
    from deeprke_tf.diagnostics import devices

    cache = flags.fold_cache or fold_cache.default_path()
    checks: list[Callable[[], list[Finding]]] = [
        _versions,
        _viennarna,
        lambda: _cache_and_disk(cache),
        lambda: devices.gpus(system_gpus()),
        lambda: devices.timed_devices(flags.batch_size, _SITE_NT),
        lambda: [
            devices.throughput(flags.batch_size, _SITE_NT, flags.seconds),
        ],
    ]
    wrong = []
    for check in checks:
        for finding in check():
            mark = "!!" if finding.advice else "  "
            print(f"{mark} {finding.topic:<14}{finding.seen}", flush=True)
            wrong += [finding] if finding.advice else []
    if wrong:
        raise UserError(" ".join(f"{found.topic}: {found.advice}" for found in wrong))
    print("   all is well")


def _versions() -> list[Finding]:
    system = f"{platform.system()} {platform.machine()}, {n_cores()} cores"
    seen = f"{__version__}, Python {platform.python_version()}, {system}"
    found = [Finding("deeprke_tf", seen)]
    for package in _PACKAGES:
        try:
            version, advice = importlib.metadata.version(package), ""
        except importlib.metadata.PackageNotFoundError:
            version, advice = "missing", f"install it: pip install {package}"
        found.append(Finding(package, version, advice))
    return found


def _viennarna() -> list[Finding]:
    from deeprke_tf.rna.structure import VIENNARNA_VERSION, fold

    hairpin, expected = "GGGGAAAACCCC", "((((....))))"
    folded, _mfe = fold(hairpin)
    started = time.perf_counter()
    fold("GGCUAUCGAUU" * 9 + "GC")
    milliseconds = 1000 * (time.perf_counter() - started)
    advice = (
        ""
        if folded == expected
        else f"{hairpin} folds into {folded}, not {expected}: install it anew, "
        "pip install --force-reinstall viennarna"
    )
    seen = f"{VIENNARNA_VERSION}, a fold of {_SITE_NT} nt in {milliseconds:.1f} ms"
    return [Finding("ViennaRNA", seen, advice)]


def _cache_and_disk(cache: Path | None) -> list[Finding]:
    if cache is None:
        advice = "set DEEPRKE_CACHE to a directory; without it no fold is kept"
        return [Finding("fold cache", "no home directory", advice)]
    directory = cache.parent
    while not directory.exists():
        directory = directory.parent
    # Beside the file lie those of SQLite.
    size = sum(path.stat().st_size for path in directory.glob(f"{cache.name}*"))
    seen = f"{cache}, {size / 1e6:,.1f} MB" if cache.exists() else f"{cache}, not begun"
    advice = (
        ""
        if os.access(directory, os.W_OK)
        else f"{directory} cannot be written to; set DEEPRKE_CACHE to another directory"
    )
    found = [Finding("fold cache", seen, advice)]
    for name, place in {"disk, cache": directory, "disk, here": Path.cwd()}.items():
        free = shutil.disk_usage(place).free
        advice = "" if free >= _LEAST_DISK else f"make room on the disk of {place}"
        found.append(Finding(name, f"{free / 1e9:,.1f} GB free", advice))
    return found


def system_gpus() -> list[str]:
    """Returns the NVIDIA GPUs that the system has, whether TensorFlow sees them."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60
        )
        gpus = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    except (OSError, subprocess.TimeoutExpired):
        gpus = []
    # The devices are there also where their tools are not, as in some containers.
    return gpus or sorted(map(str, Path("/dev").glob("nvidia[0-9]*")))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("doctor", DoctorFlags, examine, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
