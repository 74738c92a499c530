"""What one part of a model is worth: paired differences of AUROCs, with intervals.

Both models score the same test sites, so that the interval of their difference is
narrower than those of the two AUROCs: DeLong et al., Biometrics 44, 837 (1988).
"""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from deeprke_tf.fleets import plan

# With the part, without it, and what the part is.
PAIRS = (
    ("paper", "no-structure", "structure, in paper"),
    ("paper", "shuffled-structure", "whose structure it is, in paper"),
    ("deeprke", "deeprke-no-structure", "structure, in deeprke"),
    ("deeprke", "deeprke-shuffled-structure", "whose structure it is, in deeprke"),
    ("no-structure", "one-hot", "k-mer vectors"),
    ("paper", "cnn-only", "BiLSTM"),
    ("deeprke", "paper", "deeprke over paper"),
    ("deeprke-transfer", "deeprke", "a trunk of all experiments"),
)

_Z = 1.959964  # of a two-sided interval of 95 %


class Difference(NamedTuple):
    """A difference of AUROCs and its 95 % interval."""

    mean: float
    low: float
    high: float


def difference(
    labels: np.ndarray, one: Sequence[np.ndarray], other: Sequence[np.ndarray]
) -> Difference:
    """Compares two models on the same sites.

    >>> labels = np.array([1, 1, 1, 0, 0, 0])
    >>> better = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    >>> worse = np.array([0.9, 0.2, 0.7, 0.3, 0.8, 0.1])
    >>> round(difference(labels, [better], [worse]).mean, 3)
    0.333

    Args:
      labels: 1 bound, 0 background, [n_sites].
      one: Probabilities of the one, for each of its seeds, [n_sites].
      other: The same of the other.

    Returns:
      The mean AUROC of the one, over its seeds, less that of the other. The interval is
      about the sites; that seeds differ is not in it.
    """
    bound, background = (
        _mean_placements(labels, one)[i] - _mean_placements(labels, other)[i]
        for i in range(2)
    )
    mean = float(bound.mean())
    variance = bound.var(ddof=1) / len(bound) + background.var(ddof=1) / len(background)
    reach = _Z * math.sqrt(variance)
    return Difference(mean, mean - reach, mean + reach)


def _mean_placements(
    labels: np.ndarray, probabilities: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how each bound site stands among the background sites, and the reverse.

    The mean of either is the AUROC; ties count half.
    """
    is_bound = np.asarray(labels, bool)
    n_bound, n_background = is_bound.sum(), (~is_bound).sum()
    bound, background = [], []
    for one in probabilities:
        ranks = stats.rankdata(one)
        above = ranks[is_bound] - stats.rankdata(one[is_bound])
        below = ranks[~is_bound] - stats.rankdata(one[~is_bound])
        bound.append(above / n_background)
        background.append(1 - below / n_bound)
    return np.mean(bound, axis=0), np.mean(background, axis=0)


def differences(
    results: Sequence[Mapping[str, Any]],
    out: Path,
    experiments: Sequence[str],
    protocol: str,
) -> pd.DataFrame:
    """Returns the differences of `PAIRS` (columns, by what the part is).

    Args:
      results: Of the benchmark; those of the protocol without mask are taken.
      out: Its directory, which holds the probabilities.
      experiments: Names of the rows, in order.
      protocol: How the results were chosen and measured.

    Returns:
      `Difference`s, None where a pair is not complete or not of the same sites; seeds
      that both have are taken. The index ends with "mean", over experiments, with the
      interval of a t-test.
    """
    seeds: dict[tuple[str, str], set[int]] = {}
    for result in results:
        if result["protocol"] == protocol and result["mask"] == "none":
            key = result["experiment"], result["preset"]
            seeds.setdefault(key, set()).add(result["seed"])
    columns = {}
    for one, other, part in PAIRS:
        cells: dict[str, Difference | None] = {}
        for experiment in experiments:
            directory = out / "predictions" / experiment
            both = seeds.get((experiment, one), set()) & seeds.get(
                (experiment, other), set()
            )
            paths = [
                [
                    directory / f"{name}.{protocol}.seed{n}.none.npz"
                    for n in sorted(both)
                ]
                for name in (one, other)
            ]
            cells[experiment] = _of_files(*paths) if both else None
        found = [cell.mean for cell in cells.values() if cell]
        if found:
            columns[part] = cells | {"mean": _mean(found)}
    return pd.DataFrame(columns, index=[*experiments, "mean"], dtype=object)


def _of_files(one: Sequence[Path], other: Sequence[Path]) -> Difference | None:
    if not all(path.exists() for path in (*one, *other)):
        return None
    read = [[plan.read_arrays(path) for path in some] for some in (one, other)]
    labels = read[0][0]["test_labels"]
    for arrays in (*read[0], *read[1]):
        if not np.array_equal(arrays["test_labels"], labels):
            print(
                f"note: {one[0]} and {other[0]} are of other sites, or in another "
                "order, and are not compared; delete both results to make them anew.",
                file=sys.stderr,
            )
            return None
    return difference(
        labels, *([arrays["test_probabilities"] for arrays in some] for some in read)
    )


def _mean(values: Sequence[float]) -> Difference | None:
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    reach = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return Difference(mean, mean - float(reach), mean + float(reach))
