"""Which RBPs bind sites more often than background sites.

A site counts as bound by an RBP from the decision threshold of its model on. The odds
ratio compares bound with unbound among sites and background; 0.5 is added to each of
the four counts, and the interval is Woolf's, normal on the logarithm (Haldane, Ann.
Hum. Genet. 20, 309, 1956). The p-value is that of Fisher's exact test, two-sided, and
the q-value that of Benjamini and Hochberg over the RBPs.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.panels.calls import Output

if TYPE_CHECKING:
    import pandas as pd

_Z = 1.959964  # of a 95 % interval


class Tally:
    """Counts of bound sites by RBP.

    Args:
      outputs: The RBPs.

    Attributes:
      n_sites: All sites.
      n_bound: Sites from the threshold of each RBP on, int64 [n_rbps].
    """

    def __init__(self, outputs: Sequence[Output]):
        self._thresholds = np.array([output.threshold for output in outputs])
        self.n_sites = 0
        self.n_bound = np.zeros(len(outputs), np.int64)
        self._sum = np.zeros(len(outputs))

    def add(self, probabilities: np.ndarray, calibrated: np.ndarray) -> None:
        """Counts some sites, each [n_sites, n_rbps]."""
        self.n_sites += len(probabilities)
        self.n_bound += (probabilities >= self._thresholds).sum(axis=0)
        self._sum += calibrated.sum(axis=0)

    @property
    def mean(self) -> np.ndarray:
        """Mean calibrated probability of each RBP, float64 [n_rbps]."""
        return self._sum / max(1, self.n_sites)


def odds_ratios(sites: Tally, background: Tally) -> np.ndarray:
    """Returns odds ratio, lower and upper end of its interval, float64 [3, n_rbps]."""
    counts = np.stack(
        [
            *(sites.n_bound, sites.n_sites - sites.n_bound),
            *(background.n_bound, background.n_sites - background.n_bound),
        ]
    )
    bound, unbound, bound_there, unbound_there = counts + 0.5
    log_ratio = np.log(bound * unbound_there / (unbound * bound_there))
    error = np.sqrt((1 / (counts + 0.5)).sum(axis=0))
    return np.exp(np.stack([log_ratio, log_ratio - _Z * error, log_ratio + _Z * error]))


def enrichment_table(
    rbps: Sequence[str], sites: Tally, background: Tally
) -> "pd.DataFrame":
    """Compares sites with background sites, for each RBP.

    Returns:
      A row for each RBP, the lowest p-value and the largest odds ratio first, in the
      columns of `enrichment.tsv`.
    """
    import pandas as pd
    from scipy import stats

    ratio, low, high = odds_ratios(sites, background)
    p_values = [
        float(
            stats.fisher_exact(
                [
                    [bound, sites.n_sites - bound],
                    [bound_there, background.n_sites - bound_there],
                ]
            )[1]
        )
        for bound, bound_there in zip(sites.n_bound, background.n_bound, strict=True)
    ]
    table = pd.DataFrame(
        {
            "rbp": list(rbps),
            "n_sites": sites.n_sites,
            "n_bound": sites.n_bound,
            "fraction_bound": sites.n_bound / max(1, sites.n_sites),
            "n_background": background.n_sites,
            "n_background_bound": background.n_bound,
            "fraction_background_bound": background.n_bound / background.n_sites,
            "odds_ratio": ratio,
            "odds_ratio_low": low,
            "odds_ratio_high": high,
            "p_value": p_values,
            "q_value": stats.false_discovery_control(np.minimum(p_values, 1)),
            "mean_probability": sites.mean,
            "mean_background_probability": background.mean,
        }
    )
    order = ["p_value", "odds_ratio"]
    table = table.sort_values(order, ascending=[True, False], kind="stable")
    return table.reset_index(drop=True)
