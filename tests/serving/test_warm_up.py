"""Warm-up requests, read back and sent to the model that they are for."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.serving import signatures, warm_up
from tests.support.small_models import CONFIGS, trained_model


@pytest.mark.parametrize("name", ["cnn-only", "no-structure"])
def test_every_request_gives_probabilities(name, tmp_path):
    specs = signatures.save(trained_model(name), Encoding(), tmp_path)
    path = warm_up.write_warmup(tmp_path, "QKI", specs, Encoding())
    assert path == tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    served = tf.saved_model.load(tmp_path).signatures
    sent = set()
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.name == "QKI"
        function = served[request.model_spec.signature_name]
        inputs = {
            key: tf.constant(tf.make_ndarray(value))
            for key, value in request.inputs.items()
        }
        probability = function(**inputs)["probability"].numpy()
        assert np.isfinite(probability).all()
        sent.add((request.model_spec.signature_name, len(probability)))
    assert sent == {(key, n) for key in served for n in warm_up.BATCH_SIZES}


def test_requests_have_the_lengths_that_are_named():
    specs = signatures.input_specs(CONFIGS["paper"].views)
    logs = warm_up.prediction_logs("QKI", specs, Encoding())
    lengths = {
        len(text)
        for log in logs
        for text in log.predict_log.request.inputs["dot_bracket"].string_val
    }
    assert lengths == set(warm_up.LENGTHS)
