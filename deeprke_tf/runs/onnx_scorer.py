"""Networks computed by onnxruntime, which is there before TensorFlow has loaded.

On CPUs TensorFlow takes some seconds to load, and then 0.45 times as long for a
site of 101 nt as onnxruntime. So onnxruntime scores inputs of at most `FEW_NT`
nucleotides, and TensorFlow all larger ones: the input, and nothing else, decides which
of the two it is. Their probabilities differ by less than 1e-5. (A scan has less for
them to do where windows are scored together; see `scanning.scorer`.)
"""

import importlib.util
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.runs import layout
from deeprke_tf.runs.batching import Scorer

logger = logging.getLogger(__name__)

# 10,000 sites of 100 nt.
FEW_NT = 1_000_000


class _HasScorer(Protocol):
    @property
    def onnx_scorer(self) -> Scorer | None: ...


def all_of(networks: Sequence[_HasScorer]) -> list[Scorer]:
    """Returns the networks of several trainings; empty: one has no ONNX file."""
    found = [network.onnx_scorer for network in networks]
    scorers = [score for score in found if score is not None]
    return scorers if len(scorers) == len(found) else []


def log(is_onnx: bool) -> None:
    """Logs what computes the networks."""
    logger.debug("probabilities by %s", "onnxruntime" if is_onnx else "TensorFlow")


def are_few(
    sites: Iterable[Site | SkippedSite],
) -> tuple[bool, Iterator[Site | SkippedSite]]:
    """Tells whether sites are few enough for onnxruntime.

    Returns:
      Whether they have at most `FEW_NT` nucleotides together, and the sites.
    """
    stream = iter(sites)
    seen: list[Site | SkippedSite] = []
    n_nt = 0
    for site in stream:
        seen.append(site)
        n_nt += len(site.sequence) if isinstance(site, Site) else 0
        if n_nt > FEW_NT:
            return False, itertools.chain(seen, stream)
    return True, iter(seen)


def load(directory: Path, manifest: dict[str, Any]) -> Scorer | None:
    """Loads the network of a single training or a joint run.

    Of an RBP of a joint run it is the network of this RBP alone.

    Returns:
      As `scorer.scorer` does; None: the run has no ONNX file, or onnxruntime, which
      some machines lack, is not installed.

    Raises:
      ValueError: The file is not the one that training wrote.
    """
    path = layout.onnx_file(directory, manifest)
    if path is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    score = scorer_of(path.read_bytes())
    if "network" in manifest:
        return column(score, manifest["network"]["output"])
    return score


def column(score: Scorer | None, output: int) -> Scorer | None:
    """Returns one output of a joint network, if there is the network."""
    if score is None:
        return None
    return lambda inputs: score(inputs)[:, output]


def scorer_of(network: bytes) -> Scorer:
    """Loads the contents of an ONNX file; nothing in it can run code.

    Raises:
      ValueError: Onnxruntime cannot read it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    # Threads that wait by turning would take the cores of folding processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            network, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own have no common class
        raise ValueError(f"onnxruntime cannot load the network: {error}") from error
    views = [given.name for given in session.get_inputs()]

    def score(inputs: dict[str, Any]) -> np.ndarray:
        (probabilities,) = session.run(None, {view: inputs[view] for view in views})
        return probabilities if probabilities.shape[1] > 1 else probabilities[:, 0]

    return score
