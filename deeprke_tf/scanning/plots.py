"""Draws chosen RNAs of a scan, with the loop contexts that most windows agree on."""

import re
from pathlib import Path

import numpy as np

from deeprke_tf.rna.fasta import Rna, read_rnas
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import LOOP_CONTEXTS, loop_contexts
from deeprke_tf.runs import run as runs
from deeprke_tf.scanning.files import ScanWriter
from deeprke_tf.scanning.scorer import cut
from deeprke_tf.scanning.track_figure import track_figure

PLOTS = "plots"

_NOT_IN_FILE_NAMES = re.compile(r"[^\w.+-]")


def plot(
    name: str, fasta: Path, run: runs.Run, pool: FoldingPool, writer: ScanWriter
) -> list[str]:
    """Draws one RNA as SVG and as PNG.

    Args:
      name: Its name; it has been scored.
      fasta: The file that has it.
      run: The model.
      pool: What folded its windows; most likely they are in the cache.
      writer: Knows the scores and the called sites.

    Returns:
      The files, as seen from the directory of the scan.
    """
    (rna,) = (rna for rna in writer.store.scored("scanned") if rna.name == name)
    starts, ends = writer.tiling.place(rna.length)
    contexts = None
    if run.config.model.structure:
        whole = _read(name, fasta, run.encoding.k)
        contexts = _contexts(whole, run, pool, writer)
    (writer.out / PLOTS).mkdir(exist_ok=True)
    # A row number, for names that differ only in letters that a file name lacks.
    stem = f"{PLOTS}/{_NOT_IN_FILE_NAMES.sub('_', name)[:100]}_{rna.row}"
    files = [f"{stem}.svg", f"{stem}.png"]
    track_figure(
        [writer.out / file for file in files],
        title=f"{writer.model} on {name}",
        starts=starts,
        ends=ends,
        probabilities=rna.probabilities,
        sites=writer.sites_of(rna),
        threshold=writer.calling.threshold,
        contexts=contexts,
    )
    return files


def _read(name: str, fasta: Path, k: int) -> Rna:
    """Reads the one RNA that a scan scored under a name."""
    for rna in read_rnas(fasta, k):
        if isinstance(rna, Rna) and rna.name == name:
            return rna
    raise ValueError(f"{fasta} has no RNA {name!r}.")


def _contexts(rna: Rna, run: runs.Run, pool: FoldingPool, writer: ScanWriter) -> str:
    """Returns the loop context that most windows over each position give it.

    It is blank where no window has a known letter.
    """
    votes = np.zeros([len(LOOP_CONTEXTS), len(rna.sequence)], int)
    starts, _ends = writer.tiling.place(len(rna.sequence))
    windows = cut(rna, writer.tiling, run.encoding.k)
    # What the model saw: a window without the N at its ends.
    seen = {i: site for i, site in enumerate(windows) if isinstance(site, Site)}
    dot_brackets = pool.structures_of(list(seen.values()))
    for (i, site), dot_bracket in zip(seen.items(), dot_brackets, strict=True):
        start = rna.sequence.index(site.sequence, starts[i])
        letters = np.array(list(loop_contexts(dot_bracket)))
        for j, letter in enumerate(LOOP_CONTEXTS):
            votes[j, start : start + len(letters)] += letters == letter
    contexts = np.array(list(LOOP_CONTEXTS))[votes.argmax(axis=0)]
    return "".join(np.where(votes.any(axis=0), contexts, " "))
