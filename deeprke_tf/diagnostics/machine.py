"""Checks of versions, ViennaRNA, fold cache, disk and GPUs, without TensorFlow."""

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import __version__
from deeprke_tf.rna import structure
from deeprke_tf.system.messages import counted
from deeprke_tf.system.processes import n_cores

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "gensim", "keras-tuner")
SITE_LENGTH = 101  # nucleotides, as the windows of RBP-31
_MIN_FREE_BYTES = 2e9  # for a dataset, a run and a search


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
      topic: What was checked.
      observed: What was found.
      advice: How to repair it; empty if the check passed.
    """

    topic: str
    observed: str
    advice: str = ""


def versions(packages: Sequence[str] = PACKAGES) -> list[Finding]:
    """Returns the versions of this package and of the libraries it needs."""
    system = f"{platform.system()} {platform.machine()}, {counted(n_cores(), 'core')}"
    observed = f"{__version__}, Python {platform.python_version()}, {system}"
    found = [Finding("deeprke_tf", observed)]
    for package in packages:
        try:
            found.append(Finding(package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            advice = f"install it: pip install {package}"
            found.append(Finding(package, "missing", advice))
    return found


def viennarna() -> Finding:
    """Folds a hairpin, and times a site of 101 nt."""
    hairpin, expected = "GGGGAAAACCCC", "((((....))))"
    folded, _mfe = structure.fold(hairpin)
    started = time.perf_counter()
    structure.fold("GGCUAUCGAUU" * 9 + "GC")
    milliseconds = 1000 * (time.perf_counter() - started)
    advice = (
        f"{hairpin} folds into {folded}, not {expected}: reinstall it, "
        "pip install --force-reinstall viennarna"
        if folded != expected
        else ""
    )
    version = structure.VIENNARNA_VERSION
    observed = f"{version}, a fold of {SITE_LENGTH} nt in {milliseconds:.1f} ms"
    return Finding("ViennaRNA", observed, advice)


def cache_and_disks(cache: Path | None) -> list[Finding]:
    """Checks the fold cache, and the free space of its disk and of this directory's.

    Args:
      cache: File of known folds, which need not exist; None if it has no place.
    """
    if cache is None:
        advice = "set DEEPRKE_CACHE to a directory; without it no fold is kept"
        return [Finding("fold cache", "no home directory", advice)]
    directory = cache.parent
    while not directory.exists():
        directory = directory.parent
    # SQLite keeps files beside it.
    size = sum(path.stat().st_size for path in directory.glob(f"{cache.name}*"))
    observed = f"{size / 1e6:,.1f} MB" if cache.exists() else "not begun"
    advice = (
        f"{directory} cannot be written to; set DEEPRKE_CACHE to another directory"
        if not os.access(directory, os.W_OK)
        else ""
    )
    found = [Finding("fold cache", f"{cache}, {observed}", advice)]
    for name, place in {"disk, cache": directory, "disk, here": Path.cwd()}.items():
        free = shutil.disk_usage(place).free
        is_enough = free >= _MIN_FREE_BYTES
        advice = "" if is_enough else f"make room on the disk of {place}"
        found.append(Finding(name, f"{free / 1e9:,.1f} GB free", advice))
    return found


def system_gpus() -> list[str]:
    """Returns the NVIDIA GPUs of the system, whether or not TensorFlow uses them."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60
        )
        gpus = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    except (OSError, subprocess.TimeoutExpired):
        gpus = []
    # Some containers have the devices, but not the tools.
    return gpus or sorted(map(str, Path("/dev").glob("nvidia[0-9]*")))
