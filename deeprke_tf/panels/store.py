"""Scores of a panel on disk, so that memory does not grow with the number of sites."""

import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.rna.site_loci import place_of
from deeprke_tf.rna.sites import Site

_SITES_AT_ONCE = 2_048


class StoredSites(NamedTuple):
    """Some sites and their scores.

    Attributes:
      cells: Name and place of each, as `PLACE_COLUMNS` has it.
      probabilities: float32 [n_sites, n_rbps].
      calibrated: float32 [n_sites, n_rbps].
    """

    cells: list[list[str | int | None]]
    probabilities: np.ndarray
    calibrated: np.ndarray


class ScoreStore:
    """Scores of sites, written once and read several times; a context manager.

    Args:
      directory: An empty directory.
      n_rbps: Number of RBPs.

    Attributes:
      n_sites: Sites that were added.
    """

    def __init__(self, directory: Path, n_rbps: int):
        self._shape = (2, n_rbps)
        self._paths = directory / "sites.jsonl", directory / "scores.f32"
        self._closing = contextlib.ExitStack()
        self.n_sites = 0

    def __enter__(self) -> "ScoreStore":
        names, scores = self._paths
        self._names = self._closing.enter_context(names.open("w", encoding="utf-8"))
        self._scores = self._closing.enter_context(scores.open("wb"))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing.close()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def add(
        self, sites: Sequence[Site], probabilities: np.ndarray, calibrated: np.ndarray
    ) -> None:
        """Writes some sites; scores are [n_sites, n_rbps]."""
        for site in sites:
            cells = [site.name, *place_of(site.locus, site.gene)]
            self._names.write(json.dumps(cells) + "\n")
        both = np.stack([probabilities, calibrated], axis=1)
        self._scores.write(both.astype("<f4").tobytes())
        self.n_sites += len(sites)

    def __iter__(self) -> Iterator[StoredSites]:
        """Yields the sites in order, some thousand at a time."""
        names, scores = self._flushed()
        with names.open(encoding="utf-8") as lines:
            for start in range(0, self.n_sites, _SITES_AT_ONCE):
                some = scores[start : start + _SITES_AT_ONCE]
                cells = map(json.loads, itertools.islice(lines, len(some)))
                yield StoredSites(list(cells), some[:, 0], some[:, 1])

    def all(self) -> StoredSites:
        """Returns all sites at once, for where there are few."""
        return StoredSites(
            [cells for some in self for cells in some.cells],
            *(np.concatenate([some[place] for some in self]) for place in (1, 2)),
        )

    def sample(self, n: int, seed: int) -> np.ndarray:
        """Returns the calibrated probabilities of some sites, float64 [n, n_rbps].

        Args:
          n: Sites to draw without replacement, in order; all if there are no more.
          seed: Seed of the draw.
        """
        _names, scores = self._flushed()
        rng = np.random.default_rng(seed)
        n = min(n, self.n_sites)
        chosen = np.sort(rng.choice(self.n_sites, n, replace=False))
        return scores[chosen, 1].astype(np.float64)

    def _flushed(self) -> tuple[Path, np.ndarray]:
        self._names.flush()
        self._scores.flush()
        names, scores = self._paths
        shape = (self.n_sites, *self._shape)
        return names, np.memmap(scores, "<f4", "r", shape=shape)
