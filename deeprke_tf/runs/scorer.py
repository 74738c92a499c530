"""Networks compiled by TensorFlow, and their probabilities for a split."""

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.data.stored_sites import DAMAGED_RECORDS, OTHER_RECORDS
from deeprke_tf.errors import UserError
from deeprke_tf.runs.batching import Scorer


def scorer(model: keras.Model) -> Scorer:
    """Compiles a network for prediction.

    Returns:
      A function from padded ids, int64 [batch, n_kmers] for each view, to the
      probabilities, float32 [batch], or [batch, n_rbps] of a joint network.
    """
    signature = {
        tensor.name: tf.TensorSpec([None, None], tf.int64, tensor.name)
        for tensor in model.inputs
    }

    # Without a signature, each new batch shape would be traced anew.
    @tf.function(input_signature=[signature])
    def score(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        probabilities = model(inputs, training=False)
        return probabilities if probabilities.shape[1] > 1 else probabilities[:, 0]

    return lambda inputs: score(inputs).numpy()


def log_odds_network(model: keras.Model) -> keras.Model:
    """Returns a network without its last step, the sigmoid; weights are shared.

    Args:
      model: The network of a single training.
    """
    inputs = {ids.name: ids for ids in model.inputs}
    return keras.Model(inputs, model.get_layer("probability").input)


def score_labelled(score: Scorer, batches: tf.data.Dataset) -> tuple[np.ndarray, ...]:
    """Scores every site of a split.

    Args:
      score: From `scorer`.
      batches: From `batches.read_split`.

    Returns:
      Labels, int [n_sites], and probabilities, float32 [n_sites], in the same order;
      of a joint network [n_sites, n_rbps].

    Raises:
      UserError: The shards do not hold the records that `dataset.json` describes.
    """
    labels, probabilities = [], []
    try:
        for inputs, label, _weight in batches:
            labels.append(label.numpy()[:, 0].astype(int))
            probabilities.append(score(inputs))
    except DAMAGED_RECORDS as error:
        raise UserError(OTHER_RECORDS) from error
    if not labels:
        return np.zeros(0, int), np.zeros(0, np.float32)
    return np.concatenate(labels), np.concatenate(probabilities)
