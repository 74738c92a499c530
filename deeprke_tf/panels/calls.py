"""Which sites and RBPs of a panel are called, at a false discovery rate.

The p-value of a site and an RBP is the fraction of this RBP's background validation
sites that have at least its probability, the site itself counted with them:

    p = (1 + number of background sites at or above it) / (1 + number of them)

(a conformal p-value: Bates et al., Ann. Statist. 51, 149, 2023). It says how rare such
a probability is where the RBP does not bind, and does not depend on how many of the
sites are bound, as calibrated probabilities do. All p-values of the panel together give
q-values by Benjamini and Hochberg, J. R. Stat. Soc. B 57, 289, 1995. Those of one RBP
share their background sites and those of one site its letters: the FDR holds under such
positive dependence (Benjamini and Yekutieli, Ann. Statist. 29, 1165, 2001), as far as
unbound sites are like the background sites of validation.

A p-value can only be one of as many as an RBP has background sites. So counts of these
are all that is kept, and memory does not grow with the number of sites.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from deeprke_tf.runs.joint import JointRun


class Output(NamedTuple):
    """What is known of one output of a joint network.

    Attributes:
      rbp: Name of the RBP.
      threshold: Probability from which its model calls a site bound.
      background: Probabilities of its background validation sites, from the lowest to
        the highest, float64 [n_background].
    """

    rbp: str
    threshold: float
    background: np.ndarray

    @property
    def p_values(self) -> np.ndarray:
        """The p-value of each level, float64 [n_background + 1]; see `levels_of`."""
        n = len(self.background)
        return np.arange(1, n + 2) / (n + 1)


def outputs_of(model: "JointRun", rbps: Collection[str] = ()) -> list[Output]:
    """Returns the outputs of a joint run, in their order.

    Args:
      model: The joint run.
      rbps: The RBPs that are wanted; none: all.

    Raises:
      UserError: The predictions for validation sites cannot be read.
    """
    outputs = []
    for rbp in model.names:
        if rbps and rbp not in rbps:
            continue
        run = model.run(rbp)
        labels, probabilities = run.validation
        background = np.sort(probabilities[labels == 0]).astype(np.float64)
        outputs.append(Output(rbp, run.threshold, background))
    return outputs


def levels_of(outputs: Sequence[Output], probabilities: np.ndarray) -> np.ndarray:
    """Returns how many background sites of each RBP have at least these probabilities.

    >>> output = Output("QKI", 0.5, np.array([0.1, 0.2, 0.2]))
    >>> levels_of([output], np.array([[0.3], [0.2], [0.0]]))[:, 0].tolist()
    [0, 2, 3]

    Args:
      outputs: The RBPs.
      probabilities: [n_sites, n_rbps].

    Returns:
      int64 [n_sites, n_rbps].
    """
    levels = np.empty(probabilities.shape, np.int64)
    for place, output in enumerate(outputs):
        lower = np.searchsorted(output.background, probabilities[:, place], "left")
        levels[:, place] = len(output.background) - lower
    return levels


class LevelCounts:
    """Counts of sites by RBP and level, from which all q-values follow.

    Args:
      outputs: The RBPs.
    """

    def __init__(self, outputs: Sequence[Output]):
        self._outputs = outputs
        self._counts = [np.zeros(len(o.background) + 1, np.int64) for o in outputs]

    def add(self, levels: np.ndarray) -> None:
        """Counts some sites, int64 [n_sites, n_rbps]."""
        for counts, of_rbp in zip(self._counts, levels.T, strict=True):
            counts += np.bincount(of_rbp, minlength=len(counts))

    def q_values(self) -> list[np.ndarray]:
        """Returns the q-value of each level of each RBP, float64 [n_levels]."""
        p_values = np.concatenate([output.p_values for output in self._outputs])
        counts = np.concatenate(self._counts)
        distinct, place = np.unique(p_values, return_inverse=True)
        called = np.cumsum(np.bincount(place, weights=counts))
        ratios = distinct * counts.sum() / np.maximum(called, 1)
        # Below the lowest p-value that occurs nothing is called.
        ratios[called == 0] = np.inf
        lowest = np.minimum.accumulate(ratios[::-1])[::-1]
        sizes = [len(counts) for counts in self._counts]
        q_values = np.minimum(lowest, 1)[place]
        return np.split(q_values, np.cumsum(sizes)[:-1])


def at_levels(by_level: Sequence[np.ndarray], levels: np.ndarray) -> np.ndarray:
    """Returns the p- or q-value of each site and RBP, float64 [n_sites, n_rbps].

    Args:
      by_level: Of each RBP, [n_levels].
      levels: Of `levels_of`.
    """
    columns = zip(by_level, levels.T, strict=True)
    return np.stack([values[of_rbp] for values, of_rbp in columns], axis=1)
