"""Splits of sites by chromosome or gene, never by single sites.

Windows of one peak cluster, or of one transcript, share letters and context: on both
sides of a split they would make a model look better than it is.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from deeprke_tf.errors import UserError
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.settings import SplitSettings

if TYPE_CHECKING:
    import pandas as pd

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def split_sites(sites: "pd.DataFrame", settings: SplitSettings) -> np.ndarray:
    """Returns the split of each site: "train", "validation" or "test", [n_sites].

    All are empty where no split is asked for.

    Args:
      sites: Columns `chrom`, `start`, `end` and `gene`.
      settings: How to split.

    Raises:
      UserError: A chromosome has no site, or a split would be empty.
    """
    if not settings.are_given:
        return np.full(len(sites), "", dtype=object)
    splits = np.full(len(sites), TRAIN, dtype=object)
    chroms = sites["chrom"].to_numpy()
    given = {
        TEST: settings.test_chromosomes,
        VALIDATION: settings.validation_chromosomes,
    }
    for split, names in given.items():
        splits[np.isin(chroms, _known(names, chroms, split))] = split
    by_chromosome = settings.split_by == "chromosome"
    groups = chroms if by_chromosome else groups_by_gene(sites)
    fractions = {TEST: settings.test_fraction, VALIDATION: settings.validation_fraction}
    for split, fraction in fractions.items():
        if fraction:
            free = splits == TRAIN
            drawn = _draw(groups[free], fraction * len(sites), settings.seed, split)
            splits[free & np.isin(groups, drawn)] = split
    for split in (TRAIN, *(name for name in given if given[name] or fractions[name])):
        if split not in splits:
            raise UserError(
                f"The {split} split has no site: there are {len(set(groups))} groups "
                f"of sites (`split_by` {settings.split_by!r}). Give other chromosomes "
                "or fractions."
            )
    return splits


def _known(names: tuple[str, ...], chroms: np.ndarray, split: str) -> list[str]:
    """Returns the sites' names of chromosomes."""
    known = ChromosomeNames(chroms)
    found = []
    for name in names:
        chrom = known.find(name)
        if chrom is None:
            some = ", ".join(sorted(set(chroms))[:5])
            raise UserError(
                f"`{split}_chromosomes` {name}: no site lies on it; sites lie on "
                f"{some}."
            )
        found.append(chrom)
    return found


def groups_by_gene(sites: "pd.DataFrame") -> np.ndarray:
    """Returns a text for each site, the same for all that must stay together.

    These are sites of one gene, sites that overlap on either strand, and whatever hangs
    together by such steps.

    Args:
      sites: Columns `chrom`, `start`, `end` and `gene`.
    """
    import bioframe
    import pandas as pd

    places = sites[["chrom", "start", "end"]].reset_index(drop=True)
    clusters = bioframe.cluster(places, min_dist=None)["cluster"].to_numpy()
    genes, _ = pd.factorize(sites["gene"].to_numpy())
    has_gene = sites["gene"].to_numpy() != ""
    n = clusters.max(initial=-1) + 1
    links = coo_array(
        (np.ones(has_gene.sum()), (clusters[has_gene], n + genes[has_gene])),
        shape=(n + len(sites), n + len(sites)),
    )
    _, parts = connected_components(links, directed=False)
    # The name of a group must not depend on the order of the sites.
    texts = places["chrom"].astype(str) + ":" + places["start"].astype(str)
    return texts.groupby(parts[clusters]).transform("min").to_numpy()


def _draw(groups: np.ndarray, n_sites: float, seed: int, split: str) -> list[str]:
    """Draws groups until they have about a number of sites.

    Args:
      groups: Of each site.
      n_sites: Sites wanted.
      seed: Of the draw.
      split: Its name, so that splits are drawn differently.
    """
    names, counts = np.unique(groups.astype(str), return_counts=True)
    keys = [
        hashlib.sha256(f"{seed} {split} {name}".encode()).digest() for name in names
    ]
    drawn, n_drawn = [], 0
    for i in sorted(range(len(names)), key=keys.__getitem__):
        # A group that would overshoot by more than is missing stays out.
        if n_drawn < n_sites and n_drawn + counts[i] / 2 <= n_sites:
            drawn.append(names[i])
            n_drawn += counts[i]
    return drawn
