"""Several trainings of one RBP, whose probabilities are averaged; or a single one.

    probability             mean over the runs
    probability_sd          sample standard deviation over them, with n - 1: how much
                            another training would change the probability
    calibrated_probability  mean of what the calibration of each run makes of its own

A threshold is one on the mean. It is chosen on the mean probabilities of the validation
sites, which must be the same for all runs.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf import inference, runs
from deeprke_tf.calibration import Calibration
from deeprke_tf.calling import OF_MODEL, Aim, Calling, call_on_validation
from deeprke_tf.encoding import Encoding
from deeprke_tf.errors import UserError


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
      members: At least one; they may differ in all but their encoding.

    Raises:
      UserError: There is none, one is given twice, or they differ in k, an alphabet or
        a fold setting.
    """

    members: tuple[runs.Run, ...]

    def __post_init__(self):
        if not self.members:
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
    def encoding(self) -> Encoding:
        """What the k-mer ids of every run mean."""
        return self.members[0].encoding

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
        if aim is None and prior is None and len(self.members) == 1:
            return Calling(self.members[0].threshold, OF_MODEL)
        return call_on_validation(*self._validation(), aim, prior)

    def scorer(
        self, batch_size: int, prior: float | None = None, calibrate: bool = True
    ) -> Callable[[Sequence[dict[str, np.ndarray]]], Scores]:
        """Compiles the networks.

        Args:
          batch_size: Sites that a network sees at once.
          prior: Share of bound sites to expect, for the calibrated probability.
          calibrate: Whether to apply the calibrations; without, only the prior tells a
            calibrated probability from the probability.

        Returns:
          A function from sites, the ids of each by view as `widest` reads them, to
          their scores.
        """
        networks = [inference.scorer(run.model) for run in self.members]
        calibrations = [run.calibration for run in self.members]
        if not calibrate:
            calibrations = [Calibration("none", c.prior) for c in calibrations]

        def score(sites: Sequence[dict[str, np.ndarray]]) -> Scores:
            raw, calibrated = [], []
            for run, network, calibration in zip(
                self.members, networks, calibrations, strict=True
            ):
                of_run = _of_views(sites, run)
                raw.append(inference.score_sites(network, of_run, batch_size))
                calibrated.append(calibration(raw[-1], prior))
            each = np.array(raw, np.float64)
            sd = np.full(len(sites), np.nan)
            if len(each) > 1:
                sd = each.std(axis=0, ddof=1)
            return Scores(each.mean(axis=0), np.mean(calibrated, axis=0), sd)

        return score

    def _validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns labels, int64, and mean probabilities, float64, each [n_sites]."""
        labels, probabilities = zip(
            *(runs.read_validation(run.directory) for run in self.members), strict=True
        )
        first = self.members[0]
        for run, others in zip(self.members[1:], labels[1:], strict=True):
            same_sites = _validation_shards(run) == _validation_shards(first)
            # Training with batches of another size reads them in another order.
            if not (same_sites and np.array_equal(labels[0], others)):
                raise UserError(
                    f"{first.directory} and {run.directory} were not validated on the "
                    "same sites in the same order, so that no threshold for their mean "
                    "can be chosen; give --threshold."
                )
        return labels[0], np.mean(np.array(probabilities, np.float64), axis=0)


def load(directories: Sequence[Path]) -> Ensemble:
    """Loads finished runs.

    Raises:
      UserError: A directory is not a finished run, or the runs do not go together.
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


def _validation_shards(run: runs.Run) -> list[str]:
    shards = run.manifest["data"]["splits"]["validation"]["shards"]
    return [shard["sha256"] for shard in shards]


def _of_views(
    sites: Sequence[dict[str, np.ndarray]], run: runs.Run
) -> list[dict[str, np.ndarray]]:
    """Returns the views of sites that a run reads."""
    return [{view: site[view] for view in run.config.model.views} for site in sites]
