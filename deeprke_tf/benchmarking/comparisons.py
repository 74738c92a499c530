"""Two methods compared: over experiments, and on the test sites of one experiment.

Two models that score the same test sites have a narrower interval of their difference
of AUROC than of either AUROC: DeLong et al., Biometrics 44, 837 (1988).
"""

import dataclasses
import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from deeprke_tf.system import arrays

_logger = logging.getLogger(__name__)

# With a part of the model, without it, and the title of the column.
PAIRS = (
    ("paper", "no-structure", "structure, in paper"),
    ("paper", "shuffled-structure", "whose structure it is, in paper"),
    ("deeprke", "deeprke-no-structure", "structure, in deeprke"),
    ("deeprke", "deeprke-shuffled-structure", "whose structure it is, in deeprke"),
    ("no-structure", "one-hot", "k-mer vectors"),
    ("paper", "cnn-only", "BiLSTM"),
    ("deeprke", "paper", "deeprke over paper"),
)

_FEWEST_TO_TEST = 6  # pairs: with fewer no difference could reach p = 0.05
_Z = 1.959964  # of a two-sided interval of 95 %


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two methods on the experiments that both have.

    Attributes:
      n: Number of experiments.
      means: Mean AUROC of the first and of the second method.
      wins: How often the first is better to three decimals, as tables show it.
      ties: How often they are equal to three decimals.
      losses: How often the second is better.
      p: Of a paired Wilcoxon test, two-sided; None for fewer than six experiments.
    """

    n: int
    means: tuple[float, float]
    wins: int
    ties: int
    losses: int
    p: float | None


def compare(one: pd.Series, other: pd.Series) -> Comparison | None:
    """Compares two methods, AUROC by experiment; None if they share none."""
    both = pd.concat([one, other], axis=1, join="inner").dropna()
    if both.empty:
        return None
    differences = (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy()
    rounded = np.subtract(*both.round(3).to_numpy().T).round(3)
    p = None
    if len(both) >= _FEWEST_TO_TEST:
        p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    return Comparison(
        len(both),
        (float(both.iloc[:, 0].mean()), float(both.iloc[:, 1].mean())),
        int((rounded > 0).sum()),
        int((rounded == 0).sum()),
        int((rounded < 0).sum()),
        p,
    )


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
      one: Probabilities of the first model, [n_sites] for each of its seeds.
      other: Probabilities of the second model.

    Returns:
      The mean AUROC of the first over its seeds, minus the one of the second. The
      interval covers the sampling of sites, not the variance between seeds.
    """
    bound, background = (
        _mean_placements(labels, one)[i] - _mean_placements(labels, other)[i]
        for i in range(2)
    )
    mean = float(bound.mean())
    variance = bound.var(ddof=1) / len(bound) + background.var(ddof=1) / len(background)
    half_width = _Z * math.sqrt(variance)
    return Difference(mean, mean - half_width, mean + half_width)


def _mean_placements(
    labels: np.ndarray, probabilities: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the placements of bound sites among background sites, and the reverse.

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
    directory: Path,
    experiments: Sequence[str],
    protocol: str,
) -> pd.DataFrame:
    """Returns the differences of `PAIRS` (columns, by title).

    Args:
      results: Results of the benchmark; the ones of other protocols or with a mask are
        left out.
      directory: Where the benchmark keeps its predictions.
      experiments: Names of the rows, in order.
      protocol: "frozen" or "grouped".

    Returns:
      `Difference`s over the seeds that both have; None where predictions are missing or
      of other sites. The last row, "mean", is over experiments, with the interval of a
      t-test.
    """
    seeds: dict[tuple[str, str], set[int]] = defaultdict(set)
    for result in results:
        if result["protocol"] == protocol and result["mask"] == "none":
            seeds[result["experiment"], result["preset"]].add(result["seed"])
    columns = {}
    for one, other, title in PAIRS:
        cells: dict[str, Difference | None] = {}
        for name in experiments:
            both = sorted(seeds[name, one] & seeds[name, other])
            paths = [
                directory
                / "predictions"
                / name
                / f"{preset}.{protocol}.seed{n}.none.npz"
                for preset in (one, other)
                for n in both
            ]
            cells[name] = _of_predictions(paths) if both else None
        if means := [cell.mean for cell in cells.values() if cell]:
            columns[title] = cells | {"mean": _mean(means)}
    return pd.DataFrame(columns, index=[*experiments, "mean"], dtype=object)


def _of_predictions(paths: Sequence[Path]) -> Difference | None:
    """Compares two models by their predictions: half of the files are of each."""
    if not all(path.exists() for path in paths):
        return None
    read = [arrays.read_arrays(path) for path in paths]
    labels = read[0]["test_labels"]
    half = len(paths) // 2
    if not all(np.array_equal(one["test_labels"], labels) for one in read):
        _logger.warning(
            "%s and %s have other sites, or another order of sites, and are not "
            "compared; delete both results to train again.",
            *(paths[0], paths[half]),
        )
        return None
    probabilities = [one["test_probabilities"] for one in read]
    return difference(labels, probabilities[:half], probabilities[half:])


def _mean(values: Sequence[float]) -> Difference | None:
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    half_width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return Difference(mean, mean - float(half_width), mean + float(half_width))
