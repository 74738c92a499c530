"""The RNAs of a scan, those of its background, and what was scored of them before."""

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.rna.fasta import Rna, read_rnas
from deeprke_tf.rna.shuffling import shuffle_dinucleotides
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.runs import run as runs
from deeprke_tf.scanning.fdr import Windows
from deeprke_tf.scanning.store import Origin, ScoreStore
from deeprke_tf.scanning.windows import Tiling, highest_before
from deeprke_tf.system.files import sha256

if TYPE_CHECKING:
    from deeprke_tf.scan import ScanFlags

# Background windows that a short scan is given: 20 called ones of 400 then reach a
# q-value of 0.01, where as many background windows as scanned ones allow no less than
# 0.05. More shuffles than this say little more of an RNA's letters.
_ENOUGH_WINDOWS = 2_000
_MOST_SHUFFLES = 100


@dataclasses.dataclass(frozen=True)
class Source:
    """RNAs to score.

    Attributes:
      origin: What they are in the scan.
      path: Their FASTA file.
      shuffle_seed: Settles how they are shuffled; None: they are taken as they are.
      n_shuffles: How often each of them is.
    """

    origin: Origin
    path: Path
    shuffle_seed: int | None = None
    n_shuffles: int = 1

    def read(self, k: int, after_row: int = 0) -> Iterator[Rna | SkippedSite]:
        """Yields the RNAs behind a row, each shuffled as if it were the only one.

        Shuffles of one RNA follow each other; each has a row of its own.
        """
        # Nobody asks for a background by name, and headers often begin alike.
        named = self.origin == "scanned" or self.shuffle_seed is not None
        for rna in read_rnas(self.path, k, unique_names=named):
            before = (rna.row - 1) * self.n_shuffles
            n_rows = 1 if isinstance(rna, SkippedSite) else self.n_shuffles
            for row in range(before + 1, before + n_rows + 1):
                if row > after_row:
                    yield self._shuffled(dataclasses.replace(rna, row=row))

    def _shuffled(self, rna: Rna | SkippedSite) -> Rna | SkippedSite:
        if self.shuffle_seed is None or isinstance(rna, SkippedSite):
            return rna
        rng = random.Random(f"{self.shuffle_seed} {rna.row}")
        shuffled = shuffle_dinucleotides(rna.sequence, rng)
        return dataclasses.replace(rna, sequence=shuffled)


def sources_of(
    flags: "ScanFlags", lengths: Mapping[str, int], tiling: Tiling
) -> list[Source]:
    """Returns what is to be scored: the RNAs, and a background where one is needed.

    Args:
      flags: Of the scan.
      lengths: Those of the RNAs to scan, by name.
      tiling: Where windows lie: few of them need many shuffles for a small q-value.
    """
    sources = [Source("scanned", flags.fasta)]
    if flags.background:
        sources.append(Source("background", flags.background))
    elif flags.largest_fdr is not None:
        n_shuffles = flags.shuffles
        if n_shuffles is None:
            n_windows = sum(len(tiling.place(n)[0]) for n in lengths.values())
            wanted = -(-_ENOUGH_WINDOWS // max(1, n_windows))
            n_shuffles = min(wanted, _MOST_SHUFFLES)
        sources.append(Source("background", flags.fasta, flags.seed, n_shuffles))
    return sources


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


def lengths_of(source: Source, k: int) -> dict[str, int]:
    """Returns the lengths of the RNAs that can be scored, by name."""
    return {
        rna.name: len(rna.sequence)
        for rna in source.read(k)
        if not isinstance(rna, SkippedSite)
    }


def prepare(
    source: Source,
    flags: "ScanFlags",
    run: runs.Run,
    tiling: Tiling,
    store: ScoreStore,
) -> None:
    """Makes sure that the store holds scores of this very source, or none.

    Raises:
      UserError: It holds those of another scan.
    """
    settings = {
        "model": run.manifest["model_sha256"],
        "rnas": sha256(source.path),
        "shuffle_seed": source.shuffle_seed,
        "n_shuffles": source.n_shuffles,
        **dataclasses.asdict(tiling),
    }
    before = store.settings(source.origin)
    # Version 0.1.0 could fold RNAs as a whole, and said whether it did.
    if before is not None and before.get("local_fold") is False:
        del before["local_fold"]
    if before == settings:
        return
    if before is not None and source.origin == "scanned":
        other = [name for name in settings if before.get(name) != settings[name]]
        raise UserError(
            f"{store.path.parent} holds a scan with another {' and '.join(other)}; "
            "name another --out, or add --overwrite."
        )
    # A background is of no use but for this one scan.
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
