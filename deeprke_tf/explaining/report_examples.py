"""The sites of an explanation that a report shows: right calls and wrong ones."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from deeprke_tf.explaining.file_names import ATTRIBUTIONS
from deeprke_tf.explaining.report_quality import place
from deeprke_tf.explaining.report_sites import ExplainedSite
from deeprke_tf.system.arrays import read_arrays

# What is shown, by call and label, and how many of each; the surest calls first, but
# of missed sites the clearest ones.
_KINDS = {
    (True, 1): ("bound, found", 3),
    (True, 0): ("background, called bound", 2),
    (False, 1): ("bound, missed", 1),
    (True, -1): ("called bound, label not known", 3),
}


class _Example(NamedTuple):
    """Place of an explained site, its probability and its row of an evaluation."""

    i: int
    kind: str
    probability: float
    row: dict[str, Any]


def read_examples(explain: Path, sites: Any, threshold: float) -> list[ExplainedSite]:
    """Reads some explained sites, right calls and wrong ones.

    Args:
      explain: Directory of `deeprke explain`.
      sites: The predictions of an evaluation: sites of the same name have its
        probability and place; None: there is none.
      threshold: Probability from which a site is called bound.

    Raises:
      UserError: The attributions cannot be read.
    """
    arrays = read_arrays(explain / ATTRIBUTIONS)
    return [_site(arrays, example) for example in _chosen(arrays, sites, threshold)]


def _chosen(
    arrays: dict[str, np.ndarray], sites: Any, threshold: float
) -> list[_Example]:
    names = arrays["names"].tolist()
    rows: dict[str, dict[str, Any]] = {}
    if sites is not None:
        # A name that several sites have says nothing.
        known = sites[sites["name"].isin(names) & ~sites["name"].duplicated(False)]
        rows = {row["name"]: row for row in known.to_dict("records")}
    by_kind: dict[tuple[bool, int], list[_Example]] = {kind: [] for kind in _KINDS}
    for i, name in enumerate(names):
        row, label = rows.get(name, {}), int(arrays["labels"][i])
        if row and label not in (-1, row["label"]):
            row = {}  # another site of this name
        label = row.get("label", label)
        probability = row.get("probability", special.expit(arrays["log_odds"][i]))
        kind = (bool(probability >= threshold), label)
        if kind in by_kind:
            by_kind[kind].append(_Example(i, _KINDS[kind][0], probability, row))
    chosen = []
    for (called, label), examples in by_kind.items():
        sign = -1 if called else 1
        examples.sort(key=lambda example: (sign * example.probability, example.i))
        chosen += examples[: _KINDS[called, label][1]]
    return chosen


def _site(arrays: dict[str, np.ndarray], example: _Example) -> ExplainedSite:
    i, row = example.i, example.row
    start, end = arrays["offsets"][i : i + 2]
    facts = [
        ("place", place(row)),
        ("gene", str(row.get("gene", ""))),
        ("probability", f"{example.probability:.3f}"),
        ("log odds", f"{arrays['log_odds'][i]:.2f}"),
    ]
    return ExplainedSite(
        *(str(arrays["names"][i]), example.kind, [fact for fact in facts if fact[1]]),
        *(str(arrays["sequences"][i]), str(arrays["dot_brackets"][i]) or None),
        np.asarray(arrays["sequence"][start:end], np.float64),
        np.asarray(arrays["structure"][start:end], np.float64)
        if arrays["loop_contexts"][i]
        else None,
        np.asarray(arrays["sequence_sd"][start:end], np.float64)
        if "sequence_sd" in arrays
        else None,
    )
