"""The mean of several trainings of one RBP.

    probability             mean over the members
    probability_sd          sample standard deviation over them (n - 1): how much
                            another training would change the probability
    calibrated_probability  one calibration, fitted on the mean probabilities of the
                            validation sites, applied to the mean
    threshold               chosen on the same mean probabilities

The calibrated probability is not the mean of the members' calibrated probabilities:
that mean is in general not calibrated but too far from 0 and 1 (Ranjan and Gneiting, J.
R. Stat. Soc. B 72, 71, 2010), and it may rank two sites against their probabilities. So
the members must have the same validation sites.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout

if TYPE_CHECKING:
    from deeprke_tf.runs.run import Run


class Scores(NamedTuple):
    """Predictions for some sites, each float64 [n_sites].

    Attributes:
      probability: In [0, 1].
      calibrated_probability: In [0, 1].
      probability_sd: NaN for a single training.
    """

    probability: np.ndarray
    calibrated_probability: np.ndarray
    probability_sd: np.ndarray


def mean_and_sd(
    probabilities: Sequence[npt.ArrayLike],
) -> tuple[np.ndarray, np.ndarray]:
    """Averages the predictions of the members of an ensemble.

    >>> mean, sd = mean_and_sd([[0.25, 0.5], [0.75, 0.5]])
    >>> mean.tolist(), sd.round(3).tolist()
    ([0.5, 0.5], [0.354, 0.0])

    Args:
      probabilities: Of each member, [n_members, n_sites].

    Returns:
      Mean and sample standard deviation, each float64 [n_sites]; the latter is NaN for
      a single member.
    """
    each = np.array(probabilities, np.float64)
    sd = each.std(axis=0, ddof=1) if len(each) > 1 else np.full(each.shape[1], np.nan)
    return each.mean(axis=0), sd


def mean_validation(
    members: Sequence[tuple[Path, dict[str, Any]]],
) -> tuple[np.ndarray, np.ndarray]:
    """Averages the predictions of members for their validation sites.

    Args:
      members: Directory and manifest of each.

    Returns:
      Labels, int64, and mean probabilities, float32, each [n_sites].

    Raises:
      UserError: The members were validated on different sites, or the predictions
        cannot be read.
    """
    labels, probabilities = zip(
        *(layout.read_validation(directory) for directory, _manifest in members),
        strict=True,
    )
    first, first_manifest = members[0]
    for (directory, manifest), others in zip(members[1:], labels[1:], strict=True):
        same_sites = _validation_shards(manifest) == _validation_shards(first_manifest)
        # Training with another batch size reads them in another order.
        if not (same_sites and np.array_equal(labels[0], others)):
            raise UserError(
                f"{first} and {directory} were not validated on the same sites in the "
                "same order, so that neither threshold nor calibration of their mean "
                "can be chosen; give `threshold` and `calibrate=False`."
            )
    mean, _sd = mean_and_sd(probabilities)
    return labels[0], mean.astype(np.float32)


def _validation_shards(manifest: dict[str, Any]) -> list[str]:
    splits = manifest["data"]["splits"]
    # A final model of cross-validation has predictions of its training sites instead.
    shards = splits["validation" if "validation" in splits else "train"]["shards"]
    return [shard["sha256"] for shard in shards]


def combined_sha256(digests: Iterable[str | None]) -> str:
    """Returns the digest of an ensemble, from the digests of its networks."""
    return hashlib.sha256("\n".join(map(str, digests)).encode()).hexdigest()


def require_members(members: Sequence["Run"]) -> None:
    """Refuses trainings that cannot be averaged.

    Raises:
      UserError: There is none, one is given twice, or they have different encodings.
    """
    if not members:
        raise UserError("An ensemble needs at least one run.")
    for i, run in enumerate(members):
        _require_same_encoding(members[0], run)
        for other in members[:i]:
            if run.model_sha256 == other.model_sha256:
                raise UserError(
                    f"{other.directory} and {run.directory} are the same model; an "
                    "ensemble needs different trainings, such as several seeds."
                )


def _require_same_encoding(first: "Run", other: "Run") -> None:
    for name in ("k", "sequence_alphabet", "structure_alphabet", "fold"):
        expected, found = getattr(first.encoding, name), getattr(other.encoding, name)
        if found != expected:
            raise UserError(
                f"{first.directory} was trained with {name} {expected}, "
                f"{other.directory} with {found}; the runs of an ensemble must agree."
            )
