"""Models that score a stream of sites: runs and served models."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import describe
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.runs.ensemble import Scores
from deeprke_tf.runs.onnx_scorer import are_few
from deeprke_tf.runs.run import Run
from deeprke_tf.runs.table import Prediction

if TYPE_CHECKING:
    from deeprke_tf.evaluation.thresholds import Target
    from deeprke_tf.runs.joint import JointRun

SITES_AT_ONCE = 2_048
UNKNOWN = (math.nan, math.nan, math.nan)

Score = Callable[
    [Iterable[Site | SkippedSite], FoldingPool | None], Iterator[Prediction]
]


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that scores sites, and the header of its predictions.

    Attributes:
      score: From sites, and a pool to fold them, to a prediction each.
      comments: Model, threshold and calibration, one line each.
      k: Shortest site that can be scored, in nucleotides.
      fold: How sites are folded; None: the model does not read structure.
      threshold: Probability from which a site is called bound; None: not known.
      has_sd: Whether predictions have a standard deviation.
      note: Why the threshold may miss its target; may be empty.
      longest_site: Longest training site, in nucleotides; None: not known.
      rbps: Of a joint run: each site has a prediction for each of these.
      thresholds: Of a joint run: of each of these.
    """

    score: Score
    comments: list[str]
    k: int
    fold: FoldSettings | None
    threshold: float | None
    has_sd: bool
    note: str = ""
    longest_site: int | None = None
    rbps: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()


def predictor_of(
    run: Run,
    threshold: float | None = None,
    target: "Target | None" = None,
    prior: float | None = None,
    calibrate: bool = True,
    batch_size: int = 256,
    is_stream: bool = False,
) -> Predictor:
    """Prepares a run to score sites.

    The arguments are as for `deeprke_tf.api.Run.predict`; `target` is from `target_of`.
    Of a stream no site is read before it is needed: TensorFlow scores them, few or not.

    Raises:
      UserError: An argument is out of range, no threshold reaches the target, or the
        members of the run were validated on different sites.
    """
    calibration = run.applied_calibration(calibrate)
    calibration([], prior)  # refuses a prior out of range
    calling = run.calling(threshold, target, prior)

    def score(
        sites: Iterable[Site | SkippedSite], pool: FoldingPool | None
    ) -> Iterator[Prediction]:
        few, stream = (False, iter(sites)) if is_stream else are_few(sites)
        score_encoded = run.scorer(batch_size, prior, calibrate, few=few)
        while some := list(itertools.islice(stream, SITES_AT_ONCE)):
            usable = [site for site in some if isinstance(site, Site)]
            scores = score_encoded(encode_sites(run, usable, pool))
            yield from _predictions(some, scores, calling.threshold)

    return Predictor(
        score,
        comments=[
            f"deeprke predict, {_model_line(run)}",
            f"threshold {calling}",
            describe([calibration], prior, applied=calibrate),
        ],
        k=run.encoding.k,
        fold=run.encoding.fold if run.reads_structure else None,
        threshold=calling.threshold,
        has_sd=len(run.trainings) > 1,
        note=calling.doubt,
        longest_site=run.longest_site,
    )


def _model_line(run: Run) -> str:
    if len(run.trainings) == 1:
        return f"model {run.full_name}"
    return (
        f"mean of {len(run.trainings)} models: {', '.join(run.training_names)}; "
        "probability_sd is the sample standard deviation (n - 1)"
    )


def target_of(
    threshold: float | None = None,
    *,
    fdr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
) -> "Target | None":
    """Returns the target that a threshold is chosen for.

    >>> target_of(fdr=0.05), target_of(threshold=0.5)
    (('fdr', 0.05), None)

    The arguments are as for `deeprke_tf.api.Run.predict`.

    Returns:
      A measure and its value; None: no target is given.

    Raises:
      UserError: More than one is given, or the threshold is not in [0, 1].
    """
    targets: list[Target] = []
    if fdr is not None:
        targets.append(("fdr", fdr))
    if precision is not None:
        targets.append(("precision", precision))
    if recall is not None:
        targets.append(("recall", recall))
    given = ["`threshold`"] if threshold is not None else []
    given += [f"`{measure}`" for measure, _value in targets]
    if len(given) > 1:
        raise UserError(f"Give one of {', '.join(given)}, not several.")
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"`threshold` must be in [0, 1], got {threshold:g}.")
    return targets[0] if targets else None


def encode_sites(
    run: "Run | JointRun", sites: Sequence[Site], pool: FoldingPool | None
) -> list[dict]:
    """Encodes sites as a model reads them, folding where it reads structure.

    Args:
      run: The model.
      sites: Usable sites; a structure of their own is taken as it is.
      pool: Folds with `run.encoding.fold`; None for a model that does not read
        structure.

    Returns:
      The k-mer ids of each site by view, int64 [n_kmers].
    """
    if not run.reads_structure:
        return [
            {"sequence_kmers": run.encoding.encode_sequence(site.sequence)}
            for site in sites
        ]
    if pool is None:
        raise ValueError("The model reads structure: it needs a folding pool.")
    views = run.encoding.encode_all(
        [site.sequence for site in sites], pool.structures_of(sites)
    )
    return [dict(zip(run.views, ids, strict=True)) for ids in zip(*views, strict=True)]


def _predictions(
    sites: Sequence[Site | SkippedSite], scores: Scores, threshold: float
) -> Iterator[Prediction]:
    """Yields predictions; only sites that are not skipped have scores."""
    rows = iter(zip(*(column.tolist() for column in scores), strict=True))
    for site in sites:
        probability, calibrated, sd = next(rows) if isinstance(site, Site) else UNKNOWN
        yield prediction_of(site, probability, calibrated, sd, threshold)


def prediction_of(
    site: Site | SkippedSite,
    probability: float,
    calibrated_probability: float,
    probability_sd: float,
    threshold: float | None,
) -> Prediction:
    """Makes the prediction of a site; NaN is an unknown score."""
    if isinstance(site, SkippedSite):
        reason = f"{site.reason}: {site.detail}" if site.detail else site.reason
        return Prediction(site.name, None, None, reason)
    bound = None if threshold is None else probability >= threshold
    calibrated, sd = (
        None if math.isnan(value) else value
        for value in (calibrated_probability, probability_sd)
    )
    return Prediction(
        site.name,
        probability,
        bound,
        calibrated_probability=calibrated,
        probability_sd=sd,
        locus=site.locus,
        gene=site.gene,
    )
