"""The settings of a training: a preset or a file, and single settings by name."""

import argparse
import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import config, presets
from deeprke_tf.config import ModelConfig, RunConfig, VectorConfig
from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog, layout

# The dataset that comes with the package, to try it with.
SAMPLE = Path("tfrecords/sample")

# What a training on few sites starts from, by default.
FOR_FEW_SITES = Path("rbp31")
_FEW_SITES = 3_000
_NO_STRUCTURE = "deeprke-no-structure"
# The rates that were best on validation (docs/few-sites.md, docs/joint.md).
_BODY_RATE_OF_FEW, _BODY_RATE = 0.1, 0.3


def run_config(
    preset: str | None = None,
    base: str | os.PathLike[str] | RunConfig | None = None,
    given: Mapping[str, Any] = {},
) -> RunConfig:
    """Returns the settings of a preset or a file, with single ones replaced.

    >>> run_config("paper", given={"epochs": 2, "filters": [8, 6, 4]}).model.filters
    (8, 6, 4)

    Args:
      preset: Name of a preset; None: the default one.
      base: In place of a preset: settings, or a file of them.
      given: Settings by name. `epochs` without `min_steps` sets `min_steps` to 0, so
        that the epochs are not raised.

    Raises:
      UserError: No such preset or setting, a preset and a base, or a value that is
        not allowed.
    """
    if base is None:
        settings = presets.preset(presets.DEFAULT if preset is None else preset)
    elif preset is not None:
        raise UserError(
            f"Give `preset`, here {preset!r}, or `config`, not both: each has all "
            "settings. Single settings can be given with either."
        )
    elif isinstance(base, RunConfig):
        settings = base
    else:
        settings = config.load(RunConfig, Path(base))
    if "epochs" in given:
        given = {"min_steps": 0, **given}
    parts = {
        field.name: dataclasses.asdict(getattr(settings, field.name))
        for field in dataclasses.fields(RunConfig)
    }
    known = {name: part for part in parts.values() for name in part}
    for name, value in given.items():
        if name not in known:
            likely = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean `{likely[0]}`?" if likely else f"known: {[*known]}."
            raise UserError(f"No setting {name!r}; {advice}")
        known[name][name] = value
    return config.from_dict(RunConfig, _as_json(parts), "settings")


def fine_tuning_settings(source: RunConfig, info: Dataset | None) -> RunConfig:
    """Returns the default settings of a training that starts from another run.

    Args:
      source: Settings of that run; network and vectors are taken from it.
      info: The dataset, on whose number of sites `body_rate` depends, if it is known.
    """
    is_large = info is not None and info.split("train").n_sites >= _FEW_SITES
    rate = _BODY_RATE if is_large else _BODY_RATE_OF_FEW
    train = dataclasses.replace(
        presets.preset(presets.DEFAULT).train, frozen_epochs=2, body_rate=rate
    )
    return RunConfig(source.model, source.vectors, train)


def defaults_of(argv: Sequence[str]) -> dict[str, Any]:
    """Returns the defaults of the common flags of `train` and `tune`, by name.

    They come from the preset or the file that the arguments name. With --epochs and
    without --min-steps, `min_steps` is 0: the epochs given are not raised.

    Raises:
      UserError: No such preset, a preset and a file, or a file that cannot be used.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset")
    first.add_argument("--config", type=Path)
    first.add_argument("--init-from", "--init_from", type=Path)
    first.add_argument("--epochs")
    first.add_argument("--min-steps", "--min_steps")
    given, _rest = first.parse_known_args(argv)
    is_raised = given.epochs is None or given.min_steps is not None
    single = {} if is_raised else {"min_steps": 0}
    base = given.config
    if given.init_from and not (given.preset or base):
        directory = catalog.resolve(given.init_from)
        source = config.load(RunConfig, directory / layout.CONFIG)
        infos = _datasets(_data_and_names(argv)[0])
        base = fine_tuning_settings(source, infos[0] if len(infos) == 1 else None)
    settings = run_config(given.preset, base, single)
    preset = given.preset or presets.DEFAULT
    return {"preset": preset, "config": given.config, **vars(settings)}


def are_few(info: Dataset) -> bool:
    """Tells whether training sites are so few that another network helps."""
    n_sites = info.split("train").n_sites
    return n_sites < _FEW_SITES and info.encoding.k == Encoding().k


def defaults_of_data(argv: Sequence[str]) -> dict[str, Any]:
    """Returns `defaults_of` the arguments, with a preset that suits their datasets.

    Where none of them has structure, and no settings are named, it is one that reads
    none.

    Raises:
      UserError: As for `defaults_of`.
    """
    return defaults_of([*argv, *_preset_for(argv)])


def defaults_of_train(argv: Sequence[str]) -> dict[str, Any]:
    """Returns the defaults of the flags of `train`, by name, that suit its datasets.

    They are those of `defaults_of_data`. Only for a single dataset of few sites without
    structure they are two networks, one from scratch and one from the packaged model,
    unless the arguments choose the network themselves.

    Raises:
      UserError: As for `defaults_of`.
    """
    data, given = _data_and_names(argv)
    shape = {f.name.replace("_", "-") for f in dataclasses.fields(ModelConfig)}
    shape |= {f"no-{name}" for name in shape}
    shape |= {f.name.replace("_", "-") for f in dataclasses.fields(VectorConfig)}
    infos = _datasets(data)
    if (
        not _preset_for(argv)
        or given & {"joint", "ensemble", "vectors-from", *shape}
        or len(infos) != 1
        or description.is_pattern(data[0])
        or not are_few(infos[0])
    ):
        return defaults_of_data(argv)
    from_packaged = defaults_of([*argv, "--init-from", str(FOR_FEW_SITES)])
    added = {"preset": _NO_STRUCTURE, "init_from": FOR_FEW_SITES, "ensemble": 2}
    return from_packaged | added


def _preset_for(argv: Sequence[str]) -> list[str]:
    """Returns the argument that names a preset without structure, where it is needed.

    That is where no dataset has structure, and the arguments name no settings.
    """
    data, given = _data_and_names(argv)
    infos = _datasets(data)
    is_named = given & {"preset", "config", "init-from"}
    if is_named or not infos or any(info.has_structure for info in infos):
        return []
    return ["--preset", _NO_STRUCTURE]


def _datasets(data: Sequence[Path]) -> list[Dataset]:
    """Reads datasets; returns none where one cannot be read.

    That is told where they are read to train on them.
    """
    try:
        return [description.read(d) for d in description.find(data)] if data else []
    except UserError:
        return []


def _data_and_names(argv: Sequence[str]) -> tuple[list[Path], set[str]]:
    """Returns the datasets of the arguments, and the names of all flags."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--data", type=Path, nargs="*", default=[])
    flags = (text.partition("=")[0] for text in argv if text.startswith("--"))
    names = {flag.lstrip("-").replace("_", "-") for flag in flags}
    return first.parse_known_args(argv)[0].data, names


def as_given(value: Any) -> str:
    """Returns the value of a setting as a command takes it.

    >>> as_given((8, 6)), as_given(0.5)
    ('8 6', '0.5')
    """
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _as_json(value: Any) -> Any:
    """Returns settings with lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
