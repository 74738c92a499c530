"""Attributions of sites by one method, and how far the other one agrees.

Both are in units of log odds, by nucleotide and by view. Of an ensemble the mean over
its networks is the attribution.
"""

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from scipy import stats

from deeprke_tf.explaining.gradients import Gradients, IntegratedGradients
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.mutagenesis import Mutagenesis, importance, mutagenize
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.rna.structure import LOOP_CONTEXTS
from deeprke_tf.system.progress import Progress, no_progress

Method: TypeAlias = Literal["gradients", "mutagenesis"]
_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True, eq=False)
class Attributions:
    """What the letters and the loop contexts of sites add to their log odds.

    Attributes:
      sites: The sites.
      method: "gradients" or "mutagenesis".
      sequence: By nucleotide, float32 [n_networks, length] for each site.
      structure: By loop context, likewise; 0 for networks that do not read structure.
      gradients: Results of integrated gradients, by place of the site; of all sites, or
        of those that were compared.
      mutants: Results of mutagenesis, likewise.
      sites_per_second: Speed of each method.
    """

    sites: list[FoldedSite]
    method: Method
    sequence: list[np.ndarray]
    structure: list[np.ndarray]
    gradients: dict[int, Gradients]
    mutants: dict[int, Mutagenesis]
    sites_per_second: dict[str, float]

    @property
    def of_nucleotides(self) -> list[np.ndarray]:
        """The mean of `sequence` over the networks, float32 [length] for each site."""
        return [rows.mean(axis=0) for rows in self.sequence]

    def measures(self) -> dict[str, Any]:
        """Returns completeness and agreement, for `explain.json`.

        `completeness`: medians over sites of the absolute error, of the difference of
        the log odds from the baseline, and of the ratio of the two. `agreement`:
        Spearman's correlation of the two methods over all positions of the sites that
        have both, by view; None where one is constant.
        """
        both = sorted(self.gradients.keys() & self.mutants.keys())
        errors = [g.completeness_error.mean() for g in self.gradients.values()]
        differences = [
            (g.log_odds - g.baseline).mean() for g in self.gradients.values()
        ]
        measured: dict[str, Any] = {"sites_per_second": self.sites_per_second}
        if errors:
            error, difference = np.abs(errors), np.abs(differences)
            ratio = error / np.maximum(difference, 1e-9)
            measured["completeness"] = {
                "n_sites": len(errors),
                "median_error": float(np.median(error)),
                "median_difference_from_baseline": float(np.median(difference)),
                "median_relative_error": float(np.median(ratio)),
            }
        if both:
            measured["agreement"] = {
                "n_sites": len(both),
                "sequence": self._agreement(both, "sequence"),
                "structure": self._agreement(both, "structure"),
            }
        return measured

    def _agreement(self, places: Sequence[int], view: str) -> float | None:
        one, other = [], []
        for place in places:
            gradients = getattr(self.gradients[place], view)
            mutants = of_mutants(self.sites[place], self.mutants[place])[view]
            one.append(gradients.mean(axis=0))
            other.append(mutants.mean(axis=0))
        pairs = np.concatenate(one), np.concatenate(other)
        if any(np.ptp(values) == 0 for values in pairs):
            return None
        return float(stats.spearmanr(*pairs).statistic)


def of_mutants(site: FoldedSite, found: Mutagenesis) -> dict[str, np.ndarray]:
    """Returns the mean fall of the log odds by view, [n_networks, length] each."""
    sequence = importance(found.sequence, site.sequence, NUCLEOTIDES)
    structure = np.zeros_like(sequence)
    if found.structure is not None:
        structure = importance(found.structure, site.loop_contexts, LOOP_CONTEXTS)
    return {"sequence": sequence, "structure": structure}


def attribute(
    sites: Sequence[FoldedSite],
    log_odds: LogOdds,
    pool: FoldingPool | None,
    *,
    method: Method = "gradients",
    check: int = 100,
    refold: bool = False,
    seed: int = 1,
    progress: Progress = no_progress,
) -> Attributions:
    """Attributes the log odds of sites to their letters and loop contexts.

    Args:
      sites: The sites.
      log_odds: The model.
      pool: Folds baselines and mutants; None for a model that reads no structure.
      method: Of the attributions.
      check: Sites that the other method is applied to, too, evenly spaced.
      refold: Whether mutants are also scored with structures of their own.
      seed: Fixes the baselines.
      progress: Shows sites.

    Raises:
      UserError: A network does not begin with k-mer vectors, and gradients are asked
        for.
    """
    every = list(range(len(sites)))
    spaced = np.linspace(0, len(sites) - 1, min(check, len(sites)), dtype=int)
    some = sorted(set(spaced.tolist()))
    by_gradients = every if method == "gradients" else some
    by_mutants = every if method == "mutagenesis" else some
    speeds: dict[str, float] = {}

    def timed(
        name: str, places: Sequence[int], results: Iterable[_Result]
    ) -> dict[int, _Result]:
        start = time.perf_counter()
        counted = _counted(results, len(places), name, progress)
        found = dict(zip(places, counted, strict=True))
        speeds[name] = round(len(places) / (time.perf_counter() - start), 2)
        return found

    gradients: dict[int, Gradients] = {}
    if by_gradients:
        integrated = IntegratedGradients(log_odds, pool, seed=seed)
        results = integrated(sites[i] for i in by_gradients)
        gradients = timed("gradients", by_gradients, results)
    mutants: dict[int, Mutagenesis] = {}
    if by_mutants:
        mutated = mutagenize(
            (sites[i] for i in by_mutants), log_odds, pool if refold else None
        )
        mutants = timed("mutagenesis", by_mutants, mutated)
    if method == "gradients":
        rows = [
            {"sequence": gradients[i].sequence, "structure": gradients[i].structure}
            for i in every
        ]
    else:
        rows = [of_mutants(sites[i], mutants[i]) for i in every]
    sequence, structure = ([row[v] for row in rows] for v in ("sequence", "structure"))
    return Attributions(
        *(list(sites), method, sequence, structure, gradients, mutants, speeds)
    )


def _counted(
    results: Iterable[_Result], total: int, description: str, progress: Progress
) -> Iterator[_Result]:
    with progress(total, "site", description) as bar:
        for result in results:
            yield result
            bar.update()
