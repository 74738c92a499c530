"""Comparison of two methods over experiments, and on the test sites of each."""

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from deeprke_tf.benchmarking.experiments import PROTOCOLS
from deeprke_tf.evaluation.intervals import Difference, delong_difference
from deeprke_tf.system import arrays

_logger = logging.getLogger(__name__)

# Method with a component, method without it, and title of the column.
PAIRS = (
    ("paper", "no-structure", "structure, in paper"),
    ("paper", "shuffled-structure", "own or shuffled structure, in paper"),
    ("deeprke", "deeprke-no-structure", "structure, in deeprke"),
    ("deeprke", "deeprke-shuffled-structure", "own or shuffled structure, in deeprke"),
    ("no-structure", "one-hot", "k-mer vectors"),
    ("paper", "cnn-only", "BiLSTM"),
    ("deeprke", "paper", "deeprke over paper"),
)

_FEWEST_TO_TEST = 6  # pairs: with fewer no difference could reach p = 0.05


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two methods on the experiments that both have.

    Attributes:
      n: Number of experiments.
      means: Mean AUROC of the first and of the second method.
      wins: How often the first is better to three decimals, as tables show it.
      ties: How often they are equal to three decimals.
      losses: How often the second is better.
      p: p-value of a two-sided paired Wilcoxon test; None for fewer than six
        experiments.
    """

    n: int
    means: tuple[float, float]
    wins: int
    ties: int
    losses: int
    p: float | None


def compare(one: pd.Series, other: pd.Series) -> Comparison | None:
    """Compares the AUROCs of two methods by experiment; None if none has both."""
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


def mean_difference(one: pd.Series, other: pd.Series) -> Difference | None:
    """Returns the mean difference over the experiments that both have.

    The interval is of a t-test; None for fewer than two experiments.
    """
    return _mean((one - other).dropna().tolist())


def differences(
    results: Sequence[Mapping[str, Any]], directory: Path, experiments: Sequence[str]
) -> pd.DataFrame:
    """Returns the differences of `PAIRS` (columns, by title).

    Args:
      results: Results of the benchmark; masked ones are left out.
      directory: Where the benchmark keeps its predictions.
      experiments: Names of the rows, in order.

    Returns:
      `Difference`s over the seeds that both have in one protocol, that with more
      experiments; None where predictions are missing or of other sites. The last row,
      "mean", is over experiments, with the interval of a t-test.
    """
    seeds: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for result in results:
        if result["mask"] == "none":
            key = result["protocol"], result["experiment"], result["preset"]
            seeds[key].add(result["seed"])

    def compared(protocol: str, one: str, other: str) -> dict[str, Difference | None]:
        cells: dict[str, Difference | None] = {}
        for name in experiments:
            both = seeds[protocol, name, one] & seeds[protocol, name, other]
            of_experiment = directory / "predictions" / name
            paths = [
                of_experiment / f"{preset}.{protocol}.seed{seed}.none.npz"
                for preset in (one, other)
                for seed in sorted(both)
            ]
            cells[name] = _of_predictions(paths) if both else None
        return cells

    columns = {}
    for one, other, title in PAIRS:
        of_protocols = [compared(protocol, one, other) for protocol in PROTOCOLS]
        cells = max(of_protocols, key=lambda cells: sum(map(bool, cells.values())))
        if means := [cell.mean for cell in cells.values() if cell]:
            columns[title] = cells | {"mean": _mean(means)}
    return pd.DataFrame(columns, index=[*experiments, "mean"], dtype=object)


def _of_predictions(paths: Sequence[Path]) -> Difference | None:
    """Compares two models; the first half of the files is from the first one."""
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
    return delong_difference(labels, probabilities[:half], probabilities[half:])


def _mean(values: Sequence[float]) -> Difference | None:
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    half_width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return Difference(mean, mean - float(half_width), mean + float(half_width))
