"""A calibration as TensorFlow operations, for exported models."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from deeprke_tf.evaluation.calibration import LEAST, MOST, Calibration


def in_graph(calibration: Calibration) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a calibration, at its own prior, as a function of tensors.

    Returns:
      A function from raw to calibrated probabilities, float32 of any shape, that
      agrees with the calibration to 1e-5.
    """
    if calibration.method == "temperature":
        return lambda raw: _temperature(raw, calibration)
    if calibration.method == "isotonic":
        return lambda raw: _isotonic(raw, calibration)
    return tf.identity


def each_in_graph(
    calibrations: Sequence[Calibration],
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the calibrations of the outputs of a joint model as one function.

    Returns:
      A function from raw to calibrated probabilities, float32 [batch, n_rbps].
    """
    functions = [in_graph(calibration) for calibration in calibrations]
    return lambda raw: tf.stack(
        [function(raw[:, place]) for place, function in enumerate(functions)], axis=1
    )


def _temperature(raw: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    # float32 cannot hold the logit of a probability next to 1.
    clipped = tf.clip_by_value(tf.cast(raw, tf.float64), LEAST, MOST)
    logits = tf.math.log(clipped) - tf.math.log1p(-clipped)
    calibrated = tf.sigmoid(calibration.slope * logits + calibration.intercept)
    return tf.cast(calibrated, tf.float32)


def _isotonic(raw: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    """Interpolates linearly between the knots; constant outside of them."""
    x, y = (
        tf.constant(values, tf.float32)
        for values in zip(*calibration.knots, strict=True)
    )
    flat = tf.reshape(raw, [-1])
    last = len(calibration.knots) - 1
    after = tf.clip_by_value(tf.searchsorted(x, flat, side="right"), 0, last)
    before = tf.maximum(after - 1, 0)
    width = tf.gather(x, after) - tf.gather(x, before)
    weight = tf.math.divide_no_nan(flat - tf.gather(x, before), width)
    weight = tf.clip_by_value(weight, 0.0, 1.0)
    low, high = tf.gather(y, before), tf.gather(y, after)
    return tf.reshape(low + weight * (high - low), tf.shape(raw))
