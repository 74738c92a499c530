"""Presets: named sets of settings."""

import dataclasses

from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.errors import UserError

# The paper's network with positional embeddings, a wider sequence module and
# learning-rate decay; docs/results/experiments.md has the experiments.
_DEEPRKE = RunConfig(
    ModelConfig(
        filters=(256,),
        kernel_sizes=(8,),
        structure_filters=(32,),
        union_filters=(128, 64),
        union_kernel_sizes=(16, 16),
        union_size=48,
        union_mean=0.5,
        kmer_weight=0.2,
        position_size=16,
        dropout=0.3,
        spatial_dropout=0.1,
    ),
    train=TrainConfig(
        epochs=8,
        min_steps=1600,
        schedule="cosine",
        warmup_epochs=1,
        label_smoothing=0.1,
    ),
)

PRESETS: dict[str, RunConfig] = {
    "deeprke": _DEEPRKE,
    "deeprke-no-structure": dataclasses.replace(
        _DEEPRKE, model=dataclasses.replace(_DEEPRKE.model, structure=False)
    ),
    # As Deng et al. (2020) describe DeepRKE.
    "paper": RunConfig(),
    # Their ablations: DeepRKE-, DeepRKE-- and the network without BiLSTM.
    "no-structure": RunConfig(ModelConfig(structure=False)),
    "one-hot": RunConfig(ModelConfig(structure=False, one_hot=True)),
    "cnn-only": RunConfig(ModelConfig(lstm_units=0)),
    # Baselines; `networks.baselines` names the papers.
    "deepbind": RunConfig(
        ModelConfig(
            network="deepbind",
            structure=False,
            one_hot=True,
            filters=(16,),
            kernel_sizes=(16,),
            lstm_units=0,
            dropout=0.5,
        )
    ),
    "ideepv": RunConfig(
        ModelConfig(
            network="ideepv",
            structure=False,
            trainable_vectors=True,
            filters=(16,),
            kernel_sizes=(10,),
            lstm_units=0,
            dense_units=800,
            dropout=0.5,
        ),
        VectorConfig(vector_size=25),
    ),
    "ideeps": RunConfig(
        ModelConfig(
            network="ideeps",
            one_hot=True,
            filters=(16,),
            kernel_sizes=(10,),
            dropout=0.5,
        )
    ),
}

# The preset of `train` and `tune`.
DEFAULT = "deeprke"


def preset(name: str) -> RunConfig:
    """Returns the settings of a preset.

    Raises:
      UserError: The name is unknown.
    """
    if name not in PRESETS:
        raise UserError(f"No preset {name!r}; there are: {', '.join(PRESETS)}.")
    return PRESETS[name]
