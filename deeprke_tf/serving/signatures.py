"""The signatures of an exported model: its named, typed entry points.

    serving_default  sequence, dot_bracket            string [batch]
    contexts         sequence, contexts               string [batch]
    ids              sequence_kmers, structure_kmers  int64 [batch, n_kmers]
    records          records                          string [batch]

    sequence         DNA or RNA letters of either case; N padding is cut off
    dot_bracket      its structure, folded with the settings of the training data
    contexts         its loop contexts, `structure.LOOP_CONTEXTS` letters
    sequence_kmers,  k-mer ids, right-padded with 0
    structure_kmers
    records          serialized tf.train.Example with the two k-mer features; other
                     features, such as the label, are ignored

Each returns `probability`, the probability that the RBP binds, and
`calibrated_probability`, both float32 [batch, 1]. A row that is no valid site gets NaN
and leaves the others alone: a site that `deeprke predict` skips, or ids that are padded
differently in the two views, lie outside the vocabulary or hold no known k-mer. Inputs
of different shapes fail the request.

For an ensemble, `probability` is the mean over its members, `calibrated_probability`
the calibrated mean, and a third output, `probability_sd`, the sample standard deviation
(n - 1).

A model that reads no structure lacks `contexts` and every structure input.

A joint model gives float32 [batch, n_rbps] in place of [batch, 1], and has another
signature, `rbps`: from any string [batch] to the names of the RBPs, `rbp`, string
[batch, n_rbps].
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID, UNKNOWN_ID
from deeprke_tf.serving import graph_encoding

Inputs = dict[str, tf.Tensor]
Outputs = dict[str, tf.Tensor]
Calibrate = Callable[[tf.Tensor], tf.Tensor]


def save(
    model: Any,
    encoding: Encoding,
    path: Path,
    calibrate: Calibrate = tf.identity,
    members: Sequence[Any] = (),
    rbps: Sequence[str] = (),
) -> dict[str, dict[str, tf.TensorSpec]]:
    """Writes a SavedModel with all signatures of a model.

    Args:
      model: A network from `networks.deeprke.build_model`.
      encoding: Encoding of its k-mer ids.
      path: Directory to write.
      calibrate: See `signatures`.
      members: See `signatures`.
      rbps: Of a joint model: the names of the RBPs, in the order of its outputs.

    Returns:
      The inputs of each signature.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    specs = input_specs(tuple(tensor.name for tensor in model.inputs))
    for name, function in signatures(model, encoding, calibrate, members).items():
        archive.add_endpoint(name, function, input_signature=[specs[name]])
    if rbps:
        any_text = {"any": tf.TensorSpec([None], tf.string, "any")}
        archive.add_endpoint("rbps", _names(rbps), input_signature=[any_text])
    archive.write_out(str(path), verbose=False)
    return specs


def signatures(
    model: Any,
    encoding: Encoding,
    calibrate: Calibrate = tf.identity,
    members: Sequence[Any] = (),
) -> dict[str, Callable[[Inputs], Outputs]]:
    """Returns a function for each signature of a model, to trace with `input_specs`.

    Args:
      model: A network from `networks.deeprke.build_model`.
      encoding: Encoding of its k-mer ids.
      calibrate: Function from probabilities, float32 [batch, n_rbps], to calibrated
        ones, in TensorFlow operations.
      members: The networks that `model` averages, if it is an ensemble.
    """
    views = tuple(tensor.name for tensor in model.inputs)
    spec = {view: tf.TensorSpec([None, None], tf.int64, view) for view in views}

    # Traced once for all signatures, as tracing takes most of the time of saving.
    @tf.function(input_signature=[spec])
    def network(rows: Inputs) -> tf.Tensor:
        each = [
            member({ids.name: rows[ids.name] for ids in member.inputs}, training=False)
            for member in members or [model]
        ]
        return tf.stack(each, axis=1)  # [batch, n_members, n_rbps]

    def ids(inputs: Inputs) -> Outputs:
        inputs = _equal_in_shape(inputs)
        valid = _are_sites(inputs, encoding)
        rows = _harmless(inputs, valid)
        outputs = _outputs(network(rows)[: tf.shape(valid)[0]], calibrate)
        nan = tf.constant(float("nan"))
        return {
            name: tf.where(valid[:, tf.newaxis], values, nan)
            for name, values in outputs.items()
        }

    def texts(inputs: Inputs) -> Outputs:
        encoded = graph_encoding.encode(encoding, **_equal_in_shape(inputs))
        return ids(_padded(encoded))

    def records(inputs: Inputs) -> Outputs:
        kinds = {view: tf.io.RaggedFeature(tf.int64) for view in views}
        return ids(_padded(tf.io.parse_example(inputs["records"], kinds)))

    every = {"serving_default": texts, "contexts": texts, "ids": ids}
    every["records"] = records
    return {name: every[name] for name in input_specs(views)}


def input_specs(views: tuple[str, ...]) -> dict[str, dict[str, tf.TensorSpec]]:
    """Returns the inputs of each signature.

    Args:
      views: `ModelConfig.views` of the model.
    """
    structure = "structure_kmers" in views
    names = {
        "serving_default": ["sequence", "dot_bracket"][: 1 + structure],
        "contexts": ["sequence", "contexts"],
        "ids": list(views),
        "records": ["records"],
    }
    if not structure:
        del names["contexts"]
    return {
        signature: {
            name: tf.TensorSpec([None, None], tf.int64, name)
            if signature == "ids"
            else tf.TensorSpec([None], tf.string, name)
            for name in inputs
        }
        for signature, inputs in names.items()
    }


def _names(rbps: Sequence[str]) -> Callable[[Inputs], Outputs]:
    """Returns the function of the signature `rbps`."""

    def names(inputs: Inputs) -> Outputs:
        n_rows = tf.shape(inputs["any"])[0]
        return {"rbp": tf.tile(tf.constant([list(rbps)]), [n_rows, 1])}

    return names


def _equal_in_shape(inputs: Inputs) -> Inputs:
    """Returns inputs that fail the request where they differ in shape.

    TensorFlow would broadcast an input of one row over all rows of another. A graph
    runs its operations in any order: what is computed from the inputs has to wait for
    the comparison, or fails first, in words of its own.
    """
    (first, expected), *others = inputs.items()
    checks = [
        tf.debugging.assert_equal(
            tf.shape(expected),
            tf.shape(values),
            f"{first} and {name} must have the same shape, one row for each site",
        )
        for name, values in others
    ]
    with tf.control_dependencies(checks):
        return {name: tf.identity(values) for name, values in inputs.items()}


def _outputs(each: tf.Tensor, calibrate: Calibrate) -> Outputs:
    """Returns the named outputs from the probabilities of the members.

    Args:
      each: float32 [batch, n_members, n_rbps].
      calibrate: See `signatures`.
    """
    probability = tf.reduce_mean(each, axis=1)
    outputs = {
        "probability": probability,
        "calibrated_probability": calibrate(probability),
    }
    if each.shape[1] > 1:
        squares = tf.math.squared_difference(each, probability[:, tf.newaxis])
        variance = tf.reduce_sum(squares, axis=1) / (each.shape[1] - 1)
        outputs["probability_sd"] = tf.sqrt(variance)
    return outputs


def _padded(views: graph_encoding.Views) -> Inputs:
    """Pads all views to the longest row of any view."""
    shapes = [ids.bounding_shape() for ids in views.values()]
    shape = functools.reduce(tf.maximum, shapes)
    return {name: ids.to_tensor(PAD_ID, shape=shape) for name, ids in views.items()}


def _are_sites(inputs: Inputs, encoding: Encoding) -> tf.Tensor:
    """Tells which rows of padded ids are valid sites, bool [batch]."""
    vocabularies = {
        "sequence_kmers": encoding.sequence_vocabulary,
        "structure_kmers": encoding.structure_vocabulary,
    }
    sequence_kmers = inputs["sequence_kmers"]
    n_kmers = tf.math.count_nonzero(sequence_kmers != PAD_ID, axis=1)
    inside = tf.sequence_mask(n_kmers, tf.shape(sequence_kmers)[1])
    valid = tf.reduce_any(sequence_kmers >= FIRST_KMER_ID, axis=1)
    for name, ids in inputs.items():
        in_vocabulary = (ids >= 0) & (ids < len(vocabularies[name]))
        fits = in_vocabulary & ((ids != PAD_ID) == inside)
        valid &= tf.reduce_all(fits, axis=1)
    return valid


def _harmless(inputs: Inputs, valid: tf.Tensor) -> Inputs:
    """Replaces each invalid row by one unknown k-mer.

    A network cannot compute on an empty batch: there is at least one row and column.
    """
    shape = tf.shape(inputs["sequence_kmers"])
    missing = tf.maximum(1 - shape, 0)
    column = tf.range(shape[1] + missing[1])
    one_unknown = tf.cast(tf.where(column == 0, UNKNOWN_ID, PAD_ID), tf.int64)
    valid = tf.pad(valid, [[0, missing[0]]])[:, tf.newaxis]
    paddings = [[0, missing[0]], [0, missing[1]]]
    return {
        name: tf.where(valid, tf.pad(ids, paddings), one_unknown)
        for name, ids in inputs.items()
    }
