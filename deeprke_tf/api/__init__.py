"""The Python interface; `import deeprke_tf as dk` has its names.

    data = dk.preprocess("train.fa.gz", test="test.fa.gz", out="tfrecords/QKI")
    run = dk.load_run("runs/QKI")
    run.predict(["GGUGUAUAUACCACC", "ACGU"])  # a pandas.DataFrame

Errors that a user can fix are `UserError`s, and name arguments in backticks. Nothing
is printed: messages go to the logger `deeprke_tf`.
"""

from deeprke_tf.api.joint import JointRun
from deeprke_tf.api.loading import load_run, load_single
from deeprke_tf.api.run import Run
from deeprke_tf.api.sites import audit_sites, extract_sites
from deeprke_tf.api.training import crossvalidate, fit, fit_joint
from deeprke_tf.data.preprocessing import preprocess

__all__ = [
    "JointRun",
    "Run",
    "audit_sites",
    "crossvalidate",
    "extract_sites",
    "fit",
    "fit_joint",
    "load_run",
    "load_single",
    "preprocess",
]
