"""What is sent to a server and what it answers: believed only in the form of an export.

A URL, the signature that is asked, and the outputs of it, whichever the protocol is.
"""

import math
import re
from typing import Any, TypeAlias

from deeprke_tf.errors import UserError

SIGNATURE = "serving_default"
PROBABILITY = "probability"
CALIBRATED = "calibrated_probability"
SD = "probability_sd"

Inputs: TypeAlias = dict[str, list[str]]

_LONGEST_SHOWN = 200  # characters of what a server answered


def matched_url(url: str, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
    """Returns the parts of a model's URL.

    Raises:
      UserError: It is not of the form of the pattern; says what was expected.
    """
    parts = pattern.fullmatch(url)
    if not parts:
        raise UserError(f"--server {url} is not a served model; expected {expected}.")
    return parts


def tried(n_tries: int) -> str:
    """Returns what an error says, at its end, of the number of tries.

    >>> tried(1), tried(3)
    ('', '; tried 3 times')
    """
    return f"; tried {n_tries} times" if n_tries > 1 else ""


def describe_model(signatures: Any, url: str) -> tuple[bool, tuple[str, ...]]:
    """Returns whether a model takes structures, and the outputs to ask it for.

    Args:
      signatures: By name, as SignatureDef messages are in JSON.
      url: Of the model, for the error.

    Raises:
      UserError: The model is not one of `deeprke export`.
    """
    try:
        signature = signatures[SIGNATURE]
        inputs = {name: i["dtype"] for name, i in signature["inputs"].items()}
        outputs = {name: o["dtype"] for name, o in signature["outputs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{url} does not serve a model of `deeprke export`: it has no signature "
            f"{SIGNATURE}."
        ) from error
    texts = dict.fromkeys(["sequence", "dot_bracket"], "DT_STRING")
    structure = "dot_bracket" in inputs
    if not structure:
        del texts["dot_bracket"]
    # The first versions of the package exported no calibrated probability, and only an
    # ensemble has a standard deviation.
    asked = [PROBABILITY, *(name for name in (CALIBRATED, SD) if name in outputs)]
    if inputs != texts or any(outputs.get(name) != "DT_FLOAT" for name in asked):
        raise UserError(
            f"{url} does not serve a model of `deeprke export`: {SIGNATURE} takes "
            f"{', '.join(inputs) or 'nothing'} and gives "
            f"{', '.join(outputs) or 'nothing'}."
        )
    return structure, tuple(asked)


def checked(answer: Any, n_sites: int, url: str) -> list[float]:
    """Returns the probabilities of an output, NaN for rows that are no site.

    >>> checked([[0.25], [float("nan")]], n_sites=2, url="")
    [0.25, nan]

    Raises:
      UserError: It is not one row with one probability for each site.
    """
    rows = answer if isinstance(answer, list) else []
    probabilities = [
        row[0]
        for row in rows
        if isinstance(row, list) and len(row) == 1 and type(row[0]) in (int, float)
    ]
    if not len(probabilities) == len(rows) == n_sites:
        raise UserError(
            f"{url} answered {shorten(str(answer))} for {n_sites} sites; expected "
            "rows of one probability, as many as sites."
        )
    for probability in probabilities:
        if not (0 <= probability <= 1 or math.isnan(probability)):
            raise UserError(f"{url} answered a probability of {probability}.")
    return probabilities


def shorten(text: str) -> str:
    """Returns what a server answered as one line that a terminal can show."""
    text = " ".join(text.split())
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 3] + "..."
    return "".join(letter if letter.isprintable() else "?" for letter in text)
