"""Where an RNA-binding protein binds, from RNA sequence and structure.

    import deeprke_tf as dk

    data = dk.preprocess("train.fa.gz", test="test.fa.gz", out="tfrecords/QKI")
    run = dk.fit(data, out="runs/QKI")
    run.predict(["GGUGUAUAUACCACC"])

`deeprke_tf.api` documents the functions.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deeprke_tf.api import (
        JointRun,
        Run,
        audit_sites,
        crossvalidate,
        extract_sites,
        fit,
        fit_joint,
        load_run,
    )
    from deeprke_tf.config import FoldSettings
    from deeprke_tf.data.description import Dataset
    from deeprke_tf.data.preprocessing import preprocess
    from deeprke_tf.errors import UserError
    from deeprke_tf.rna import structure
    from deeprke_tf.rna.sites import Site
    from deeprke_tf.rna.structure import fold, loop_contexts

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "FoldSettings",
    "JointRun",
    "Run",
    "Site",
    "UserError",
    "audit_sites",
    "crossvalidate",
    "extract_sites",
    "fit",
    "fit_joint",
    "fold",
    "load_run",
    "loop_contexts",
    "preprocess",
    "run_workflow",
    "structure",
]

# Read when TensorFlow is loaded. On processors without AVX-512 its wheels leave oneDNN
# off, and networks train half as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# The module of each public name that is not in `api`, which loads what a trained model
# needs. It is imported when the name is first used: `import deeprke_tf` takes no time.
_MODULES = {
    "Dataset": "deeprke_tf.data.description",
    "FoldSettings": "deeprke_tf.config",
    "Site": "deeprke_tf.rna.sites",
    "UserError": "deeprke_tf.errors",
    "fold": "deeprke_tf.rna.structure",
    "loop_contexts": "deeprke_tf.rna.structure",
    "preprocess": "deeprke_tf.data.preprocessing",
    "run_workflow": "deeprke_tf.workflow.workflow",
    "structure": "deeprke_tf.rna.structure",  # the module itself
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULES.get(name, "deeprke_tf.api"))
    return getattr(module, name, module)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
