"""Rows and columns of a panel's heatmap, in the order of their clusters.

Up to 60 sites have a row each. Of more, a random sample is clustered (Ward, J. Am.
Stat. Assoc. 58, 236, 1963), and each row is the mean of a cluster. Rows and columns are
then put in order by average linkage of Euclidean distances between calibrated
probabilities, with neighbors as alike as the tree allows (Bar-Joseph et al.,
Bioinformatics 17, S22, 2001).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MOST_SITES = 60
MOST_SAMPLED = 2_000
MOST_CLUSTERS = 40
_LONGEST_LABEL = 28  # characters


class Heatmap(NamedTuple):
    """A clustered heatmap.

    Attributes:
      values: Calibrated probabilities, float64 [n_rows, n_columns], not yet in order.
      rows: Label of each row.
      columns: Label of each column.
      row_links: Linkage of the rows as SciPy has it; None: there is one row.
      column_links: Linkage of the columns; None: there is one column.
      called: Which cells are called, bool [n_rows, n_columns]; None: rows are means.
      n_sites: Sites that the rows show.
    """

    values: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]
    row_links: np.ndarray | None
    column_links: np.ndarray | None
    called: np.ndarray | None
    n_sites: int

    @property
    def row_order(self) -> list[int]:
        """Rows from the top to the bottom."""
        return _order(self.row_links)

    @property
    def column_order(self) -> list[int]:
        """Columns from the left to the right."""
        return _order(self.column_links)


def heatmap_of_sites(
    values: np.ndarray, names: Sequence[str], rbps: Sequence[str], called: np.ndarray
) -> Heatmap:
    """Clusters sites, a row each.

    Args:
      values: Calibrated probabilities, [n_sites, n_rbps].
      names: Of the sites.
      rbps: Names of the RBPs.
      called: Which site and RBP is called, bool [n_sites, n_rbps].
    """
    rows = [_shortened(name) for name in names]
    links = _linkage(values), _linkage(values.T)
    return Heatmap(values, rows, rbps, *links, called, len(values))


def heatmap_of_clusters(
    sample: np.ndarray, rbps: Sequence[str], n_sites: int
) -> Heatmap:
    """Clusters a sample of many sites, and shows the mean of each cluster.

    Args:
      sample: Calibrated probabilities, [n_sampled, n_rbps].
      rbps: Names of the RBPs.
      n_sites: All sites.
    """
    from scipy.cluster import hierarchy

    tree = hierarchy.linkage(sample, "ward")
    cluster_of = hierarchy.fcluster(tree, MOST_CLUSTERS, "maxclust")
    numbers, sizes = np.unique(cluster_of, return_counts=True)
    means = np.stack([sample[cluster_of == number].mean(axis=0) for number in numbers])
    fractions = sizes / len(sample)
    rows = [
        f"{size:,} sites" if len(sample) == n_sites else f"{fraction:.1%} of sites"
        for size, fraction in zip(sizes, fractions, strict=True)
    ]
    links = _linkage(means), _linkage(means.T)
    return Heatmap(means, rows, rbps, *links, None, len(sample))


def _linkage(values: np.ndarray) -> np.ndarray | None:
    from scipy.cluster import hierarchy

    if len(values) < 2:
        return None
    return hierarchy.linkage(values, "average", optimal_ordering=True)


def _order(links: np.ndarray | None) -> list[int]:
    from scipy.cluster import hierarchy

    return [0] if links is None else hierarchy.leaves_list(links).tolist()


def _shortened(name: str) -> str:
    """Returns a name that fits beside a row: its beginning and its end.

    >>> _shortened("ENST00000335137.4::chr1:69090-70008(+)")
    'ENST00000335...9090-70008(+)'
    """
    if len(name) <= _LONGEST_LABEL:
        return name
    half = (_LONGEST_LABEL - 3) // 2
    return f"{name[:half]}...{name[half + 3 - _LONGEST_LABEL :]}"
