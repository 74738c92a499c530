"""Prints a script that completes commands and flags in a shell.

deeprke completion bash > ~/.local/share/bash-completion/completions/deeprke
"""

import contextlib
import dataclasses
import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from deeprke_tf import cli


@dataclasses.dataclass(frozen=True)
class CompletionFlags:
    """Prints a script of shell completion for `deeprke`.

    bash: deeprke completion bash > ~/.local/share/bash-completion/completions/deeprke

    zsh: deeprke completion zsh > ~/.zfunc/_deeprke, with ~/.zfunc in $fpath

    tcsh: source the output.

    A new shell then completes commands, flags and file names.
    """

    shell: Annotated[Literal["bash", "zsh", "tcsh"], tyro.conf.Positional]
    """The shell that you use."""


def flags_of(command: str) -> type:
    """Returns the dataclass of a command's flags."""
    module = importlib.import_module(cli.COMMANDS[command][0])
    return getattr(module, f"{command.capitalize()}Flags")


def print_completion(flags: CompletionFlags) -> None:
    """Prints the script of a shell, which tyro makes from the flags of all commands."""
    with contextlib.suppress(SystemExit):  # How tyro ends.
        tyro.extras.subcommand_cli_from_dict(
            {command: flags_of(command) for command in cli.COMMANDS},
            prog="deeprke",
            args=["--tyro-print-completion", flags.shell],
            config=cli.TYRO_SETTINGS,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("completion", CompletionFlags, print_completion, argv)


if __name__ == "__main__":
    sys.exit(main())
