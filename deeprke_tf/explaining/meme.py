"""Motif files in MEME's minimal format, read and written."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.motifs import Motif
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.system.files import written_aside

_WIDTH = re.compile(r"\bw=\s*(\d{1,6})\b")
_LARGEST = 1e9  # some files have counts


class KnownMotif(NamedTuple):
    """A motif of a file.

    Attributes:
      name: First word behind `MOTIF`.
      alternative: The words behind it, such as the protein; may be empty.
      probabilities: Of A, C, G and U (or T), float64 [width, 4].
    """

    name: str
    alternative: str
    probabilities: np.ndarray


def read_meme(path: Path) -> list[KnownMotif]:
    """Reads the motifs of a file in MEME format, of RNA or DNA.

    Raises:
      UserError: It cannot be read, has no motif, or a matrix is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"Cannot read `known` {path}: {error.strerror}.") from error
    motifs = list(_motifs(lines, path))
    if not motifs:
        raise UserError(
            f"`known` {path} has no motif; expected MEME format, with lines `MOTIF "
            "name` and `letter-probability matrix:`."
        )
    return motifs


def _motifs(lines: Sequence[str], path: Path) -> Iterator[KnownMotif]:
    name = ""
    for number, line in enumerate(lines):
        if line.startswith("MOTIF"):
            name = line.removeprefix("MOTIF").strip()
        elif line.startswith("letter-probability matrix"):
            found = _WIDTH.search(line)
            following = lines[number + 1 :]
            rows = following[: int(found[1])] if found else _until_blank(following)
            first, _, alternative = name.partition(" ")
            matrix = _matrix(rows, f"{path}, motif {name!r}")
            yield KnownMotif(first, alternative.strip(), matrix)


def _until_blank(lines: Sequence[str]) -> list[str]:
    rows = []
    for line in lines:
        if not line.strip() or not (line.strip()[0].isdigit()):
            break
        rows.append(line)
    return rows


def _matrix(rows: Sequence[str], where: str) -> np.ndarray:
    try:
        matrix = np.array([list(map(float, row.split())) for row in rows], np.float64)
    except ValueError:
        matrix = np.zeros(0)
    is_whole = matrix.ndim == 2 and matrix.shape[1] == len(NUCLEOTIDES)
    if not (is_whole and _can_be_probabilities(matrix)):
        raise UserError(
            f"`known` {where}: expected a row of four probabilities for each position."
        )
    # Rounded probabilities add up to nearly 1.
    return matrix / matrix.sum(axis=1, keepdims=True)


def _can_be_probabilities(matrix: np.ndarray) -> bool:
    """Tells whether each row can be divided by its sum; NaN cannot."""
    in_range = (matrix >= 0) & (matrix <= _LARGEST)
    return bool(in_range.all() and (matrix.sum(axis=1) > 0).all())


def write_meme(motifs: Sequence[Motif], path: Path) -> None:
    """Writes motifs in MEME format, on one strand."""
    with written_aside(path) as file:
        file.write(
            f"MEME version 4\n\nALPHABET= {NUCLEOTIDES}\n\nstrands: +\n\n"
            "Background letter frequencies\nA 0.25 C 0.25 G 0.25 U 0.25\n"
        )
        for motif in motifs:
            file.write(
                f"\nMOTIF {motif.name} {motif.consensus}\nletter-probability matrix: "
                f"alength= 4 w= {motif.width} nsites= {len(motif.occurrences)} E= 0\n"
            )
            for row in motif.probabilities:
                file.write(" ".join(f"{value:.6f}" for value in row) + "\n")
