"""Tests of deeprke_tf.serving.calibration_graph."""

import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.serving.calibration_graph import in_graph

CALIBRATIONS = [
    Calibration("none", prior=0.2),
    Calibration("temperature", prior=0.2, slope=0.4, intercept=-0.7),
    Calibration("isotonic", prior=0.2, knots=((0.1, 0.05), (0.4, 0.3), (0.9, 0.6))),
    Calibration("isotonic", prior=0.2, knots=((0.5, 0.3),)),
]


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda c: c.method)
def test_the_graph_calibrates_as_python_does(calibration):
    raw = np.concatenate([[0, 1e-30, 1], np.linspace(0.001, 0.999, 997)])
    raw = raw.astype(np.float32)[:, np.newaxis]
    # Keras exports without AutoGraph, which would rewrite what TensorFlow cannot trace.
    traced = tf.function(in_graph(calibration), autograph=False)
    calibrated = traced(tf.constant(raw))
    assert calibrated.shape == raw.shape
    np.testing.assert_allclose(calibrated, calibration(raw), atol=1e-5)


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda c: c.method)
def test_the_graph_takes_no_sites(calibration):
    assert in_graph(calibration)(tf.zeros([0, 1])).shape == (0, 1)
