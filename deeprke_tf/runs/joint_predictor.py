"""A joint run as a predictor: a prediction for each site and RBP."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from deeprke_tf.errors import UserError
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.runs.ensemble import Scores
from deeprke_tf.runs.joint import JointRun
from deeprke_tf.runs.onnx_scorer import are_few
from deeprke_tf.runs.predictor import (
    SITES_AT_ONCE,
    UNKNOWN,
    Predictor,
    encode_sites,
    prediction_of,
)
from deeprke_tf.runs.run import Run
from deeprke_tf.runs.table import Prediction

if TYPE_CHECKING:
    from deeprke_tf.evaluation.calling import Calling
    from deeprke_tf.evaluation.thresholds import Target


def joint_predictor_of(
    run: JointRun,
    rbps: Sequence[str] = (),
    *,
    threshold: float | None = None,
    target: "Target | None" = None,
    prior: float | None = None,
    calibrate: bool = True,
    batch_size: int = 256,
    is_stream: bool = False,
) -> Predictor:
    """Prepares a joint run to score sites for several RBPs in one pass.

    Args:
      run: The joint run.
      rbps: Names of RBPs; all by default.
      threshold: As for `Run.predict`, for all RBPs alike; None: that of each.
      target: Of `predictor.target_of`; each RBP has a threshold that reaches it.
      prior: Fraction of bound sites to expect.
      calibrate: Whether to calibrate.
      batch_size: Sites that the network scores at once.
      is_stream: As for `predictor.predictor_of`.

    Raises:
      UserError: There is no such RBP, an argument is out of range, or no threshold of
        an RBP reaches the target.
    """
    names = tuple(dict.fromkeys(rbps)) or run.names
    run.require(*names)
    callings = {
        name: _calling(run.run(name), name, threshold, target, prior, calibrate)
        for name in names
    }
    thresholds = [calling.threshold for calling in callings.values()]

    def score(
        sites: Iterable[Site | SkippedSite], pool: FoldingPool | None
    ) -> Iterator[Prediction]:
        few, stream = (False, iter(sites)) if is_stream else are_few(sites)
        score_encoded = run.scorer(batch_size, names, prior, calibrate, few=few)
        while some := list(itertools.islice(stream, SITES_AT_ONCE)):
            usable = [site for site in some if isinstance(site, Site)]
            scores = score_encoded(encode_sites(run, usable, pool))
            yield from _predictions(some, scores, names, thresholds)

    shown = ", ".join(f"{n} {t:.4f}" for n, t in zip(names, thresholds, strict=True))
    chosen = {calling.chosen for calling in callings.values()}
    how = f" ({chosen.pop()})" if len(chosen) == 1 else ""
    return Predictor(
        score,
        comments=[
            f"deeprke predict, joint model {run.name}, {len(names)} RBPs",
            f"thresholds {shown}{how}",
            _calibration_line([run.run(n) for n in names], prior, calibrate),
        ],
        k=run.encoding.k,
        fold=run.encoding.fold if run.reads_structure else None,
        threshold=threshold,
        has_sd=run.n_trainings > 1,
        note="; ".join(f"{n}: {c.doubt}" for n, c in callings.items() if c.doubt),
        longest_site=run.longest_site,
        rbps=names,
        thresholds=tuple(thresholds),
    )


def _calibration_line(runs: Sequence[Run], prior: float | None, applied: bool) -> str:
    """Describes the calibration of all RBPs, for the head of a table."""
    methods = Counter(run.applied_calibration(applied).method for run in runs)
    counted = [f"{method} ({n} RBPs)" for method, n in methods.most_common()]
    text = (
        ", ".join(counted if len(methods) > 1 else methods) if applied else "left out"
    )
    given = f"prior {prior:g} (given as --prior)" if prior is not None else ""
    return f"calibration {text}; {given or 'priors those of the validation sites'}"


def _calling(
    run: Run,
    name: str,
    threshold: float | None,
    target: "Target | None",
    prior: float | None,
    calibrate: bool,
) -> "Calling":
    """Chooses the threshold of one RBP, which an error names."""
    run.applied_calibration(calibrate)([], prior)  # refuses a prior out of range
    try:
        return run.calling(threshold, target, prior)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _predictions(
    sites: Sequence[Site | SkippedSite],
    scores: Scores,
    names: Sequence[str],
    thresholds: Sequence[float],
) -> Iterator[Prediction]:
    """Yields a prediction for each site and RBP; only usable sites have scores."""
    rows = zip(*(column.tolist() for column in scores), strict=True)
    for site in sites:
        of_rbps: Iterable[tuple[float, ...]] = (
            zip(*next(rows), strict=True)
            if isinstance(site, Site)
            else itertools.repeat(UNKNOWN, len(names))
        )
        for name, least, (probability, calibrated, sd) in zip(
            names, thresholds, of_rbps, strict=True
        ):
            prediction = prediction_of(site, probability, calibrated, sd, least)
            yield dataclasses.replace(prediction, rbp=name)
