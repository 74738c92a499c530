"""The space of a search: which settings vary, and from sampled values to settings.

A setting varies over `Choices` or over a `Range`; all others stay at the value that the
search starts from. That value is always part of the space: it is the first trial.

A file narrows or widens the default space, as TOML or JSON, a setting a line:

    filters = [[128, 64, 32], [64, 32, 16]]                  # choices
    learning_rate = {min = 1e-4, max = 3e-3, sampling = "log"}
    batch_size = "fixed"                                     # stays where it starts
"""

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError

if TYPE_CHECKING:
    import keras_tuner


@dataclasses.dataclass(frozen=True)
class Choices:
    """A setting takes one of some values."""

    values: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Range:
    """A setting takes a number between two, both included."""

    min: int | float
    max: int | float
    step: int | float | None = None
    sampling: Literal["linear", "log"] = "linear"


Space = dict[str, Choices | Range]

# Factors of the widths that the search starts from, whatever their number.
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

# Another seed is other luck, not a better setting; how long to train is asked for.
_NOT_SEARCHED = (
    "seed",
    "epochs",
    "min_steps",
    "patience",
    "min_epochs",
    "network",
    "one_hot",
)


def parts() -> dict[str, str]:
    """Returns the settings that can be searched, each with its part of `RunConfig`."""
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
    changed: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        changed.setdefault(parts()[name], {})[name] = value
    replaced = {
        part: dataclasses.replace(getattr(start, part), **settings)
        for part, settings in changed.items()
    }
    return dataclasses.replace(start, **replaced)


def sample(
    hyperparameters: "keras_tuner.HyperParameters", space: Space, start: RunConfig
) -> RunConfig:
    """Declares the space to KerasTuner, and reads the values it chose.

    Args:
      hyperparameters: Of a trial; or empty ones, which then hold the space and give
        the starting settings.
      space: What varies.
      start: All other settings, and the defaults of these.

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
            chosen = hyperparameters.Choice(
                name, list(by_text), default=json.dumps(default)
            )
            values[name] = by_text[chosen]
        else:
            is_int = isinstance(default, int)
            number = hyperparameters.Int if is_int else hyperparameters.Float
            values[name] = number(
                name,
                min_value=domain.min,
                max_value=domain.max,
                step=domain.step,
                sampling=domain.sampling,
                default=default,
            )
    return with_values(start, values)


def space_around(start: RunConfig, path: Path | None, given_vectors: bool) -> Space:
    """Returns the space of a search.

    Args:
      start: Where it starts; what the default space lacks of it is added.
      path: The user's file, if there is one.
      given_vectors: Whether the k-mer vectors come ready: then theirs do not vary.

    Raises:
      UserError: The file cannot be read, or names what cannot be searched; nothing is
        left to vary.
    """
    ready = given_vectors or start.model.one_hot
    searched = {
        name: part
        for name, part in parts().items()
        if not (ready and part == "vectors")
        and not (part == "model" and not start.model.reads(name))
    }
    space = {
        name: _including(domain, start_value(start, name))
        for name, domain in DEFAULT_SPACE.items()
    }
    space = {
        name: domain
        for name, domain in (_widths_around(start) | space).items()
        if name in searched
    }
    for name, entry in (_read(path) if path else {}).items():
        source = f"{path}: {name}"
        if name not in searched:
            raise UserError(
                f"{path}: no setting {name!r} to search; there are: "
                f"{', '.join(searched)}."
            )
        space.pop(name, None)
        if entry != "fixed":
            space[name] = _parsed(entry, name, start, source)
    if not space:
        raise UserError(f"{path} leaves nothing to search.")
    return space


def _widths_around(start: RunConfig) -> Space:
    """Returns choices for the widths of the convolutions that a config names."""
    return {
        name: Choices(
            tuple(
                dict.fromkeys(
                    tuple(max(1, round(factor * width)) for width in widths)
                    for factor in factors
                )
            )
        )
        for name, factors in _FACTORS.items()
        if (widths := start_value(start, name))
    }


def _including(domain: Choices | Range, value: Any) -> Choices | Range:
    """Returns a domain of the default space, widened to a starting value."""
    if isinstance(domain, Choices):
        return Choices(tuple(sorted({*domain.values, value})))
    return dataclasses.replace(
        domain, min=min(domain.min, value), max=max(domain.max, value)
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read the space {path}: {error}.") from error
    try:
        is_json = path.suffix.lower() == ".json"
        entries = json.loads(text) if is_json else _toml(text)
    except ValueError as error:
        raise UserError(f"{path} is neither TOML nor JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected settings by name, got {entries!r}.")
    return entries


def _toml(text: str) -> dict[str, Any]:
    # Python 3.10 has no parser of its own.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _parsed(entry: Any, name: str, start: RunConfig, source: str) -> Choices | Range:
    """Returns the domain that an entry of a file stands for."""
    if isinstance(entry, list):
        return _choices(entry, name, start, source)
    if isinstance(entry, dict):
        return _range(entry, name, start, source)
    raise UserError(
        f"{source}: expected a list of values, a range such as "
        f'{{min = 1, max = 2}}, or "fixed", got {entry!r}.'
    )


def _choices(entry: list[Any], name: str, start: RunConfig, source: str) -> Choices:
    values = tuple(_checked(value, name, start, source) for value in entry)
    first = start_value(start, name)
    if first not in values:
        raise UserError(
            f"{source}: the search starts from {first}, which is not among "
            f"{entry}; add it, or start from another (--{name.replace('_', '-')})."
        )
    if len(values) != len({json.dumps(value) for value in values}):
        raise UserError(f"{source}: {entry} names a value twice.")
    return Choices(values)


def _range(entry: dict[str, Any], name: str, start: RunConfig, source: str) -> Range:
    known = [field.name for field in dataclasses.fields(Range)]
    if not {"min", "max"} <= set(entry) <= set(known):
        raise UserError(f"{source}: a range has min and max, and may have {known[2:]}.")
    first = start_value(start, name)
    if type(first) not in (int, float):
        raise UserError(f"{source} is no number; give a list of values.")
    low, high = (_checked(entry[end], name, start, source) for end in ("min", "max"))
    if not low <= first <= high or low == high:
        raise UserError(
            f"{source}: the search starts from {first}, which a range must include; it "
            f"is from {low} to {high}."
        )
    domain = Range(low, high, entry.get("step"), entry.get("sampling", "linear"))
    if domain.sampling not in ("linear", "log"):
        raise UserError(
            f'{source}: sampling is "linear" or "log", got {domain.sampling!r}.'
        )
    if domain.sampling == "log" and low <= 0:
        raise UserError(f"{source}: a log range must begin above 0, not at {low}.")
    least = 1 if domain.sampling == "log" else 0
    if domain.step is not None and (
        type(domain.step) not in (int, type(first)) or domain.step <= least
    ):
        raise UserError(
            f"{source}: step must be {type(first).__name__} above {least}, got "
            f"{domain.step!r}."
        )
    return domain


def _checked(value: Any, name: str, start: RunConfig, source: str) -> Any:
    """Returns a value as the setting has it; the config says whether it may be."""
    settings = json.loads(json.dumps(dataclasses.asdict(start)))
    settings[parts()[name]][name] = value
    return start_value(config.from_dict(RunConfig, settings, source), name)
