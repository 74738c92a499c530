"""What gives predictions: runs of `deeprke train`, or a server with an export."""

import contextlib
import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeprke_tf.config import FoldSettings
from deeprke_tf.evaluation.calibration import describe
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.runs import run as runs
from deeprke_tf.runs.table import Prediction
from deeprke_tf.serving.answers import CALIBRATED, SD
from deeprke_tf.serving.client import RequestSettings, ServedModel

if TYPE_CHECKING:
    from deeprke_tf.evaluation.calling import Aim
    from deeprke_tf.runs.ensemble import Ensemble, Scores

_SITES_AT_ONCE = 2_048
_UNKNOWN = (math.nan, math.nan, math.nan)


@dataclasses.dataclass(frozen=True)
class Source:
    """What gives the probabilities of a table.

    Attributes:
      k: A site needs that many letters.
      fold: How sites are to be folded.
      threshold: Probability from which a site is called bound; None: not known.
      comments: What the table says of model, threshold and calibration, by line.
      has_sd: Whether predictions have a standard deviation.
      predictions: Scores sites as they come.
      doubt: As that of a `calling.Calling`.
      longest_site: That the model was trained on, nucleotides; None: not known.
    """

    k: int
    fold: FoldSettings
    threshold: float | None
    comments: list[str]
    has_sd: bool
    predictions: Callable[
        [Iterable[Site | SkippedSite], FoldingPool], Iterator[Prediction]
    ]
    doubt: str = ""
    longest_site: int | None = None


def of_runs(
    directories: Sequence[Path],
    batch_size: int,
    *,
    threshold: float | None = None,
    aim: "Aim | None" = None,
    prior: float | None = None,
    calibrate: bool = True,
) -> Source:
    """Loads runs and ensembles; several are averaged.

    Args:
      directories: Of finished ones, at least one.
      batch_size: Sites that a network sees at once.
      threshold: Probability from which a site is called bound.
      aim: Without a threshold: what it is chosen for; None: the largest MCC.
      prior: Share of bound sites to expect; None: that of the validation sites.
      calibrate: Whether to apply the calibration.

    Raises:
      UserError: A run cannot be used, they do not go together, or no threshold does
        what is asked for.
    """
    from deeprke_tf.evaluation import calling
    from deeprke_tf.runs import ensemble as ensembles

    ensemble = ensembles.load(directories)
    calibration = ensemble.calibration(calibrate)
    calibration([], prior)  # refuses a prior that cannot be
    if threshold is None:
        called = ensemble.calling(aim, prior)
    else:
        called = calling.Calling(threshold, calling.GIVEN)
    comments = [
        f"deeprke predict, {_names(ensemble)}",
        f"threshold {called}",
        describe([calibration], prior, applied=calibrate),
    ]

    def score(
        sites: Iterable[Site | SkippedSite], pool: FoldingPool
    ) -> Iterator[Prediction]:
        return _predictions(
            ensemble,
            sites,
            pool,
            called.threshold,
            ensemble.scorer(batch_size, prior, calibrate),
        )

    encoding = ensemble.encoding
    has_sd = len(ensemble.members) > 1
    return Source(
        *(encoding.k, encoding.fold, called.threshold, comments, has_sd, score),
        *(called.doubt, ensemble.longest_site),
    )


@contextlib.contextmanager
def of_server(
    url: str,
    settings: RequestSettings,
    fold: FoldSettings,
    batch_size: int,
    threshold: float | None,
) -> Iterator[Source]:
    """Connects to a served model.

    Args:
      url: Of the model, as `serving_client` has it.
      settings: How to ask.
      fold: How the training data of the model were folded.
      batch_size: Sites in a request.
      threshold: Probability from which a site is called bound; None: not known.

    Raises:
      UserError: The server cannot be reached or does not serve such a model.
    """
    with ServedModel(url, settings) as served:
        print(f"asking {url}, version {served.version}", file=sys.stderr)
        chosen = "not known: a server tells none, give --threshold"
        if threshold is not None:
            from deeprke_tf.evaluation import calling

            chosen = str(calling.Calling(threshold, calling.GIVEN))
        calibration = "as exported with the model"
        if CALIBRATED not in served.outputs:
            calibration = f"not known: the export has no {CALIBRATED}"
        comments = [
            f"deeprke predict, server {url}, version {served.version}",
            f"threshold {chosen}",
            f"calibration {calibration}",
        ]

        def ask(
            sites: Iterable[Site | SkippedSite], pool: FoldingPool
        ) -> Iterator[Prediction]:
            for scored in served.score(sites, pool, batch_size):
                yield _prediction(*scored, threshold)

        # Letters are sent; what is shorter than k, the server knows.
        yield Source(1, fold, threshold, comments, SD in served.outputs, ask)


def predictions(
    run: runs.Run | Sequence[runs.Run],
    sites: Iterable[Site | SkippedSite],
    pool: FoldingPool,
    batch_size: int = 256,
    *,
    threshold: float | None = None,
    prior: float | None = None,
    calibrate: bool = True,
) -> Iterator[Prediction]:
    """Scores sites as they come, some thousand at a time.

    Args:
      run: The model, a run or an ensemble, or several to average: see
        `deeprke_tf.runs.ensemble`.
      sites: From `readers.SitesFile(path, k=run.encoding.k, labelled=False)`, or made.
      pool: Folds under `run.encoding.fold`; not used for a model without structure.
      batch_size: Sites that the network sees at once; does not change a probability.
      threshold: Probability from which a site is called bound; None: the one with the
        largest MCC on the validation sites.
      prior: Share of bound sites to expect, for calibrated probability and threshold;
        None: that of the validation sites.
      calibrate: Whether to apply the calibration.

    Yields:
      One prediction a site, in order.

    Raises:
      UserError: The runs do not go together, or there is no threshold for them.
    """
    from deeprke_tf.runs.ensemble import Ensemble

    ensemble = Ensemble((run,) if isinstance(run, runs.Run) else tuple(run))
    if threshold is None:
        threshold = ensemble.calling(prior=prior).threshold
    score = ensemble.scorer(batch_size, prior, calibrate)
    yield from _predictions(ensemble, sites, pool, threshold, score)


def _predictions(
    ensemble: "Ensemble",
    sites: Iterable[Site | SkippedSite],
    pool: FoldingPool,
    threshold: float,
    score: Callable[[Sequence[dict]], "Scores"],
) -> Iterator[Prediction]:
    stream = iter(sites)
    while some := list(itertools.islice(stream, _SITES_AT_ONCE)):
        usable = [site for site in some if isinstance(site, Site)]
        scores = score(encode_sites(ensemble.widest, usable, pool))
        rows = iter(zip(*(column.tolist() for column in scores), strict=True))
        for site in some:
            scored = isinstance(site, Site)
            probability, calibrated, sd = next(rows) if scored else _UNKNOWN
            yield _prediction(site, probability, calibrated, sd, threshold)


def _prediction(
    site: Site | SkippedSite,
    probability: float,
    calibrated_probability: float,
    probability_sd: float,
    threshold: float | None,
) -> Prediction:
    """Makes a row of the table; NaN is what is not known."""
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
    )


def encode_sites(run: runs.Run, sites: list[Site], pool: FoldingPool) -> list[dict]:
    """Encodes sites as a model reads them, folding where it reads structure.

    Args:
      run: The model.
      sites: Usable sites; a structure of their own is taken as it is.
      pool: Folds under `run.encoding.fold`.

    Returns:
      The k-mer ids of each site by view, int64 [n_kmers].
    """
    if not run.config.model.structure:
        return [
            {"sequence_kmers": run.encoding.encode_sequence(site.sequence)}
            for site in sites
        ]
    views = run.encoding.encode_all(
        [site.sequence for site in sites], pool.structures_of(sites)
    )
    names = run.config.model.views
    return [dict(zip(names, ids, strict=True)) for ids in zip(*views, strict=True)]


def _names(ensemble: "Ensemble") -> str:
    """Returns what is averaged, for the head of a table."""
    given = [run.directory.resolve().name for run in ensemble.given]
    if len(ensemble.members) == 1:
        return f"model {given[0]}"
    names = [
        f"{name}/{member.directory.name}" if run.members else name
        for name, run in zip(given, ensemble.given, strict=True)
        for member in run.trainings
    ]
    return (
        f"mean of {len(names)} models: {', '.join(names)}; probability_sd is the "
        "sample standard deviation (n - 1)"
    )
