"""Warm-up requests, which TF Serving runs before a new version takes over.

The first requests of a SavedModel are slow, while TensorFlow optimizes its graph. TF
Serving replays the PredictionLog messages in the TFRecord file
`assets.extra/tf_serving_warmup_requests`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from deeprke_tf.data import records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.rna.structure import loop_contexts

FILE = Path("assets.extra") / "tf_serving_warmup_requests"

LENGTHS = (41, 101, 375)  # nucleotides: short sites, RBP-31, RBP-24
BATCH_SIZES = (1, 32)


def write_warmup(
    version: Path,
    name: str,
    specs: dict[str, dict[str, tf.TensorSpec]],
    encoding: Encoding,
) -> Path:
    """Writes warm-up requests into a version directory.

    Args:
      version: Directory of the SavedModel.
      name: Name of the served model.
      specs: Inputs of each signature, from `signatures.input_specs`.
      encoding: Encoding of the model.

    Returns:
      The file, with a request for each signature, length and batch size.
    """
    path = version / FILE
    path.parent.mkdir(exist_ok=True)
    with open(path, "wb") as file:
        for log in prediction_logs(name, specs, encoding):
            file.write(records.framed(log.SerializeToString(deterministic=True)))
    return path


def prediction_logs(
    name: str, specs: dict[str, dict[str, tf.TensorSpec]], encoding: Encoding
) -> Iterator[PredictionLog]:
    """Yields the requests that `write_warmup` writes."""
    for signature, inputs in specs.items():
        for length in LENGTHS:
            values = _site(length, encoding)
            for batch_size in BATCH_SIZES:
                log = PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                for key, spec in inputs.items():
                    batch = np.stack([values[key]] * batch_size)
                    request.inputs[key].CopyFrom(
                        tf.make_tensor_proto(batch, spec.dtype)
                    )
                yield log


def _site(length: int, encoding: Encoding) -> dict[str, Any]:
    """Returns every possible input of a signature, for one site: a long hairpin."""
    sequence = ("ACGU" * length)[:length]
    stem = length // 3
    dot_bracket = "(" * stem + "." * (length - 2 * stem) + ")" * stem
    sequence_kmers, structure_kmers = encoding.encode(sequence, dot_bracket)
    record = records.serialize("warm-up", sequence_kmers, structure_kmers, label=0)
    return {
        "sequence": sequence.encode(),
        "dot_bracket": dot_bracket.encode(),
        "contexts": loop_contexts(dot_bracket).encode(),
        "sequence_kmers": sequence_kmers,
        "structure_kmers": structure_kmers,
        # As an object, or NumPy would cut zero bytes off its end.
        "records": np.array(record, object),
    }
