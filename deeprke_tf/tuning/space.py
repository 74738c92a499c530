"""The space of a search: which settings vary, and over which values.

A setting varies over `Choices` or over a `Range`; all others keep their starting value.
The starting value is always part of the space: the first trial has it.

A TOML or JSON file narrows or widens the default space, one setting per line:

    filters = [[128, 64, 32], [64, 32, 16]]                  # choices
    learning_rate = {min = 1e-4, max = 3e-3, sampling = "log"}
    batch_size = "fixed"                                     # keeps its starting value
"""

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError

if TYPE_CHECKING:
    import keras_tuner


@dataclasses.dataclass(frozen=True)
class Choices:
    """A setting takes one of several values, which differ."""

    values: tuple[Any, ...]

    def __post_init__(self):
        if len(self.values) != len({json.dumps(value) for value in self.values}):
            raise UserError(f"{list(self.values)} names a value twice.")


@dataclasses.dataclass(frozen=True)
class Range:
    """A setting takes a number between two others, both included."""

    min: int | float
    max: int | float
    step: int | float | None = None
    sampling: Literal["linear", "log"] = "linear"

    def __post_init__(self):
        if not self.min < self.max:
            raise UserError(f"min must be below max, got {self.min} and {self.max}.")
        if self.sampling not in ("linear", "log"):
            raise UserError(
                f'sampling must be "linear" or "log", got {self.sampling!r}.'
            )
        is_log = self.sampling == "log"
        if is_log and self.min <= 0:
            raise UserError(f"a log range must begin above 0, not at {self.min}.")
        if self.step is not None and not self.step > is_log:
            raise UserError(f"step must be above {int(is_log)}, got {self.step}.")


Domain: TypeAlias = Choices | Range
Space: TypeAlias = dict[str, Domain]

# Factors by which the starting widths are multiplied.
_FACTORS = {
    "filters": (0.5, 1, 2),
    "kernel_sizes": (0.5, 1),
    "structure_filters": (0.5, 1, 2),
    "union_filters": (0.5, 1, 2),
    "union_kernel_sizes": (0.5, 1),
}

DEFAULT_SPACE: Space = {
    "lstm_units": Choices((16, 32, 64)),
    "dense_units": Choices((16, 32, 64)),
    "dropout": Choices((0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    "spatial_dropout": Choices((0.0, 0.1, 0.2, 0.3)),
    "position_size": Choices((0, 16, 32)),
    "batch_norm": Choices((False, True)),
    "learning_rate": Range(1e-4, 5e-3, sampling="log"),
    "batch_size": Choices((64, 128, 256)),
    "vector_size": Choices((25, 50, 100, 200)),
}

# A seed is no setting to optimize; the duration of training is fixed.
_NOT_SEARCHED = (
    "seed",
    "epochs",
    "min_steps",
    "patience",
    "min_epochs",
    "frozen_epochs",
    "body_rate",
    "network",
    "one_hot",
)


def parts() -> dict[str, str]:
    """Returns the settings that can vary, each with its part of `RunConfig`."""
    return {
        field.name: part.name
        for part in dataclasses.fields(RunConfig)
        for field in dataclasses.fields(part.default)  # type: ignore[arg-type]
        if field.name not in _NOT_SEARCHED
    }


def start_value(start: RunConfig, name: str) -> Any:
    """Returns the value of a setting in a config."""
    return getattr(getattr(start, parts()[name]), name)


def with_values(start: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Returns the config with some settings replaced.

    Raises:
      UserError: The values do not fit together.
    """
    replaced = {}
    for field in dataclasses.fields(RunConfig):
        own = {n: value for n, value in values.items() if parts()[n] == field.name}
        replaced[field.name] = dataclasses.replace(getattr(start, field.name), **own)
    return RunConfig(**replaced)


def sample(
    hyperparameters: "keras_tuner.HyperParameters", space: Space, start: RunConfig
) -> RunConfig:
    """Declares the space to KerasTuner, and returns the values that it chose.

    Args:
      hyperparameters: The values of a trial; or empty, to declare the space and get the
        starting settings.
      space: Settings that vary.
      start: All settings of the first trial.

    Returns:
      The settings of the trial.

    Raises:
      UserError: The values do not fit together.
    """
    values = {}
    for name, domain in space.items():
        default = start_value(start, name)
        if isinstance(domain, Choices):
            # KerasTuner chooses among plain values, not among tuples.
            by_text = {json.dumps(value): value for value in domain.values}
            text = hyperparameters.Choice(
                name, list(by_text), None, json.dumps(default)
            )
            values[name] = by_text[text]
        else:
            is_int = isinstance(default, int)
            number = hyperparameters.Int if is_int else hyperparameters.Float
            limits = domain.min, domain.max, domain.step, domain.sampling
            values[name] = number(name, *limits, default=default)
    return with_values(start, values)


def space_around(start: RunConfig, path: Path | None, given_vectors: bool) -> Space:
    """Returns the space of a search.

    Args:
      start: Settings of the first trial; the default space is widened to them.
      path: The user's file, if there is one.
      given_vectors: Whether k-mer vectors are given, so that their settings are fixed.

    Raises:
      UserError: The file cannot be read, names a setting that cannot be searched, or
        leaves nothing to vary.
    """
    ready = given_vectors or start.model.one_hot
    searched = {
        name: part
        for name, part in parts().items()
        if not (ready and part == "vectors")
        and not (part == "model" and not start.model.reads(name))
    }
    defaults = _widths_around(start) | {
        name: _including(domain, start_value(start, name))
        for name, domain in DEFAULT_SPACE.items()
    }
    space = {name: domain for name, domain in defaults.items() if name in searched}
    for name, entry in (_read(path) if path else {}).items():
        if name not in searched:
            raise UserError(
                f"{path}: no setting {name!r} to search; there are: "
                f"{', '.join(searched)}."
            )
        space.pop(name, None)
        if entry != "fixed":
            try:
                space[name] = _parsed(entry, name, start)
            except UserError as error:
                raise UserError(f"{path}: {name}: {error}") from error
    if not space:
        raise UserError(f"{path} leaves nothing to search.")
    return space


def _widths_around(start: RunConfig) -> Space:
    """Returns choices around the starting widths of the convolutions."""
    choices = {
        name: [
            tuple(max(1, round(factor * width)) for width in start_value(start, name))
            for factor in factors
        ]
        for name, factors in _FACTORS.items()
    }
    return {
        name: Choices(tuple(dict.fromkeys(widths)))
        for name, widths in choices.items()
        if start_value(start, name)
    }


def _including(domain: Domain, value: Any) -> Domain:
    """Returns a domain of the default space, widened to a starting value."""
    if isinstance(domain, Choices):
        return Choices(tuple(sorted({*domain.values, value})))
    return dataclasses.replace(
        domain, min=min(domain.min, value), max=max(domain.max, value)
    )


def _read(path: Path) -> dict[str, Any]:
    """Reads a space file."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # Python 3.10 has no parser of its own.
        import tomli as tomllib
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read the space {path}: {error}.") from error
    parse = json.loads if path.suffix.lower() == ".json" else tomllib.loads
    try:
        entries = parse(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is neither TOML nor JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected settings by name, got {entries!r}.")
    return entries


def _parsed(entry: Any, name: str, start: RunConfig) -> Domain:
    """Returns the domain that an entry of a space file describes."""
    first = start_value(start, name)
    if isinstance(entry, list):
        values = tuple(_checked(value, name, start) for value in entry)
        domain: Domain = Choices(values)
        includes_first = first in values
    elif isinstance(entry, dict):
        domain = limits = _range(entry, name, start)
        includes_first = limits.min <= first <= limits.max
    else:
        raise UserError(
            "expected a list of values, a range such as {min = 1, max = 2}, or "
            f'"fixed", got {entry!r}.'
        )
    if not includes_first:
        raise UserError(
            f"the search starts at {first}, which {entry} does not include; add it, or "
            f"start at another `{name}`."
        )
    return domain


def _range(entry: dict[str, Any], name: str, start: RunConfig) -> Range:
    """Returns the range that an entry of a space file describes."""
    kind = type(start_value(start, name))
    if kind not in (int, float):
        raise UserError("not a number; give a list of values.")
    if not {"min", "max"} <= set(entry) <= {"min", "max", "step", "sampling"}:
        raise UserError("a range has min and max, and may have step and sampling.")
    step = entry.get("step")
    if step is not None and type(step) not in (int, kind):
        raise UserError(f"step must be {kind.__name__}, got {step!r}.")
    ends = {end: _checked(entry[end], name, start) for end in ("min", "max")}
    return Range(**{**entry, **ends})


def _checked(value: Any, name: str, start: RunConfig) -> Any:
    """Returns a value with the type of its setting, if the config accepts it."""
    part = parts()[name]
    before = getattr(start, part)
    settings = json.loads(json.dumps(dataclasses.asdict(before)))  # lists, no tuples
    checked = config.from_dict(type(before), {**settings, name: value}, part)
    return getattr(checked, name)
