"""Motifs compared with those of a file, by Tomtom on one strand.

Tomtom (Gupta et al., Genome Biology 8, R24, 2007) as memelite has it. q-values are of
Benjamini and Hochberg, over the known motifs.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.meme import KnownMotif, read_meme
from deeprke_tf.explaining.motifs import Motif

_MOST_HITS = 5


class Hit(NamedTuple):
    """A known motif that is like a motif of the model.

    Attributes:
      name: Its name and, where there is one, its alternative name.
      p_value: Of the similarity, by Tomtom.
      q_value: Smallest false discovery rate at which it counts as alike.
    """

    name: str
    p_value: float
    q_value: float


def read_known(path: Path) -> list[KnownMotif]:
    """Reads known motifs to compare with.

    Raises:
      UserError: The file cannot be read, or memelite is not installed.
    """
    _require_tomtom()
    return read_meme(path)


def _require_tomtom() -> None:
    try:
        import memelite  # noqa: F401
    except ImportError as error:
        raise UserError(
            "`known` needs memelite: pip install 'deeprke_tf[motifs]'."
        ) from error


def compare(
    motifs: Sequence[Motif | KnownMotif],
    known: Sequence[KnownMotif],
    most: int = _MOST_HITS,
) -> list[list[Hit]]:
    """Returns the best hits of each motif, the best first.

    A known motif's alternative name is that of its protein: of several motifs of one
    protein, the best is a hit.

    Args:
      motifs: Of the model.
      known: To compare with; p-values depend on all of them, and mean little if they
        are fewer than 25.
      most: Number of hits, at most.

    Raises:
      UserError: memelite is not installed.
    """
    _require_tomtom()
    from memelite import tomtom

    if not motifs:
        return []
    with warnings.catch_warnings():
        # Of few known motifs; the documents say it.
        warnings.simplefilter("ignore")
        p_values, *_ = tomtom(
            [motif.probabilities.T.copy() for motif in motifs],
            [motif.probabilities.T.copy() for motif in known],
            reverse_complement=False,
            n_jobs=1,
        )
    return [_hits(np.clip(row, 0, 1), known, most) for row in np.asarray(p_values)]


def _hits(p_values: np.ndarray, known: Sequence[KnownMotif], most: int) -> list[Hit]:
    q_values = stats.false_discovery_control(p_values)
    hits: dict[str, Hit] = {}
    for i in np.argsort(p_values, kind="stable"):
        name = f"{known[i].name} {known[i].alternative}".strip()
        protein = known[i].alternative or name
        hits.setdefault(protein, Hit(name, float(p_values[i]), float(q_values[i])))
        if len(hits) == most:
            break
    return list(hits.values())
