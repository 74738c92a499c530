"""Where an RNA-binding protein binds, from RNA sequence and structure.

    import deeprke_tf as dk
    dk.preprocess("train.fa.gz", test_sites="test.fa.gz", out="tfrecords/QKI")
    dk.load_run("runs/QKI").predict(["GGUGUAUAUACCACC"])

`deeprke_tf.api` documents the functions.
"""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# Read when TensorFlow is loaded. On processors without AVX-512 its wheels leave oneDNN
# off, and networks train half as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Names of the Python interface, and the modules that they are imported from when they
# are first used: so the package itself is imported at once.
_MODULES = {
    "Dataset": "deeprke_tf.data.description",
    "FoldSettings": "deeprke_tf.config",
    "Run": "deeprke_tf.api",
    "Site": "deeprke_tf.rna.sites",
    "UserError": "deeprke_tf.errors",
    "audit_sites": "deeprke_tf.api",
    "fit": "deeprke_tf.api",
    "load_run": "deeprke_tf.api",
    # Not by way of `api`, which loads what a trained model needs.
    "preprocess": "deeprke_tf.data.preprocessing",
    # A module: the structures of `fold` are read with it.
    "structure": "deeprke_tf.rna.structure",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name])
    return getattr(module, name, module)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
