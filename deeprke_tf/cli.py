"""The command line: `deeprke <command>`, and what all commands have in common.

A command is a module with a dataclass of flags and `main(argv=None) -> int`, which
hands both to `run`. Heavy imports wait until the flags are parsed, so that `--help`
answers at once.
"""

import dataclasses
import difflib
import importlib
import inspect
import io
import os
import sys
import traceback
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.system import tensorflow
from deeprke_tf.system.messages import (
    arguments_of,
    dataclasses_in,
    messages_shown,
    visible,
    with_dashes,
)

Flags = TypeVar("Flags")

# One flag for each setting, by its own name, wherever it is nested.
TYRO_SETTINGS = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)

# By group, in the order in which a user meets them: module and summary.
GROUPS = {
    "all at once": {
        "run": ("deeprke_tf.run", "make a measured model of CLIP peaks"),
    },
    "data": {
        "simulate": ("deeprke_tf.simulate", "simulate sites with a planted motif"),
        "extract": ("deeprke_tf.extract", "cut sites around peaks out of a genome"),
        "audit": ("deeprke_tf.audit", "find shortcuts in a training set"),
        "preprocess": ("pipelines.preprocess", "fold sites and write TFRecords"),
        "vectors": ("deeprke_tf.vectors", "train k-mer vectors on your own corpus"),
    },
    "model": {
        "train": ("deeprke_tf.train", "train a model of one RBP, or of each of many"),
        "crossvalidate": ("deeprke_tf.cv_train", "cross-validate, then train on all"),
        "evaluate": ("deeprke_tf.evaluate", "measure a model on labelled records"),
        "tune": ("deeprke_tf.tune", "search for better hyperparameters"),
    },
    "use": {
        "models": ("deeprke_tf.models", "list models by name, show and add them"),
        "predict": ("deeprke_tf.predict", "give RNAs their binding probability"),
        "scan": ("deeprke_tf.scan", "find binding sites in RNAs of any length"),
        "panel": ("deeprke_tf.panel", "tell which RBPs of many bind your RNAs"),
        "export": ("deeprke_tf.export", "write a SavedModel for TF Serving"),
    },
    "understand": {
        "explain": ("deeprke_tf.explain", "show the motifs and loops a model reads"),
        "variants": ("deeprke_tf.variants", "tell what variants do to binding"),
        "report": ("deeprke_tf.report", "write a web page about a model"),
        "benchmark": ("deeprke_tf.benchmark", "run RBP-31 or RBP-24 and report"),
    },
    "this machine": {
        "doctor": ("deeprke_tf.doctor", "show devices, versions and speed"),
        "completion": ("deeprke_tf.completion", "print a script of shell completion"),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `deeprke <command> ...`; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        return _print(_overview())
    if arguments[0] == "--version":
        return _print(f"deeprke_tf {__version__}")
    if arguments[0] not in COMMANDS:
        print(f"deeprke: error: {_unknown_command(arguments[0])}", file=sys.stderr)
        return 2
    module, _summary = COMMANDS[arguments[0]]
    return importlib.import_module(module).main(arguments[1:])


def run(
    command: str,
    flags_class: type[Flags],
    action: Callable[[Flags], None],
    argv: Sequence[str] | None,
    *,
    default: Callable[[Sequence[str]], Flags] | None = None,
    uses_tensorflow: bool = False,
    unknown: list[str] | None = None,
    log_to_stderr: bool = False,
) -> int:
    """Parses the flags of a command and acts on them.

    Args:
      command: The command's name.
      flags_class: A dataclass; its docstring and its fields' are the help.
      action: What the command does.
      argv: Arguments without the program's name; `sys.argv` if None.
      default: Returns, from the arguments, the flags to start from.
      uses_tensorflow: Whether to load TensorFlow, quietly, before acting.
      unknown: Takes the arguments that are no flags; if None, they are an error.
      log_to_stderr: Whether messages of the library go to standard error, because the
        command writes its result to standard output.

    Returns:
      The exit status: 0, 1 after a `UserError`, 130 when interrupted. Flags that do
      not parse end the process with status 2.
    """
    # A file name may hold what the terminal cannot show: no reason to end.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams(arguments)
    verbose = "--verbose" in arguments
    if verbose:
        arguments.remove("--verbose")
    try:
        flags = _parsed(command, flags_class, arguments, default, unknown)
        if uses_tensorflow:
            tensorflow.import_tensorflow(verbose)
        stream = sys.stderr if log_to_stderr else sys.stdout
        with messages_shown(stream, arguments_of(flags_class), verbose):
            action(flags)
    except KeyboardInterrupt:
        print(f"deeprke {command}: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does: nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (UserError, OSError) as error:
        # A full disk or a lost network drive is no defect of the program.
        if verbose:
            traceback.print_exc()
        message = visible(_error_message(error, flags_class))
        print(f"deeprke {command}: error: {message}", file=sys.stderr)
        return 1
    return 0


def _parsed(
    command: str,
    flags_class: type[Flags],
    arguments: Sequence[str],
    default: Callable[[Sequence[str]], Flags] | None,
    unknown: list[str] | None,
) -> Flags:
    """Parses arguments by tyro; see `run`."""
    settings: dict[str, Any] = {
        "prog": f"deeprke {command}",
        "args": arguments,
        "config": TYRO_SETTINGS,
    }
    if default:
        settings["default"] = default(arguments)
    if {"-h", "--help"}.intersection(arguments):
        _unwrap_help(flags_class)
        paragraphs = (inspect.getdoc(flags_class) or "").split("\n\n")
        settings["description"] = "\n\n".join(map(_unwrapped, paragraphs))
    if unknown is None:
        return tyro.cli(flags_class, **settings)
    flags, rest = tyro.cli(flags_class, **settings, return_unknown_args=True)
    unknown.extend(rest)
    return flags


def _unwrap_help(flags_class: type) -> None:
    """Removes line breaks from docstrings of fields, of which tyro keeps some."""
    import docstring_parser  # takes time to load

    texts = {
        param.arg_name: param.description or ""
        for ancestor in filter(dataclasses.is_dataclass, flags_class.__mro__)
        for param in docstring_parser.parse_from_object(ancestor).params
    }
    for field in dataclasses.fields(flags_class):
        if field.name in texts:
            help_text = {"help": _unwrapped(texts[field.name])}
            field.metadata = types.MappingProxyType({**field.metadata, **help_text})
    for hint in typing.get_type_hints(flags_class).values():
        for nested in dataclasses_in(hint):
            _unwrap_help(nested)


def _unwrapped(text: str) -> str:
    return " ".join(text.split())


def _error_message(error: UserError | OSError, flags_class: type) -> str:
    if isinstance(error, UserError):
        return with_dashes(str(error), arguments_of(flags_class))
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _replace_closed_streams(arguments: Sequence[str]) -> None:
    """Replaces standard error, or standard output for a help text, if it is closed."""
    if sys.stderr is None:
        # `print` would write to standard output in its place.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None and {"-h", "--help"} & set(arguments):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def _print(text: str) -> int:
    """Prints to standard output; returns the exit status."""
    try:
        print(text, flush=True)
    except OSError as error:
        print(f"deeprke: error: {error.strerror}: standard output", file=sys.stderr)
        return 1
    return 0


def _unknown_command(name: str) -> str:
    """Returns the error message for a command that does not exist."""
    likely = difflib.get_close_matches(name.lower(), COMMANDS, n=1)
    advice = f"did you mean {likely[0]!r}?" if likely else "deeprke --help lists them."
    return f"no command {name!r}; {advice}"


def _overview() -> str:
    """Returns the help of `deeprke` itself: all commands by group."""
    width = max(map(len, COMMANDS))
    lines = [
        "usage: deeprke <command> [--verbose] [options]",
        "",
        "Where an RNA-binding protein binds, from RNA sequence and structure.",
    ]
    for group, commands in GROUPS.items():
        lines += ["", f"{group}:"]
        lines += [f"  {name:<{width}}  {text}" for name, (_, text) in commands.items()]
    lines += ["", "deeprke <command> --help lists its options; --version the version."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
