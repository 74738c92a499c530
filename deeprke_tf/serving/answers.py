"""Validation of a server's URL, signatures and answers, the same for REST and gRPC."""

import re
from typing import Any, TypeAlias

from deeprke_tf.errors import UserError

SIGNATURE = "serving_default"
# Of a joint model: gives the names of its RBPs.
RBPS_SIGNATURE = "rbps"
PROBABILITY = "probability"
CALIBRATED = "calibrated_probability"
SD = "probability_sd"

Inputs: TypeAlias = dict[str, list[str]]

# Larger than any answer of TF Serving: about 100 bytes per site, and metadata.
LARGEST_ANSWER = 64 << 20  # bytes
_LONGEST_SHOWN = 200  # characters of what a server answered


def matched_url(url: str, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
    """Returns the parts of a model's URL.

    Raises:
      UserError: The URL does not match the pattern; says what was expected.
    """
    # Half of a surrogate pair, as bytes that are no UTF-8 become, cannot be sent.
    parts = pattern.fullmatch(url) if url.isprintable() else None
    if not parts:
        raise UserError(
            f"`server={shorten(url)}` is no URL of a served model; expected {expected}."
        )
    return parts


def describe_model(signatures: Any, url: str) -> tuple[bool, tuple[str, ...]]:
    """Returns whether a model takes structures, and which outputs to ask for.

    Args:
      signatures: SignatureDef messages as JSON, by name.
      url: URL of the model, for the error.

    Raises:
      UserError: `deeprke export` did not write this model.
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
    # Early exports lack the calibrated probability; only ensembles have a standard
    # deviation.
    asked = [PROBABILITY, *(name for name in (CALIBRATED, SD) if name in outputs)]
    if inputs != texts or any(outputs.get(name) != "DT_FLOAT" for name in asked):
        raise UserError(
            f"{url} does not serve a model of `deeprke export`: {SIGNATURE} takes "
            f"{shorten(', '.join(inputs)) or 'nothing'} and gives "
            f"{shorten(', '.join(outputs)) or 'nothing'}."
        )
    return structure, tuple(asked)


def checked(answer: Any, n_sites: int, url: str, n_rbps: int = 1) -> list[list[float]]:
    """Returns the rows of one output; NaN in rows that are no valid site.

    >>> checked([[0.25], [float("nan")]], n_sites=2, url="")
    [[0.25], [nan]]

    Raises:
      UserError: The output does not have one probability for each site and RBP.
    """
    rows = answer if isinstance(answer, list) else []
    is_right = len(rows) == n_sites and all(
        isinstance(row, list)
        and len(row) == n_rbps
        and all(type(value) in (int, float) for value in row)
        for row in rows
    )
    if not is_right:
        many = f"{n_rbps} probabilities" if n_rbps > 1 else "one probability"
        raise UserError(
            f"{url} answered {shorten(str(answer))} for {n_sites} sites; expected "
            f"rows of {many}, as many as sites."
        )
    for row in rows:
        for probability in row:
            # Not isnan, which fails for integers of hundreds of digits.
            if not (0 <= probability <= 1 or probability != probability):
                raise UserError(
                    f"{url} answered a probability of {shorten(str(probability))}."
                )
    return rows


def checked_names(answer: Any, url: str) -> tuple[str, ...]:
    """Returns the names of the RBPs of a joint model.

    >>> checked_names([["QKI", "PUM2"]], url="")
    ('QKI', 'PUM2')

    Raises:
      UserError: The answer is no row of different names.
    """
    row = answer[0] if isinstance(answer, list) and len(answer) == 1 else None
    names = row if isinstance(row, list) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise UserError(
            f"{url} answered {shorten(str(answer))}; expected the names of its RBPs."
        )
    if len(set(names)) < len(names):
        raise UserError(f"{url} has two RBPs of one name: {shorten(str(names))}.")
    return tuple(names)


def too_large(url: str) -> UserError:
    """Returns the error for an answer of more than `LARGEST_ANSWER` bytes."""
    return UserError(
        f"{url} answered more than {LARGEST_ANSWER >> 20} MiB: it is no model of "
        "`deeprke export`."
    )


def shorten(text: str) -> str:
    """Returns the text of a server as one short, printable line."""
    text = " ".join(text.split())
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 3] + "..."
    return "".join(letter if letter.isprintable() else "?" for letter in text)
