"""The models of a Beam prediction job: exported models, runs and ensembles.

The launcher describes a model, and each worker process loads it: an export by
TensorFlow, also from gs:// and the like; a run from a disk that all workers reach.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf import api, config
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import GIVEN, OF_MODEL, Calling
from deeprke_tf.evaluation.thresholds import Target
from deeprke_tf.runs import catalog, layout
from deeprke_tf.runs.joint_network import require_rbps
from deeprke_tf.system import tensorflow
from deeprke_tf.system.files import sha256 as digest_of
from pipelines.beam import files

_CARD = "model_card.json"
_OUTPUTS = ("probability", "calibrated_probability", "probability_sd")
_VIEWS = ("sequence_kmers", "structure_kmers")

# From encoded sites, the k-mer ids of each by view, to the outputs of a model, float
# [n_sites, n_rbps, n_outputs]: probability, calibrated probability, and for an ensemble
# the standard deviation.
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
      thresholds: Probability from which a site is called bound, for each RBP.
      comments: Model, threshold and calibration, one line each.
      sha256: Digest of the weights.
      load: Loads the network; its argument is the batch size.
      rbps: Of a joint model: the RBPs of its tables, which have a row for each site and
        RBP.
    """

    name: str
    path: str
    encoding: Encoding
    views: tuple[str, ...]
    has_sd: bool
    thresholds: tuple[float, ...]
    comments: tuple[str, ...]
    sha256: str | None
    load: Callable[[int], Scorer]
    rbps: tuple[str, ...] = ()


def find(
    path: str,
    rbps: Sequence[str] = (),
    as_one: bool = False,
    threshold: float | None = None,
    target: Target | None = None,
    prior: float | None = None,
    calibrate: bool = True,
) -> Model:
    """Describes a model.

    Args:
      path: A run or an ensemble, or its name; a version of an exported model, or the
        directory of all versions, for the newest.
      rbps: Of a joint model: names of RBPs, all by default.
      as_one: Whether the one name in `rbps` makes it a model of one RBP.
      threshold: Decision threshold; None: that of the model.
      target: For a run, the target of its threshold; see `predictor.target_of`.
      prior: For a run, the fraction of bound sites to expect.
      calibrate: For a run, whether to apply the calibration.

    Raises:
      UserError: There is no model, or no such RBP, it cannot be read, or an exported
        model is asked for a target, a prior or no calibration.
    """
    path = path.rstrip("/")
    if "://" not in path:
        path = str(catalog.resolve(path))
    if "://" not in path and (Path(path) / layout.MANIFEST).is_file():
        calling = (threshold, target, prior, calibrate)
        return _run(Path(path).resolve(), tuple(rbps), as_one, *calling)
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
        return _export(path, card, rbps, as_one, threshold)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{card} cannot be read ({error}); export the model again."
        ) from error


def _run(path: Path, rbps, as_one, threshold, target, prior, calibrate) -> Model:
    tensorflow.import_tensorflow()
    from deeprke_tf.runs.joint_predictor import joint_predictor_of
    from deeprke_tf.runs.predictor import predictor_of

    run = _loaded(path, rbps, as_one)
    calling = {"threshold": threshold, "target": target}
    calling |= {"prior": prior, "calibrate": calibrate}
    if isinstance(run, api.JointRun):
        predictor = joint_predictor_of(run, rbps, **calling)
        thresholds = predictor.thresholds
    else:
        predictor = predictor_of(run, **calling)
        thresholds = (run.calling(threshold, target, prior).threshold,)
    return Model(
        *(run.name, str(path), run.encoding, run.views, predictor.has_sd),
        thresholds=thresholds,
        comments=tuple(predictor.comments),
        sha256=run.manifest.get("model_sha256"),
        load=functools.partial(
            _load_run, path, rbps, as_one, predictor.has_sd, prior, calibrate
        ),
        rbps=predictor.rbps,
    )


def _loaded(path: Path, rbps: Sequence[str], as_one: bool) -> "api.Run | api.JointRun":
    """Loads a run; of a joint run, all, or that of the one RBP that is named."""
    run = api.load_run(path, rbp=rbps[0] if as_one else None)
    if rbps and not as_one and not isinstance(run, api.JointRun):
        raise UserError("`wide` and several of `rbp` go with a joint run only.")
    return run


def _load_run(
    path: Path, rbps, as_one, has_sd, prior, calibrate, batch_size: int
) -> Scorer:
    tensorflow.import_tensorflow()
    run = _loaded(path, rbps, as_one)
    settings = {"prior": prior, "calibrate": calibrate}
    names = {"names": rbps} if isinstance(run, api.JointRun) else {}
    score = run.scorer(batch_size, **names, **settings)

    def scored(sites: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        outputs = np.stack(score(sites)[: 2 + has_sd], axis=-1)
        return outputs.reshape(len(sites), -1, 2 + has_sd)

    return scored


def _export(
    path: str,
    card: files.BeamFile,
    rbps: Sequence[str],
    as_one: bool,
    threshold: float | None,
) -> Model:
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
    names, places, chosen = _chosen(path, facts, rbps, threshold)
    views: tuple[str, ...] = _VIEWS if facts["model"]["structure"] else _VIEWS[:1]
    has_sd = "members" in facts
    return Model(
        *(name, path),
        config.from_dict(Encoding, facts["encoding"], f"{card}: encoding"),
        views,
        has_sd,
        tuple(calling.threshold for calling in chosen),
        comments=(
            f"deeprke predict, model {name}, version {version}",
            _threshold_line(names, chosen),
            "calibration as exported with the model",
        ),
        sha256=facts["model"]["sha256"],
        load=functools.partial(
            _load_export, path, views, _OUTPUTS[: 2 + has_sd], places
        ),
        rbps=tuple(names) if "rbps" in facts and not as_one else (),
    )


def _chosen(
    path: str, facts: dict[str, Any], rbps: Sequence[str], threshold: float | None
) -> tuple[list[str], list[int], list[Calling]]:
    """Returns what an export's card says of the RBPs to predict.

    Returns:
      Their names, empty for a model of one RBP; places among the outputs; thresholds.

    Raises:
      UserError: The export has no such RBP.
    """
    outputs = facts.get("rbps", [{"rbp": "", "threshold": facts.get("threshold")}])
    every = [output["rbp"] for output in outputs]
    require_rbps(path, [*filter(None, every)], rbps)
    names = list(rbps or every)
    places = [every.index(name) for name in names]
    if threshold is not None:
        return names, places, [Calling(threshold, GIVEN)] * len(places)
    of_model = [Calling(outputs[place]["threshold"], OF_MODEL) for place in places]
    return names, places, of_model


def _threshold_line(names: Sequence[str], chosen: Sequence[Calling]) -> str:
    if len(names) == 1:
        return f"threshold {chosen[0]}"
    pairs = zip(names, chosen, strict=True)
    return "thresholds " + ", ".join(f"{n} {c.threshold:.4f}" for n, c in pairs)


def _load_export(
    path: str,
    views: Sequence[str],
    outputs: Sequence[str],
    places: Sequence[int],
    batch_size: int,
) -> Scorer:
    tensorflow.import_tensorflow()
    import tensorflow as tf

    from deeprke_tf.runs.batching import batched_by_length

    saved = tf.saved_model.load(path)

    def score(sites: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        # Keeps `saved`: a signature lives only as long as its model.
        signature = saved.signatures["ids"]
        scores = np.zeros((len(sites), len(places), len(outputs)), np.float32)
        for some, batch in batched_by_length(sites, batch_size):
            given = signature(**{view: tf.constant(batch[view]) for view in views})
            for column, name in enumerate(outputs):
                scores[some, :, column] = given[name].numpy()[:, places]
        return scores

    return score
