"""The models of a Beam prediction job: exported models, runs and ensembles.

The launcher describes a model, and each worker process loads it: an export by
TensorFlow, also from gs:// and the like; a run from a disk that all workers reach.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from deeprke_tf import config
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import GIVEN, OF_MODEL, Calling
from deeprke_tf.evaluation.thresholds import Target
from deeprke_tf.runs import catalog, layout
from deeprke_tf.system import tensorflow
from deeprke_tf.system.files import sha256 as digest_of
from pipelines.beam import files

_CARD = "model_card.json"
_OUTPUTS = ("probability", "calibrated_probability", "probability_sd")
_VIEWS = ("sequence_kmers", "structure_kmers")

# From encoded sites, the k-mer ids of each by view, to the outputs of a model, float
# [n_sites, n_outputs]: probability, calibrated probability, and for an ensemble the
# standard deviation.
Scorer = Callable[[Sequence[dict[str, np.ndarray]]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Model:
    """A model, ready to be sent to a worker.

    Attributes:
      name: The beginning of the names of its tables.
      path: Where it lies.
      encoding: How its k-mer ids are made.
      views: The features of a site that it reads.
      has_sd: Whether it is an ensemble.
      threshold: Probability from which a site is called bound.
      comments: Model, threshold and calibration, one line each.
      sha256: Digest of the weights.
      load: Loads the network; its argument is the batch size.
    """

    name: str
    path: str
    encoding: Encoding
    views: tuple[str, ...]
    has_sd: bool
    threshold: float
    comments: tuple[str, ...]
    sha256: str | None
    load: Callable[[int], Scorer]


def find(
    path: str,
    threshold: float | None = None,
    target: Target | None = None,
    prior: float | None = None,
    calibrate: bool = True,
) -> Model:
    """Describes a model.

    Args:
      path: A run or an ensemble, or its name; a version of an exported model, or the
        directory of all versions, for the newest.
      threshold: Decision threshold; None: that of the model.
      target: For a run, the target of its threshold; see `predictor.target_of`.
      prior: For a run, the fraction of bound sites to expect.
      calibrate: For a run, whether to apply the calibration.

    Raises:
      UserError: There is no model, it cannot be read, or an exported model is asked for
        a target, a prior or no calibration.
    """
    path = path.rstrip("/")
    if "://" not in path:
        path = str(catalog.resolve(path))
    if "://" not in path and (Path(path) / layout.MANIFEST).is_file():
        return _run(Path(path).resolve(), threshold, target, prior, calibrate)
    card = files.BeamFile(f"{path}/{_CARD}")
    if not card.exists():
        versions = [name for name in files.names_in(path) if name.isdecimal()]
        if not versions:
            raise UserError(
                f"{path} is neither a run of `deeprke train` nor a model of `deeprke "
                f"export`: it has no {_CARD}, and no version that has one."
            )
        path = f"{path}/{max(versions, key=int)}"
        card = files.BeamFile(f"{path}/{_CARD}")
    if target is not None or prior is not None or not calibrate:
        raise UserError(
            f"{path} is an exported model, calibrated as it was exported, without the "
            "validation sites that a target or a prior needs; give `threshold`, or the "
            "run."
        )
    try:
        return _export(path, card, threshold)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{card} cannot be read ({error}); export the model again."
        ) from error


def _run(path: Path, threshold, target, prior, calibrate) -> Model:
    tensorflow.import_tensorflow()
    from deeprke_tf.runs.predictor import predictor_of
    from deeprke_tf.runs.run import Run

    run = Run.load(path)
    predictor = predictor_of(
        run, threshold=threshold, target=target, prior=prior, calibrate=calibrate
    )
    return Model(
        *(run.name, str(path), run.encoding, run.views, predictor.has_sd),
        threshold=run.calling(threshold, target, prior).threshold,
        comments=tuple(predictor.comments),
        sha256=run.model_sha256,
        load=functools.partial(_load_run, path, predictor.has_sd, prior, calibrate),
    )


def _load_run(path: Path, has_sd, prior, calibrate, batch_size: int) -> Scorer:
    tensorflow.import_tensorflow()
    from deeprke_tf.runs.run import Run

    score = Run.load(path).scorer(batch_size, prior, calibrate)
    return lambda sites: np.stack(score(sites)[: 2 + has_sd], axis=1)


def _export(path: str, card: files.BeamFile, threshold: float | None) -> Model:
    with card.open("rb") as opened:
        facts = json.loads(opened.read())
    # Found here in one line; on a worker, in hundreds of lines of each runner's own.
    for name, sha256 in facts.get("files", {}).items():
        file = files.BeamFile(f"{path}/{name}")
        if not file.exists() or digest_of(file) != sha256:
            raise UserError(
                f"{file} is missing or damaged: {card} has another digest of it. "
                "Export the model again."
            )
    name, version = facts["name"], path.rpartition("/")[2]
    chosen = OF_MODEL if threshold is None else GIVEN
    calling = Calling(facts["threshold"] if threshold is None else threshold, chosen)
    views: tuple[str, ...] = _VIEWS if facts["model"]["structure"] else _VIEWS[:1]
    has_sd = "members" in facts
    return Model(
        *(name, path),
        config.from_dict(Encoding, facts["encoding"], f"{card}: encoding"),
        views,
        has_sd,
        calling.threshold,
        comments=(
            f"deeprke predict, model {name}, version {version}",
            f"threshold {calling}",
            "calibration as exported with the model",
        ),
        sha256=facts["model"]["sha256"],
        load=functools.partial(_load_export, path, views, _OUTPUTS[: 2 + has_sd]),
    )


def _load_export(
    path: str, views: Sequence[str], outputs: Sequence[str], batch_size: int
) -> Scorer:
    tensorflow.import_tensorflow()
    import tensorflow as tf

    from deeprke_tf.runs.batching import batched_by_length

    saved = tf.saved_model.load(path)

    def score(sites: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        # Keeps `saved`: a signature lives only as long as its model.
        signature = saved.signatures["ids"]
        scores = np.zeros((len(sites), len(outputs)), np.float32)
        for some, batch in batched_by_length(sites, batch_size):
            given = signature(**{view: tf.constant(batch[view]) for view in views})
            for column, name in enumerate(outputs):
                scores[some, column] = given[name].numpy()[:, 0]
        return scores

    return score
