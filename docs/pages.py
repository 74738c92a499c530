"""Pages that are made of other files: commands, from their flags, and copied pages.

Both are written before Sphinx looks for pages, and are not under version control.
"""

import contextlib
import dataclasses
import importlib
import os
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import tyro

from deeprke_tf import cli
from deeprke_tf.system.messages import arguments_of, dataclasses_in

# Pages that lie elsewhere in the repository, and what they are called on the site.
COPIED = {
    "CONTRIBUTING.md": "copied/contributing.md",
    "CHANGELOG.md": "copied/changelog.md",
    "CODE_OF_CONDUCT.md": "copied/code_of_conduct.md",
    "SECURITY.md": "copied/security.md",
    "benchmarks/README.md": "copied/benchmarks.md",
    "tfrecords/README.md": "copied/records.md",
}
# The page that explains a command by example.
GUIDES = {
    "audit": "tutorial.md",
    "benchmark": "benchmark.md",
    "crossvalidate": "crossvalidate.md",
    "doctor": "devices.md",
    "evaluate": "tutorial.md",
    "explain": "explaining.md",
    "export": "serving.md",
    "extract": "extract.md",
    "models": "models.md",
    "panel": "panel.md",
    "predict": "threshold.md",
    "preprocess": "sites.md",
    "report": "report.md",
    "run": "tutorial.md",
    "scan": "scan.md",
    "train": "presets.md",
    "tune": "tune.md",
    "variants": "variants.md",
    "vectors": "presets.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?://|mailto:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def write(docs: Path) -> None:
    """Writes the page of each command, and the copies of pages from other folders."""
    for command in cli.COMMANDS:
        _write(docs / "commands" / f"{command}.md", command_page(command))
    for source, target in COPIED.items():
        text = (docs.parent / source).read_text(encoding="utf-8")
        _write(docs / target, with_links(text, docs.parent / source, docs / target))


def _write(path: Path, text: str) -> None:
    """Writes a file unless it has this text, so that Sphinx reads it only if new."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


# === Links ===


def mend_links(app, name: str, source: list[str]) -> None:
    """Leads links out of docs/ to the copies; for Sphinx's event `source-read`."""
    page = Path(app.env.doc2path(name))
    if page.suffix == ".md" and page.parent.name != "copied":
        source[0] = with_links(source[0], page, page)


def with_links(text: str, origin: Path, place: Path) -> str:
    """Returns a page with links as they are where it lies on the site.

    Args:
      text: The page, in Markdown.
      origin: Where it lies in the repository: its links are relative to that.
      place: Where Sphinx finds it.
    """
    docs = Path(__file__).parent

    def mended(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(origin.parent / match[1]))
        inside = os.path.relpath(target, docs.parent)
        if inside in COPIED:
            target = docs / COPIED[inside]
        elif inside == "README.md":
            target = docs / "index.md"
        return os.path.relpath(target, place.parent) + (match[2] or "")

    return _LINK.sub(mended, text)


def mark_docstring(_app, _what, _name, _object, _options, lines: list[str]) -> None:
    """Marks code in a docstring as Sphinx wants it; for `autodoc-process-docstring`."""
    for i, line in enumerate(lines):
        if i and lines[i - 1] == "Returns:":
            # What is before a colon would be shown as a type.
            line = line.replace(": ", " \u2013 ", 1)
        lines[i] = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", line)


def set_dashes(_app, document) -> None:
    """Sets the dashes between an argument and its text; for `doctree-read`."""
    for node in list(document.findall()):
        if isinstance(node, str) and node == " -- ":
            node.parent.replace(node, type(node)(" \u2013 "))


# === Commands ===


@dataclasses.dataclass
class _Flag:
    """A flag as the help shows it."""

    usage: str
    text: str
    default: str  # a sentence, or nothing


def command_page(command: str) -> str:
    """Returns the page of a command, in Markdown, with all of its flags."""
    return "\n".join(_page_of(command)) + "\n"


def _page_of(command: str) -> Iterator[str]:
    """Yields the lines of a command's page."""
    flags_class, description, default = _parsed_by(command)
    flags, nested = _flags_of(flags_class, default)
    places = [flag.usage for flag in flags if not flag.usage.startswith("-")]
    usage = " ".join(["deeprke", command, *places, "[options]"])
    yield from (f"# deeprke {command}", "", "```sh", usage, "```", "")
    yield from (_escaped(description), "")
    if command in GUIDES:
        yield from (f"By example: [](../{GUIDES[command]}).", "")
    yield from ("## Options", "", *_listed(flags))
    for title, more in nested:
        yield from (f"## {title}", "", *_listed(more))


def _listed(flags: list[_Flag]) -> Iterator[str]:
    for flag in flags:
        yield from (f"`{flag.usage}`", f":   {_escaped(flag.text)} {flag.default}", "")


def _title(group: type) -> str:
    first = (group.__doc__ or group.__name__).strip().splitlines()[0]
    return _escaped(first.partition(";")[0].rstrip("."))


def _parsed_by(command: str) -> tuple[type, str, object]:
    """Returns what tyro makes the flags of: a class, its help, and an example."""
    module = importlib.import_module(cli.COMMANDS[command][0])
    with (
        mock.patch.object(tyro, "cli", side_effect=SystemExit) as parse,
        contextlib.suppress(SystemExit),
    ):
        module.main(["--help"])
    settings = parse.call_args.kwargs
    return parse.call_args.args[0], settings["description"], settings.get("default")


def _flags_of(
    flags_class: type, example: object
) -> tuple[list[_Flag], list[tuple[str, list[_Flag]]]]:
    """Returns the flags of a class, and those of each dataclass in it, with titles."""
    hints = typing.get_type_hints(flags_class, include_extras=True)
    names = arguments_of(flags_class)
    own, nested = [], []
    for field in dataclasses.fields(flags_class):
        default = getattr(example, field.name, field.default)
        hint = hints[field.name]
        if inside := list(dataclasses_in(hint)):
            for group in inside:
                inner, deeper = _flags_of(group, default)
                title = _title(group)
                if len(inside) > 1:  # subcommands
                    title = f"`{group.__name__.lower()}` – {title}"
                nested += [(title, inner), *deeper]
            continue
        usage = _usage(names[field.name], hint, default)
        own.append(_Flag(usage, field.metadata.get("help", ""), _shown(default)))
    return own, nested


def _usage(name: str, hint: object, default: object) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        hint, *marks = typing.get_args(hint)
        if any("Positional" in str(mark) for mark in marks):
            metavars = [getattr(mark, "metavar", None) for mark in marks]
            return next(filter(None, metavars), _value(hint))
    flag = f"--{name}"
    if hint is bool:
        return f"--no-{name}" if default is True else flag
    return f"{flag} {_value(hint)}"


def _value(hint: object) -> str:
    """Returns what follows a flag, such as `INT` or `INT INT`."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _value(inside[0])
    if origin in (typing.Union, types.UnionType):
        return "|".join(_value(one) for one in inside if one is not type(None))
    if origin is typing.Literal:
        return "{" + ",".join(map(str, inside)) + "}"
    if origin is tuple and inside[-1] is Ellipsis:
        return f"{_value(inside[0])} ..."
    if origin is tuple:
        return " ".join(map(_value, inside))
    return {"str": "TEXT", "PurePath": "PATH"}.get(hint.__name__, hint.__name__.upper())


def _shown(default: object) -> str:
    """Returns what the default is, where the text does not say it."""
    if default is dataclasses.MISSING:
        return "Required."
    if default is None or default == () or isinstance(default, bool):
        return ""
    values = default if isinstance(default, tuple) else (default,)
    return f"Default: `{' '.join(map(str, values))}`."


def _escaped(text: str) -> str:
    """Returns text in which Markdown finds no signs of its own, save backticks."""
    parts = re.split(r"(`[^`]*`|(?<![\w-])--[a-z][\w-]*)", text)
    parts[::2] = [re.sub(r"([<>*_\[\]#~])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"`{part.strip('`')}`" for part in parts[1::2]]  # Flags are code.
    return "".join(parts)
