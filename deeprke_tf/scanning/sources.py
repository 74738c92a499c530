"""The RNAs of a scan and of its background, and their scores so far."""

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.shuffling import shuffle_dinucleotides
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning.fdr import Windows
from deeprke_tf.scanning.rnas import FastaRnas, Rnas
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.scanning.store import Origin, ScoreStore
from deeprke_tf.scanning.tracks import safe_name
from deeprke_tf.scanning.windows import Tiling, highest_before

# Background windows of a short scan: 20 called windows of 400 then reach a q-value of
# 0.01, and with as few background windows as scanned ones no less than 0.05. More
# shuffles of one RNA than this add little.
_ENOUGH_WINDOWS = 2_000
_MOST_SHUFFLES = 100


@dataclasses.dataclass(frozen=True)
class Source:
    """RNAs to score.

    Attributes:
      origin: Whether they are scanned or are the background.
      rnas: Where they come from.
      shuffle_seed: Seed of the shuffling; None: they are not shuffled.
      n_shuffles: Shuffled copies of each RNA.
    """

    origin: Origin
    rnas: Rnas
    shuffle_seed: int | None = None
    n_shuffles: int = 1

    def read(self, k: int, after_row: int = 0) -> Iterator[Rna | SkippedSite]:
        """Yields the RNAs behind a row, each shuffled as if it were the only one.

        Shuffled copies of one RNA follow each other; each has a row of its own.
        """
        # Names of a given background are not used, and headers often begin alike.
        named = self.origin == "scanned" or self.shuffle_seed is not None
        for rna in self.rnas.read(k, unique_names=named):
            before = (rna.row - 1) * self.n_shuffles
            n_rows = 1 if isinstance(rna, SkippedSite) else self.n_shuffles
            for row in range(before + 1, before + n_rows + 1):
                if row > after_row:
                    yield self._copy(rna, row)

    def _copy(self, rna: Rna | SkippedSite, row: int) -> Rna | SkippedSite:
        rna = dataclasses.replace(rna, row=row, name=safe_name(rna.name))
        if self.shuffle_seed is None or isinstance(rna, SkippedSite):
            return rna
        rng = random.Random(f"{self.shuffle_seed} {row}")
        shuffled = shuffle_dinucleotides(rna.sequence, rng)
        return dataclasses.replace(rna, sequence=shuffled)

    def settings(self, run: Run, tiling: Tiling) -> dict[str, object]:
        """Returns what the scores of its windows depend on."""
        return {
            "model": run.model_sha256,
            "rnas": self.rnas.digest,
            "shuffle_seed": self.shuffle_seed,
            "n_shuffles": self.n_shuffles,
            **dataclasses.asdict(tiling),
        }

    def lengths(
        self, k: int, skipped: list[SkippedSite] | None = None
    ) -> dict[str, int]:
        """Reads the RNAs; returns the lengths of those that can be scored, by name.

        Args:
          k: Shortest RNA that can be scored, in nucleotides.
          skipped: Takes the first of the others.
        """
        lengths = {}
        for rna in self.rnas.read(k, unique_names=self.origin == "scanned"):
            if not isinstance(rna, SkippedSite):
                lengths[safe_name(rna.name)] = len(rna.sequence)
            elif skipped == []:
                skipped.append(rna)
        return lengths


def background_of(
    rnas: Rnas, settings: ScanSettings, lengths: Mapping[str, int], tiling: Tiling
) -> Source | None:
    """Returns the background RNAs of a scan; None without a target FDR.

    Args:
      rnas: The RNAs to scan.
      settings: Settings of the scan.
      lengths: Lengths of the RNAs to scan, by name.
      tiling: Where windows lie: few of them need many shuffles for a small q-value.
    """
    if settings.background:
        return Source("background", FastaRnas(settings.background))
    if settings.target_fdr is None:
        return None
    n_shuffles = settings.shuffles
    if n_shuffles is None:
        n_windows = sum(len(tiling.place(n)[0]) for n in lengths.values())
        wanted = -(-_ENOUGH_WINDOWS // max(1, n_windows))
        n_shuffles = min(wanted, _MOST_SHUFFLES)
    return Source("background", rnas, settings.seed, n_shuffles)


def skipped_note(store: ScoreStore, path: Path) -> str:
    """Returns which RNAs of a given background were skipped; empty if none were.

    Args:
      store: With all of them.
      path: Of the background.
    """
    reasons = Counter(rna.reason for rna in store.skipped("background"))
    if not reasons:
        return ""
    why = ", ".join(f"{reason} ({n:,})" for reason, n in reasons.most_common())
    n_skipped = reasons.total()
    n_rnas = n_skipped + len(store.lengths("background"))
    return f"{n_skipped:,} of {n_rnas:,} RNAs of {path} were skipped: {why}"


def prepare(source: Source, run: Run, tiling: Tiling, store: ScoreStore) -> None:
    """Empties the store of another background.

    Raises:
      UserError: It holds scores of another scan.
    """
    settings = source.settings(run, tiling)
    before = store.settings(source.origin)
    if before == settings:
        return
    if before is not None and source.origin == "scanned":
        other = [
            name for name in before | settings if before.get(name) != settings.get(name)
        ]
        raise UserError(
            f"{store.path.parent} holds a scan with another {' and '.join(other)}; "
            "name another `out`, or give `overwrite=True`."
        )
    # A background is of use for one scan only.
    store.begin(source.origin, settings)


def windows_of(store: ScoreStore, origin: Origin, tiling: Tiling) -> Windows:
    """Returns the windows of an origin that have a probability."""
    probabilities, before = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for rna in store.scored(origin):
        known = ~np.isnan(rna.probabilities)
        highest = highest_before(*tiling.place(rna.length), rna.probabilities)
        probabilities.append(rna.probabilities[known])
        before.append(highest[known])
    return Windows(np.concatenate(probabilities), np.concatenate(before))
