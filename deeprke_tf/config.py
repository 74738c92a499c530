"""Settings: names, defaults and allowed values; how a run's settings are read.

Each dataclass refuses values out of range wherever it is made: from flags, from a file,
in a search. Command-line flags and their help are derived from the fields.
"""

import dataclasses
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from deeprke_tf.errors import UserError
from deeprke_tf.system import arguments, files

Config = TypeVar("Config")

# Settings of earlier versions that were renamed, and their names now.
_RENAMED = {"kmer_share": "kmer_weight"}

# Removed settings of earlier versions, each with the only value still allowed.
_REMOVED = {"residual": False}


class Between(NamedTuple):
    """The allowed range of a number, or of each number of a tuple; ends included."""

    low: float
    high: float


# Filters, units and channels; vectors of a k-mer.
Width = Annotated[int, Between(1, 4096)]
OptionalWidth = Annotated[int, Between(0, 4096)]
Widths = Annotated[tuple[int, ...], Between(1, 4096)]
KernelSizes = Annotated[tuple[int, ...], Between(1, 1024)]
Count = Annotated[int, Between(1, 10**9)]
OptionalCount = Annotated[int, Between(0, 10**9)]
Fraction = Annotated[float, Between(0, 1)]
DropoutRate = Annotated[float, Between(0, 0.99)]
Seed = Annotated[int, Between(0, 2**63 - 1)]


def check(config: Any) -> None:
    """Raises a UserError for values of a wrong type or out of their range."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for name, hint in hints.items():
        value = getattr(config, name)
        items = value if isinstance(value, tuple) else (value,)
        if typing.get_origin(hint) is Literal and value not in typing.get_args(hint):
            allowed = ", ".join(map(repr, typing.get_args(hint)))
            raise UserError(f"`{name}` must be one of {allowed}; got {value!r}.")
        arguments.require_type(name, value, hint)
        for limits in getattr(hint, "__metadata__", ()):
            # NaN compares false, and is refused.
            if isinstance(limits, Between) and not all(
                item is None or limits.low <= item <= limits.high for item in items
            ):
                low, high = (
                    f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in limits
                )
                raise UserError(f"`{name}` must be from {low} to {high}, got {value}.")


@dataclasses.dataclass(frozen=True)
class FoldSettings:
    """RNA folding; saved with the dataset and with every model trained on it."""

    temperature: Annotated[float, Between(-50, 150)] = 37.0
    """Folding temperature in °C."""
    max_bp_span: Annotated[int | None, Between(5, 2**31 - 1)] = None
    """Maximum distance between paired bases, in nucleotides; None: unlimited."""
    lonely_pairs: bool = False
    """Allow helices of a single base pair."""

    def __post_init__(self):
        check(self)


@dataclasses.dataclass(frozen=True)
class VectorConfig:
    """word2vec embeddings of k-mers: skip-gram with negative sampling."""

    vector_size: Width = 100
    """Dimension of the k-mer embeddings."""
    window: Annotated[int, Between(1, 10_000)] = 12
    """Context window of skip-gram: maximum distance of two k-mers, in k-mers."""
    negative: Annotated[int, Between(1, 1000)] = 5
    """Negative samples per positive pair."""
    vector_epochs: Annotated[int, Between(1, 10_000)] = 2
    """word2vec epochs over the sampled sites."""
    vector_sites: Count = 4000
    """Training sites sampled for word2vec; more change the embeddings little."""

    def __post_init__(self):
        check(self)


# Settings that the baselines read; DeepRKE reads all of `ModelConfig`.
_READ_BY_ALL = {"network", "structure", "one_hot", "trainable_vectors"}
_READ_BY_ALL |= {"filters", "kernel_sizes", "dense_units", "dropout"}
_READ_BY = {
    "deepbind": _READ_BY_ALL,
    "ideepv": _READ_BY_ALL,
    "ideeps": _READ_BY_ALL | {"structure_filters", "lstm_units"},
}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Network architecture; k comes with the dataset."""

    network: Literal["deeprke", "deepbind", "ideepv", "ideeps"] = "deeprke"
    """Architecture: DeepRKE, or a baseline after another paper."""
    structure: bool = True
    """Read the structure view; --no-structure: read the sequence alone."""
    one_hot: bool = False
    """One-hot nucleotides instead of word2vec k-mer embeddings."""
    trainable_vectors: bool = False
    """Train the k-mer embeddings with the network instead of freezing them."""
    filters: Widths = (128, 64, 32)
    """Filters of each convolution in a CNN module."""
    kernel_sizes: KernelSizes = (8, 16, 32)
    """Kernel size of each convolution in a CNN module, in k-mers."""
    structure_filters: Widths = ()
    """Filters of the structure module; if not given, as in `filters`."""
    union_filters: Widths = ()
    """Filters of the union module, on both views; if not given, as in `filters`."""
    union_kernel_sizes: KernelSizes = ()
    """Kernel sizes of the union module; if not given, as in `kernel_sizes`."""
    union_size: OptionalWidth = 0
    """Project the concatenated views to this many channels (1x1); 0: no projection."""
    union_mean: Fraction = 0.0
    """Probability in training of a skip connection, mean-pooled union to output."""
    kmer_weight: Fraction = 0.0
    """Weight of a k-mer logistic regression in the log odds; 0: none."""
    position_size: OptionalWidth = 0
    """Dimension of the learned positional embedding; 0: none."""
    batch_norm: bool = False
    """Batch normalization after each convolution."""
    lstm_units: OptionalWidth = 32
    """Units of the BiLSTM per direction; 0: no BiLSTM."""
    dense_units: Width = 32
    """Units of the dense layer before the output."""
    dropout: DropoutRate = 0.2
    """Dropout rate on the concatenated views and around the dense layer."""
    spatial_dropout: DropoutRate = 0.0
    """Spatial dropout rate after each convolution (drops whole filters)."""

    def __post_init__(self):
        check(self)
        for module in ("sequence", "structure", "union"):
            filters, kernel_sizes = self.shape_of(module)
            if not filters or len(filters) != len(kernel_sizes):
                raise UserError(
                    f"The {module} module has filters {filters} but kernel sizes "
                    f"{kernel_sizes}; give as many of both, at least one."
                )
        if self.network in ("deepbind", "ideepv") and self.structure:
            raise UserError(
                f"Network {self.network!r} reads the sequence alone; give "
                "`structure=False`."
            )
        if self.network == "ideeps" and not (self.structure and self.lstm_units):
            raise UserError(
                "Network 'ideeps' reads sequence and structure and has a BiLSTM; got "
                f"structure {self.structure} and lstm_units {self.lstm_units}."
            )

    @property
    def counts_kmers(self) -> bool:
        """Whether a k-mer logistic regression is mixed into the output."""
        return self.kmer_weight > 0 and self.reads("kmer_weight")

    def reads(self, name: str) -> bool:
        """Tells whether the network depends on the setting of this name."""
        return self.network not in _READ_BY or name in _READ_BY[self.network]

    @property
    def views(self) -> tuple[str, ...]:
        """The model's inputs, by the names they have in a record."""
        both = ("sequence_kmers", "structure_kmers")
        return both if self.structure else both[:1]

    def shape_of(self, module: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Returns filters and kernel sizes of module sequence, structure or union."""
        filters = {"structure": self.structure_filters, "union": self.union_filters}
        sizes = self.union_kernel_sizes if module == "union" else ()
        return filters.get(module) or self.filters, sizes or self.kernel_sizes


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Training: Adam on binary cross-entropy, with early stopping."""

    batch_size: Annotated[int, Between(1, 10**6)] = 128
    """Sites per batch, over all devices together."""
    epochs: Count = 30
    """Maximum number of epochs."""
    min_steps: OptionalCount = 0
    """Minimum number of steps: on few sites, `epochs` is raised to reach it, and an
    epoch passes over the sites several times."""
    patience: Count = 5
    """Early stopping: epochs without a better validation AUROC."""
    min_epochs: Count = 10
    """Early stopping starts after this many epochs; few sites take long to learn."""
    learning_rate: Annotated[float, Between(1e-12, 1e38)] = 1e-3
    """Learning rate of Adam."""
    warmup_epochs: OptionalCount = 2
    """Epochs of linear learning-rate warm-up; 0: none."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning-rate decay: none, or cosine to 1 % at the last epoch."""
    clip_norm: Annotated[float, Between(1e-12, 1e12)] = 1.0
    """Gradient clipping: maximum norm of the gradient of each weight."""
    class_weights: Literal["none", "balanced"] = "none"
    """Class weights in the loss; `balanced` gives both classes the same total."""
    label_smoothing: DropoutRate = 0.0
    """Label smoothing, towards the fraction of bound sites."""
    frozen_epochs: OptionalCount = 0
    """Of a training from another run: epochs in which only the output is trained."""
    body_rate: Fraction = 1.0
    """Of a training from another run: learning rate of all weights but those of the
    output, as a fraction of the learning rate."""
    mixed_precision: bool = False
    """Compute in bfloat16; weights, loss and probabilities stay float32."""
    seed: Seed = 1
    """Random seed of word2vec, initial weights, shuffling and dropout."""

    def __post_init__(self):
        check(self)


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """Joint training: one network with an output for each of several RBPs."""

    shared_letters: Annotated[int, Between(12, 1000)] = 38
    """Training sites that share so many letters in a row with a validation or test site
    of any dataset are left out."""
    balance: Fraction = 0.5
    """Weight of small datasets: 0, each site counts the same; 1, each dataset does."""
    hold_out: tuple[str, ...] = ()
    """Datasets or RBPs to leave out of the training with their replicates; their
    validation and test sites are kept out of the training sites of the others, too."""

    def __post_init__(self):
        check(self)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """All settings of a training run, as `config.json` holds them."""

    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()


def load(config_class: type[Config], path: Path) -> Config:
    """Reads a config from JSON; settings left out take their defaults.

    Raises:
      UserError: The file cannot be read, is not JSON, or has a name or a value that the
        config does not allow.
    """
    return from_dict(config_class, files.read_json(path), source=str(path))


def from_dict(config_class: type[Config], settings: Any, source: str) -> Config:
    """Builds a config from plain values, refusing unknown names and wrong types.

    Args:
      config_class: A dataclass of settings.
      settings: As `dataclasses.asdict` gives them, or a part.
      source: Where they come from, for the error.

    Raises:
      UserError: An unknown name, a wrong type, or a value the dataclass refuses.
    """
    if not isinstance(settings, dict):
        raise UserError(
            f"{source}: expected the settings of {config_class.__name__} as an object, "
            f"got {settings!r}."
        )
    settings = {_RENAMED.get(name, name): value for name, value in settings.items()}
    for name, only in _REMOVED.items():
        if settings.pop(name, only) != only:
            raise UserError(
                f"{source}: {name} is a setting of earlier versions; this one supports "
                f"only {only}."
            )
    types = typing.get_type_hints(config_class)
    if unknown := sorted(set(settings) - set(types)):
        raise UserError(
            f"{source}: unknown {config_class.__name__} settings {unknown}; "
            f"known: {sorted(types)}."
        )
    values = {
        name: _typed(types[name], value, f"{source}: {name}")
        for name, value in settings.items()
    }
    try:
        return config_class(**values)
    except UserError as error:
        # In a file there are settings, not arguments.
        raise UserError(f"{source}: {error}".replace("`", "")) from error


def _typed(expected: Any, value: Any, source: str) -> Any:
    """Returns a JSON value as the field's type asks for it."""
    if dataclasses.is_dataclass(expected):
        return from_dict(typing.cast(type, expected), value, source)
    if typing.get_origin(expected) is tuple:
        if isinstance(value, list) and all(type(item) is int for item in value):
            return tuple(value)
    elif typing.get_origin(expected) is Literal:
        return value  # `check` has the better error message.
    elif expected is float and type(value) is int:
        return float(value)
    elif type(value) in (typing.get_args(expected) or (expected,)):
        return value
    name = str(expected) if typing.get_args(expected) else expected.__name__
    raise UserError(f"{source} must be {name}, got {value!r}.")
