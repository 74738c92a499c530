"""The datasets of a plan: padded k-mer ids and labels, one file for each dataset."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.system import arrays


class LabelledIds(NamedTuple):
    """Sites as padded k-mer ids.

    Attributes:
      ids: By view, unsigned int [n_sites, n_kmers], padded with `kmers.PAD_ID`.
      labels: 1 bound, 0 background, int64 [n_sites].
    """

    ids: dict[str, np.ndarray]
    labels: np.ndarray


Splits = dict[str, LabelledIds]


def write(splits: Splits, path: Path) -> None:
    """Writes the sites of a dataset, by split."""
    by_name: dict[str, np.ndarray] = {}
    for split, sites in splits.items():
        by_name |= {f"{split}.{view}": ids for view, ids in sites.ids.items()}
        by_name[f"{split}.labels"] = sites.labels.astype(np.uint8)
    arrays.write_arrays(by_name, path)


def read(path: Path) -> Splits:
    """Reads what `write` wrote.

    Raises:
      UserError: The file is missing or damaged.
    """
    by_split: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.read_arrays(path).items():
        split, _dot, part = name.partition(".")
        by_split.setdefault(split, {})[part] = values
    try:
        return {
            split: LabelledIds(parts, parts.pop("labels").astype(np.int64))
            for split, parts in by_split.items()
        }
    except KeyError as error:
        raise UserError(f"{path} is no dataset of a plan: it lacks {error}.") from error
