"""Several trainings of one RBP, whose probabilities are averaged; or a single one.

    probability             mean over the runs
    probability_sd          sample standard deviation over them, with n - 1: how much
                            another training would change the probability
    calibrated_probability  what one calibration, fitted on the mean probabilities of
                            the validation sites, makes of the mean
    threshold               of the mean, chosen on the same

Not the mean of what each run's own calibration makes of its probability: a mean of
calibrated probabilities is in general not calibrated, it lies too far from 0 and 1
(Ranjan and Gneiting, J. R. Stat. Soc. B 72, 71, 2010), and it may rank two sites
against their probabilities. So the runs must share their validation sites.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import calibration_fit
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.evaluation.calling import OF_MODEL, Aim, Calling, call_on_validation
from deeprke_tf.runs import layout
from deeprke_tf.runs import run as runs
from deeprke_tf.runs import scorer as inference


class Scores(NamedTuple):
    """What an ensemble says of sites, each float64 [n_sites].

    Attributes:
      probability: In [0, 1].
      calibrated_probability: In [0, 1].
      probability_sd: NaN with a single run.
    """

    probability: np.ndarray
    calibrated_probability: np.ndarray
    probability_sd: np.ndarray


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Finished runs that read the same k-mers.

    Attributes:
      given: Runs and ensembles as `runs.load` gives them, at least one. Of an ensemble
        each member counts as one run. They may differ in all but their encoding.

    Raises:
      UserError: There is none, one is given twice, or they differ in k, an alphabet or
        a fold setting.
    """

    given: tuple[runs.Run, ...]

    def __post_init__(self):
        if not self.given:
            raise UserError("An ensemble needs at least one run.")
        first = self.members[0]
        for run in self.members[1:]:
            _require_alike(first, run)
        models = [run.manifest.get("model_sha256") for run in self.members]
        for i, run in enumerate(self.members):
            if models[i] in models[:i]:
                same = self.members[models.index(models[i])]
                raise UserError(
                    f"{same.directory} and {run.directory} are the same model; an "
                    "ensemble needs different trainings, as of several --seed."
                )

    @property
    def members(self) -> tuple[runs.Run, ...]:
        """All single trainings, those of ensembles too."""
        return tuple(member for run in self.given for member in run.trainings)

    @property
    def encoding(self) -> Encoding:
        """What the k-mer ids of every run mean."""
        return self.members[0].encoding

    @property
    def longest_site(self) -> int | None:
        """Length of the longest site that all were trained on; None: not known."""
        known = [run.manifest.get("longest_site") for run in self.members]
        return min((n for n in known if isinstance(n, int)), default=None)

    @property
    def widest(self) -> runs.Run:
        """A run that reads all the views that any of them reads."""
        return max(self.members, key=lambda run: run.config.model.structure)

    def calling(self, aim: Aim | None = None, prior: float | None = None) -> Calling:
        """Chooses the threshold on the mean probability of the validation sites.

        Args:
          aim: What the calls are to be worth; None: their MCC is to be the largest.
          prior: Share of bound sites to expect; that of the validation sites if None.

        Raises:
          UserError: The runs were not validated on the same sites, theirs cannot be
            read, or no threshold does what is asked for.
        """
        if aim is None and prior is None and len(self.given) == 1:
            return Calling(self.given[0].threshold, OF_MODEL)
        return call_on_validation(*self._validation, aim, prior)

    def calibration(self, applied: bool = True) -> Calibration:
        """Returns the calibration of the mean probability.

        Args:
          applied: Whether it is to do anything; without, it only knows its prior, if
            all runs have the same.

        Raises:
          UserError: It is to be fitted, and the runs were not validated on the same
            sites, or theirs cannot be read.
        """
        if not applied:
            priors = {run.calibration.prior for run in self.members}
            return Calibration("none", priors.pop() if len(priors) == 1 else None)
        return self._fitted if len(self.given) > 1 else self.given[0].calibration

    def scorer(
        self, batch_size: int, prior: float | None = None, calibrate: bool = True
    ) -> Callable[[Sequence[dict[str, np.ndarray]]], Scores]:
        """Compiles the networks.

        Args:
          batch_size: Sites that a network sees at once.
          prior: Share of bound sites to expect, for the calibrated probability.
          calibrate: Whether to apply the calibration; without, only the prior tells a
            calibrated probability from the probability.

        Returns:
          A function from sites, the ids of each by view as `widest` reads them, to
          their scores.
        """
        networks = [inference.scorer(run.model) for run in self.members]
        calibration = self.calibration(calibrate)

        def score(sites: Sequence[dict[str, np.ndarray]]) -> Scores:
            each = np.array(
                [
                    inference.score_sites(network, _of_views(sites, run), batch_size)
                    for run, network in zip(self.members, networks, strict=True)
                ],
                np.float64,
            )  # [n_members, n_sites]
            mean = each.mean(axis=0)
            sd = np.full(len(sites), np.nan)
            if len(each) > 1:
                sd = each.std(axis=0, ddof=1)
            return Scores(mean, calibration(mean, prior), sd)

        return score

    @functools.cached_property
    def _validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels, int64, and mean probabilities, float32, each [n_sites]."""
        if len(self.given) == 1:
            return layout.read_validation(self.given[0].directory)
        return mean_validation([(run.directory, run.manifest) for run in self.members])

    @functools.cached_property
    def _fitted(self) -> Calibration:
        return calibration_fit.fit(*self._validation)


def mean_validation(
    validated: Sequence[tuple[Path, dict[str, Any]]],
) -> tuple[np.ndarray, np.ndarray]:
    """Averages what single trainings say of their validation sites.

    Args:
      validated: Directory and manifest of each.

    Returns:
      Labels, int64, and mean probabilities, float32, each [n_sites].

    Raises:
      UserError: The sites are not the same, or cannot be read.
    """
    labels, probabilities = zip(
        *(layout.read_validation(directory) for directory, _manifest in validated),
        strict=True,
    )
    first, first_manifest = validated[0]
    for (directory, manifest), others in zip(validated[1:], labels[1:], strict=True):
        same_sites = _validation_shards(manifest) == _validation_shards(first_manifest)
        # Training with batches of another size reads them in another order.
        if not (same_sites and np.array_equal(labels[0], others)):
            raise UserError(
                f"{first} and {directory} were not validated on the same sites in the "
                "same order, so that neither threshold nor calibration of their mean "
                "can be chosen; give --threshold and --no-calibration."
            )
    mean = np.mean(np.array(probabilities, np.float64), axis=0)
    return labels[0], mean.astype(np.float32)


def load(directories: Sequence[Path]) -> Ensemble:
    """Loads finished runs and ensembles.

    Raises:
      UserError: A directory is none of them, or the runs do not go together.
    """
    return Ensemble(tuple(runs.load(directory) for directory in directories))


def _require_alike(first: runs.Run, other: runs.Run) -> None:
    for name in ("k", "sequence_alphabet", "structure_alphabet", "fold"):
        expected, found = getattr(first.encoding, name), getattr(other.encoding, name)
        if found != expected:
            raise UserError(
                f"{first.directory} was trained with {name} {expected}, "
                f"{other.directory} with {found}; the runs of an ensemble must agree."
            )


def _validation_shards(manifest: dict[str, Any]) -> list[str]:
    shards = manifest["data"]["splits"]["validation"]["shards"]
    return [shard["sha256"] for shard in shards]


def _of_views(
    sites: Sequence[dict[str, np.ndarray]], run: runs.Run
) -> list[dict[str, np.ndarray]]:
    """Returns the views of sites that a run reads."""
    return [{view: site[view] for view in run.config.model.views} for site in sites]
