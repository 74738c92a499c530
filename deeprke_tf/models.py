"""Lists the models that there are by name, shows their cards, and adds others.

python -m deeprke_tf.models
python -m deeprke_tf.models show rbp31
python -m deeprke_tf.models add runs/QKI --name QKI-K562
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg, subcommand

from deeprke_tf import cli
from deeprke_tf.errors import UserError
from deeprke_tf.runs import cards, catalog, layout, packing
from deeprke_tf.system.tables import text_table

Named = Annotated[str, Positional, arg(metavar="NAME")]


@dataclasses.dataclass(frozen=True)
class List:
    """Lists all models (what `deeprke models` does, too)."""


@dataclasses.dataclass(frozen=True)
class Show:
    """Prints the card of a model: its data, its measures, and what it is not for."""

    model: Named
    """Name of the model; NAME/RBP shows one RBP of it."""


@dataclasses.dataclass(frozen=True)
class Add:
    """Copies a finished run into your directory of models."""

    run: Annotated[Path, Positional, arg(metavar="RUN")]
    """Run, ensemble or joint run of `deeprke train`."""
    name: str
    """The name that --model takes from now on."""


@dataclasses.dataclass(frozen=True)
class Remove:
    """Deletes a model from your directory of models."""

    model: Named
    """Name of the model."""


@dataclasses.dataclass(frozen=True)
class Export:
    """Writes a model as one file, a zip archive, for others to import."""

    model: Named
    """Name of the model."""
    file: Annotated[Path, Positional, arg(metavar="FILE")]
    """File to write or replace."""


@dataclasses.dataclass(frozen=True)
class Import:
    """Adds a model from one file. Nothing in it is executed."""

    file: Annotated[Path, Positional, arg(metavar="FILE")]
    """File of `deeprke models export`."""
    name: str | None = None
    """Another name for the model."""


Action = (
    Annotated[List, subcommand("list")]
    | Annotated[Show, subcommand("show")]
    | Annotated[Add, subcommand("add")]
    | Annotated[Remove, subcommand("remove")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Import, subcommand("import")]
)


@dataclasses.dataclass(frozen=True)
class ModelsFlags:
    """Lists the models that --model takes by their names, and adds others.

    Models come with this package, or lie in your directory of models, which the
    variable DEEPRKE_MODELS names. NAME/RBP is one RBP of a model of many.
    """

    action: Annotated[Action, tyro.conf.OmitSubcommandPrefixes] = List()
    """What to do."""


def models(flags: ModelsFlags) -> None:
    """Does what the flags ask for, and says what was done.

    Raises:
      UserError: There is no such model, a name is taken, or a file is damaged.
    """
    print("\n".join(_done(flags.action)))


def _done(action: List | Show | Add | Remove | Export | Import) -> Iterator[str]:
    if isinstance(action, List):
        yield _listed()
    elif isinstance(action, Show):
        name, _, rbp = action.model.partition("/")
        entry = catalog.entry_of(name)
        fault = catalog.damage_of(entry.directory)
        with layout.damage_told(entry.directory):
            card = dataclasses.replace(cards.card_of(entry), fault=fault)
            text = cards.as_text(cards.of_rbp(card, rbp) if rbp else card)
        yield text
    elif isinstance(action, Add):
        entry = packing.add(action.run, action.name)
        yield f"added {entry.name}: {entry.directory}"
    elif isinstance(action, Remove):
        yield f"removed {packing.remove(action.model).directory}"
    elif isinstance(action, Export):
        packing.pack(catalog.entry_of(action.model), action.file)
        yield f"wrote {action.file}"
    else:
        entry = packing.unpack(action.file, action.name)
        yield f"added {entry.name}: {entry.directory}"


def _listed() -> str:
    rows = [["name", "RBPs", "source", "size", "mean AUROC"]]
    for entry in catalog.entries():
        try:
            with layout.damage_told(entry.directory):
                rows.append(_row_of(entry))
        except UserError as error:
            rows.append([entry.name, "–", entry.source, "–", str(error)])
    if len(rows) == 1:
        return "There are no models yet; `deeprke models add RUN --name NAME` adds one."
    return text_table(rows)


def _row_of(entry: catalog.Entry) -> list[str]:
    card = cards.card_of(entry)
    auroc, split = card.mean("auroc"), card.outputs[0].split
    measured = "–" if auroc is None else f"{auroc:.3f} ({split})"
    size = cards.size_of(card.n_bytes)
    return [entry.name, str(len(card.outputs)), entry.source, size, measured]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("models", ModelsFlags, models, argv)


if __name__ == "__main__":
    sys.exit(main())
