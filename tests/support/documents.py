"""Sessions in the documents: commands, and what is shown of their output.

Tests run `console` blocks; `make docs-outputs` also runs `shell-session` blocks, which
take longer. A line that begins with `$` is a command; lines below it show some lines of
its output, in their order, and `...` lines that are left out.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

LANGUAGES = ("console", "shell-session")
LEFT_OUT = "..."
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>\S*)")
# Of progress bars, TensorFlow and its compiler.
_NOISE = re.compile(r"\d+%\||\d+(site|nt|window)s? \[|it/s\]|^[IWE]0000 |^WARNING: All")


@dataclass
class Session:
    """A command, and lines of its output.

    Attributes:
      command: With its continued lines, without the `$`.
      shown: Lines of the output that the page shows.
      first: Index of the first of these lines in the page.
    """

    command: str
    shown: list[str] = field(default_factory=list)
    first: int = 0


def sessions(lines: list[str], languages: Sequence[str]) -> list[Session]:
    """Returns the commands of a page's blocks in some languages."""
    found, inside, continues = [], "", False
    for i, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence:
            inside = "" if inside else fence["language"] or "-"
            continues = False
        elif inside not in languages:
            continue
        elif line.startswith("$ "):
            found.append(Session(line.removeprefix("$ "), [], i + 1))
            continues = line.endswith("\\")
        elif continues:
            found[-1].command += "\n" + line
            found[-1].first = i + 1
            continues = line.endswith("\\")
        elif found:
            found[-1].shown.append(line)
    return found


def printed(output: str) -> list[str]:
    """Returns the lines of an output as a terminal shows them, without seconds."""
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in output.split("\n")]
    lines = [re.sub(r", \d+(\.\d+)? s$", "", line) for line in lines]
    return [line for line in lines if not _NOISE.search(line)]


def missing_line(shown: list[str], output: list[str]) -> str | None:
    """Returns the first shown line that is not in the output, in order; None if none.

    >>> missing_line(["a", "...", "c"], ["a", "b", "c"])
    >>> missing_line(["c", "a"], ["a", "b", "c"])
    'a'
    """
    rest = iter(output)
    for line in shown:
        if line and line != LEFT_OUT and line.rstrip() not in rest:
            return line
    return None


def refreshed(shown: list[str], output: list[str]) -> tuple[list[str], list[str]]:
    """Returns shown lines with the numbers of a new output, and those it lacks.

    Each line becomes the line of the output that is most like it, after the line
    before.

    >>> refreshed(["AUROC 0.9", "...", "wrote a"], ["AUROC 0.8", "MCC 0.5", "wrote a"])
    (['AUROC 0.8', '...', 'wrote a'], [])
    >>> refreshed(["    ]", "]"], ["  ]", "    ]", "]"])
    (['    ]', ']'], [])
    """
    fresh, lost, at = [], [], 0
    for line in shown:
        if line and line != LEFT_OUT:
            alike = [_likeness(line, other) for other in output[at:]]
            if not alike or max(alike)[0] < 0.6:
                lost.append(line)
            else:
                at += alike.index(max(alike)) + 1
                line = output[at - 1]
        fresh.append(line)
    return fresh, lost


def _likeness(line: str, other: str) -> tuple[float, float, bool]:
    """Returns how alike two lines are.

    But for their numbers, and with them, from 0 to 1; and whether they are the same,
    indentation included.
    """
    words, others = (re.sub(r"[\d.,]+", "0", text).split() for text in (line, other))
    alike = _ratio(line.split(), other.split())
    return _ratio(words, others), alike, line == other


def _ratio(words: list[str], others: list[str]) -> float:
    return difflib.SequenceMatcher(None, words, others, autojunk=False).ratio()
