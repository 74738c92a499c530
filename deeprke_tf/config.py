"""Settings: names, defaults and limits; how a run saves and reads them.

Each dataclass refuses values that make no sense when it is made, wherever it is made:
from flags, from a file, in a search. Command-line flags are derived from the fields.
"""

import dataclasses
import json
import math
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from deeprke_tf.errors import UserError

Config = TypeVar("Config")

# Settings of earlier versions that are gone, each with the value that changes nothing.
_REMOVED = {"residual": False}


def _require_positive(config: Any, name: str) -> None:
    value = getattr(config, name)
    items = value if isinstance(value, tuple) else (value,)
    if not all(0 < item < math.inf for item in items):
        raise UserError(f"{name} must be above 0 and finite, got {value}.")


@dataclasses.dataclass(frozen=True)
class FoldSettings:
    """How RNA is folded; travels with the data and with every model trained on it."""

    temperature: float = 37.0
    """Folding temperature in °C."""
    max_bp_span: int | None = None
    """Longest distance between the partners of a base pair, in nucleotides."""
    lonely_pairs: bool = False
    """Allow helices of a single base pair."""

    def __post_init__(self):
        if not -50 <= self.temperature <= 150:
            raise UserError(
                f"temperature must be between -50 and 150 °C, got {self.temperature}."
            )
        if self.max_bp_span is not None and self.max_bp_span < 5:
            raise UserError(
                f"max_bp_span must be at least 5 nucleotides, got {self.max_bp_span}; "
                "a hairpin loop alone has 3."
            )


@dataclasses.dataclass(frozen=True)
class VectorConfig:
    """word2vec over k-mers: skip-gram with negative sampling."""

    vector_size: int = 100
    """Numbers in the vector of a k-mer."""
    window: int = 12
    """Farthest neighbor that a k-mer is trained to predict, in k-mers."""
    negative: int = 5
    """Noise k-mers drawn for each true neighbor."""
    vector_epochs: int = 2
    """Passes over the sampled sites."""
    vector_sites: int = 4000
    """Training sites sampled for word2vec; 64 vectors need no more to settle."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _require_positive(self, field.name)


# What the networks of others read of `ModelConfig`; DeepRKE's own reads all of it.
_READ_BY_ALL = {
    *("network", "structure", "one_hot", "trainable_vectors"),
    *("filters", "kernel_sizes", "dense_units", "dropout"),
}
_READ_BY = {
    "deepbind": _READ_BY_ALL,
    "ideepv": _READ_BY_ALL,
    "ideeps": _READ_BY_ALL | {"structure_filters", "lstm_units"},
}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of the network; k and the vector size come with the data."""

    network: Literal["deeprke", "deepbind", "ideepv", "ideeps"] = "deeprke"
    """Whose network; those of others are for comparison (`baseline_networks`)."""
    structure: bool = True
    """Whether the structure view is read, too, or the sequence alone."""
    one_hot: bool = False
    """One-hot letters in place of the word2vec vectors of k-mers."""
    trainable_vectors: bool = False
    """Train the k-mer vectors along with the network instead of freezing them."""
    filters: tuple[int, ...] = (128, 64, 32)
    """Filters of each convolution of a CNN module."""
    kernel_sizes: tuple[int, ...] = (8, 16, 32)
    """k-mers that each convolution of a CNN module spans."""
    structure_filters: tuple[int, ...] = ()
    """Filters of the structure module, if they are not those of the sequence module."""
    union_filters: tuple[int, ...] = ()
    """Filters of the third module, if they are not those of the sequence module."""
    union_kernel_sizes: tuple[int, ...] = ()
    """Positions that its convolutions span, if not those of the sequence module."""
    union_size: int = 0
    """Channels to which the union of the views is brought, position by position, before
    the third module reads it; 0 leaves it as it is."""
    union_mean: float = 0.0
    """Share of the sites of which the output is shown the mean of the union, too, in
    training; 0 leaves this short way out. By it what motifs say is learned first, and
    not missed where they say little."""
    kmer_share: float = 0.0
    """Share that a logistic regression of k-mer counts, fitted before, has in the log
    odds of the trained network; 0 leaves it out."""
    position_size: int = 0
    """Numbers in the learned vector of a position's place in its site; 0 for none."""
    batch_norm: bool = False
    """Batch normalization after each convolution, as the paper did on RBP-24."""
    lstm_units: int = 32
    """Units of the BiLSTM in each direction; 0 leaves it out."""
    dense_units: int = 32
    """Units of the dense layer before the probability."""
    dropout: float = 0.2
    """Share of units dropped in training: at the union and around the dense layer."""
    spatial_dropout: float = 0.0
    """Share of a convolution's filters dropped for a whole site in training."""

    def __post_init__(self):
        if not self.filters or len(self.filters) != len(self.kernel_sizes):
            raise UserError(
                f"filters {self.filters} and kernel_sizes {self.kernel_sizes} must "
                "name the same number of convolutions, at least one."
            )
        for module in ("structure", "union"):
            if len(self.shape_of(module)[0]) != len(self.shape_of(module)[1]):
                raise UserError(
                    f"The {module} module has filters {self.shape_of(module)[0]} but "
                    f"kernel sizes {self.shape_of(module)[1]}; they must be as many."
                )
        for name in (
            "filters",
            "kernel_sizes",
            "structure_filters",
            "union_filters",
            "union_kernel_sizes",
            "dense_units",
        ):
            _require_positive(self, name)
        networks = typing.get_args(typing.get_type_hints(ModelConfig)["network"])
        if self.network not in networks:
            raise UserError(
                f"No network {self.network!r}; there are: {', '.join(networks)}."
            )
        for name in ("lstm_units", "position_size", "union_size"):
            if getattr(self, name) < 0:
                raise UserError(
                    f"{name} must not be negative, got {getattr(self, name)}."
                )
        for name in ("dropout", "spatial_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} must be in [0, 1), got {getattr(self, name)}.")
        for name in ("union_mean", "kmer_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} must be in [0, 1], got {getattr(self, name)}.")
        self._require_what_others_have()

    def _require_what_others_have(self) -> None:
        """Refuses what the networks of others cannot be built with."""
        if self.network in ("deepbind", "ideepv") and self.structure:
            raise UserError(
                f"Network {self.network!r} reads the sequence alone; structure must be "
                "off (--no-structure)."
            )
        if self.network == "ideeps" and not (self.structure and self.lstm_units):
            raise UserError(
                "Network 'ideeps' reads sequence and structure and has a BiLSTM; got "
                f"structure {self.structure} and lstm_units {self.lstm_units}."
            )

    @property
    def counts_kmers(self) -> bool:
        """Whether a logistic regression of k-mer counts has a share in the output."""
        return self.kmer_share > 0 and self.reads("kmer_share")

    def reads(self, name: str) -> bool:
        """Tells whether the network depends on a setting, by its name."""
        return self.network not in _READ_BY or name in _READ_BY[self.network]

    @property
    def views(self) -> tuple[str, ...]:
        """The model's inputs, by the names they have in a record."""
        both = ("sequence_kmers", "structure_kmers")
        return both if self.structure else both[:1]

    def shape_of(self, module: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Returns the filters and kernel sizes of a CNN module, by its name."""
        filters = {"structure": self.structure_filters, "union": self.union_filters}
        sizes = self.union_kernel_sizes if module == "union" else ()
        return filters.get(module) or self.filters, sizes or self.kernel_sizes


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    batch_size: int = 128
    """Sites in a batch, over all devices together."""
    epochs: int = 30
    """Most passes over the training sites."""
    min_steps: int = 0
    """Steps of a training at least: on few sites there are more epochs."""
    patience: int = 5
    """Epochs without a better validation AUROC after which training stops."""
    min_epochs: int = 10
    """Epochs before which training does not stop: on few sites it takes off late."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    warmup_epochs: int = 2
    """Epochs over which the step size rises to its full value; 0 starts with it."""
    schedule: Literal["constant", "cosine"] = "constant"
    """`cosine` lets the step size fall to a hundredth until the last epoch."""
    clip_norm: float = 1.0
    """Largest norm of a weight's gradient; a longer one is shortened to it."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs both classes alike in the loss, whatever their numbers."""
    label_smoothing: float = 0.0
    """How far labels are drawn, in the loss, from 0 and 1 to the share of bound sites:
    0.1 is a tenth of the way."""
    mixed_precision: bool = False
    """Compute in bfloat16; weights, loss and probability stay float32."""
    seed: int = 1
    """Settles word2vec, first weights, shuffling and dropout."""

    def __post_init__(self):
        for name in (
            "batch_size",
            "epochs",
            "patience",
            "min_epochs",
            "learning_rate",
            "clip_norm",
        ):
            _require_positive(self, name)
        for name in ("warmup_epochs", "min_steps", "seed"):
            if getattr(self, name) < 0:
                raise UserError(
                    f"{name} must not be negative, got {getattr(self, name)}."
                )
        if not 0 <= self.label_smoothing < 1:
            raise UserError(
                "label_smoothing must be from 0 to below 1, got "
                f"{self.label_smoothing}."
            )
        for name, allowed in (
            ("class_weights", ("none", "balanced")),
            ("schedule", ("constant", "cosine")),
        ):
            if getattr(self, name) not in allowed:
                raise UserError(
                    f"{name} must be {' or '.join(map(repr, allowed))}, got "
                    f"{getattr(self, name)!r}."
                )


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """All settings of a training run, as `config.json` holds them."""

    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()


def save(config: Any, path: Path) -> None:
    """Writes a config dataclass as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")


def load(config_class: type[Config], path: Path) -> Config:
    """Reads a config that `save` wrote; settings left out take their defaults.

    Raises:
      UserError: The file is missing, is not JSON, or has a name or a value that the
        config does not allow.
    """
    try:
        settings = json.loads(Path(path).read_text())
    except OSError as error:
        raise UserError(f"Cannot read the config {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.") from error
    return from_dict(config_class, settings, source=str(path))


def from_dict(config_class: type[Config], settings: Any, source: str) -> Config:
    """Builds a config from plain values, refusing names and types it does not have.

    Args:
      config_class: A dataclass of this module.
      settings: What `dataclasses.asdict` gave, or a part of it.
      source: Where the settings come from, for the error.

    Raises:
      UserError: An unknown name, a wrong type, or a value the dataclass refuses.
    """
    if not isinstance(settings, dict):
        raise UserError(
            f"{source}: expected the settings of {config_class.__name__} as an object, "
            f"got {settings!r}."
        )
    types = typing.get_type_hints(config_class)
    settings = {**settings}
    for name in _REMOVED.keys() & settings.keys() - types.keys():
        if settings.pop(name) != _REMOVED[name]:
            raise UserError(
                f"{source}: {name} is a setting of earlier versions, of which this one "
                f"takes only {_REMOVED[name]}."
            )
    unknown = sorted(set(settings) - set(types))
    if unknown:
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
        raise UserError(f"{source}: {error}") from error


def _typed(expected: Any, value: Any, source: str) -> Any:
    """Returns a JSON value as the field type asks for it."""
    if dataclasses.is_dataclass(expected):
        return from_dict(typing.cast(type, expected), value, source)
    if typing.get_origin(expected) is tuple:
        if isinstance(value, list) and all(type(item) is int for item in value):
            return tuple(value)
    elif typing.get_origin(expected) is Literal:
        if value in typing.get_args(expected):
            return value
    elif expected is float and type(value) is int:
        return float(value)
    else:
        allowed = typing.get_args(expected) or (expected,)
        if type(value) in allowed:
            return value
    name = str(expected) if typing.get_args(expected) else expected.__name__
    raise UserError(f"{source} must be {name}, got {value!r}.")
