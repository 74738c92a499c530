"""What a network computes before its output, as features of a logistic regression.

So a network that was trained for one RBP is read on few sites of another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from split_sites import Site

from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import batching, scorer

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class Features(NamedTuple):
    """Features of some sites, [n_sites, n_features], and their labels, [n_sites]."""

    values: np.ndarray
    labels: np.ndarray


def feature_function(network: Any) -> Callable[[list[Site]], np.ndarray]:
    """Returns a function from sites to the input of the output layer, [n_sites, n].

    Args:
      network: A Keras model, joint or not.
    """
    import keras

    inputs = {ids.name: ids for ids in network.inputs}
    before = keras.Model(inputs, network.get_layer("log_odds").input)
    score, n = scorer.scorer(before), before.output_shape[-1]
    return lambda sites: batching.score_sites(score, sites, 512, n)


def regression(train: Features, validation: Features) -> Any:
    """Fits logistic regressions; returns the one with the highest validation AUROC."""
    candidates = []
    for strength in _STRENGTHS:
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, max_iter=1_000)
        ).fit(*train)
        scores = model.predict_proba(validation.values)[:, 1]
        candidates.append((metrics.auroc(validation.labels, scores), model))
    return max(candidates, key=lambda candidate: candidate[0])[1]
