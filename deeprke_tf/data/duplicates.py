"""Counts of names and sequences that occur more than once."""

import numpy as np

from deeprke_tf.data.records import SPLITS

_TEST = SPLITS.index("test")


class Duplicates:
    """Counts names and sequences that occur more than once, as `dataset.json` has them.

    Attributes:
      counts: For each of "train" (with validation) and "test", sites whose name or
        whose sequence an earlier site has, and distinct sequences that both classes
        have; and the distinct sequences that "train" and "test" share.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        for split in ("train", "test"):
            self.counts[f"{split}_sites_with_duplicate_names"] = 0
            self.counts[f"{split}_sites_with_duplicate_sequences"] = 0
            self.counts[f"{split}_sequences_in_both_classes"] = 0
        self.counts["sequences_in_train_and_test"] = 0

    def add_names(self, split: str, hashes: np.ndarray) -> None:
        """Counts names by their hashes; equal hashes must come together."""
        n_repeated = len(hashes) - len(np.unique(hashes))
        self.counts[f"{split}_sites_with_duplicate_names"] += n_repeated

    def add(self, rows: np.ndarray) -> None:
        """Counts sequences; all sites of a sequence must come together.

        Args:
          rows: `SomeSites.rows`.
        """
        found = []
        is_test = rows["split"] == _TEST
        for split, some in (("train", rows[~is_test]), ("test", rows[is_test])):
            distinct = np.unique(some["order"])
            n_by_class = [
                len(np.unique(some["order"][some["label"] == label]))
                for label in (0, 1)
            ]
            n_repeated = len(some) - len(distinct)
            n_in_both = sum(n_by_class) - len(distinct)
            self.counts[f"{split}_sites_with_duplicate_sequences"] += n_repeated
            self.counts[f"{split}_sequences_in_both_classes"] += n_in_both
            found.append(distinct)
        n_shared = len(np.intersect1d(found[0], found[1], assume_unique=True))
        self.counts["sequences_in_train_and_test"] += n_shared
