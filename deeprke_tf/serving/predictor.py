"""A predictor that asks a server, used like the predictor of a run."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.runs.joint_network import require_rbps
from deeprke_tf.runs.predictor import Predictor, prediction_of
from deeprke_tf.runs.table import Prediction
from deeprke_tf.serving.answers import CALIBRATED, SD
from deeprke_tf.serving.client import ServedModel
from deeprke_tf.serving.protocol import RequestSettings

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def predictor_of_server(
    url: str,
    settings: RequestSettings,
    fold: FoldSettings,
    batch_size: int,
    threshold: float | None,
    rbps: Sequence[str] = (),
    as_one: bool = False,
) -> Iterator[Predictor]:
    """Connects to a served model.

    Args:
      url: URL of the model; see `deeprke_tf.serving.client`.
      settings: How to send requests.
      fold: How the training sites of the model were folded.
      batch_size: Sites in a request.
      threshold: Probability from which a site is called bound; None: not known.
      rbps: Of a joint model, names of RBPs; all by default.
      as_one: Whether the one name in `rbps` makes it a model of one RBP.

    Raises:
      UserError: The server cannot be reached, serves another kind of model, or one
        without such an RBP.
    """
    with ServedModel(url, settings) as served:
        names = tuple(dict.fromkeys(rbps)) or served.rbps
        require_rbps(url, served.rbps, names)
        logger.info("asking %s, version %s", url, served.version)
        chosen = "not known: a server reports none, give --threshold"
        if threshold is not None:
            from deeprke_tf.evaluation import calling

            chosen = str(calling.Calling(threshold, calling.GIVEN))
        calibration = "as exported with the model"
        if CALIBRATED not in served.outputs:
            calibration = f"not known: the export has no {CALIBRATED}"

        def score(
            sites: Iterable[Site | SkippedSite], pool: FoldingPool | None
        ) -> Iterator[Prediction]:
            for site, *scores, rbp in served.score(sites, pool, batch_size, names):
                probability, calibrated, sd = scores
                prediction = prediction_of(site, probability, calibrated, sd, threshold)
                yield dataclasses.replace(prediction, rbp=rbp)

        yield Predictor(
            score,
            comments=[
                f"deeprke predict, server {url}, version {served.version}",
                f"threshold {chosen}",
                f"calibration {calibration}",
            ],
            k=1,  # The server finds sites that are shorter than k.
            fold=fold if served.reads_structure else None,
            threshold=threshold,
            has_sd=SD in served.outputs,
            rbps=() if as_one else names,
        )
