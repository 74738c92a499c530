"""What an audit found, in plain words: a warning, or a note.

A protein cannot read the length of a window, its N, or where its end is: a rule about
these that works is a mark of how the data were made, and worth a warning. What the site
is made of, its structure and its middle may well be what the protein binds: worth a
note, because a model must do better than that rule to have learned more.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from deeprke_tf.auditing.rules import Rule
from deeprke_tf.rna.stretches import SHARED
from deeprke_tf.system import tables

# Share of sites with a stretch in common from which this is worth a note.
_MUCH_SHARED = 0.05

# Share of sites that have to be in two sets for a warning; fewer are worth a note.
_MANY_SHARED = 0.01

_NEAR_AN_EDGE = 5  # positions

_MEANING = {
    "length": (
        "no protein reads the length of a window: cut all sites to one length around "
        "their middle"
    ),
    "N": "no protein reads unknown letters: take sites without N in both classes",
    "edge": (
        "such a mark is left by the enzyme that cut the RNA, and a model that can tell "
        "where the end is reads it: mask these bases, or cut windows of one length "
        "around the middle of the site"
    ),
    "center": (
        "it may be the crosslinked base, or the motif where all sites are centered on "
        "it: a model must do better to have learned more"
    ),
    "position": "a model must do better to have learned more",
    "composition": (
        "it may be what the protein binds, or how the background was chosen: a model "
        "must do better to have learned more"
    ),
    "structure": (
        "it may be what the protein binds, or follow from the composition: a model "
        "must do better to have learned more"
    ),
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence or two.

    Attributes:
      is_warning: Whether it is a warning, not just a note.
      text: What was found and what it means.
    """

    is_warning: bool
    text: str


def findings(
    rules: Sequence[Rule], shared: dict[str, Any], threshold: float
) -> list[Finding]:
    """Returns what is worth saying, warnings first.

    Args:
      rules: All that were tried, the best first.
      shared: Of `overlap.overlaps`.
      threshold: AUROC from which a rule is worth a word.
    """
    found = _of_rules(rules, threshold) + _of_overlap(shared)
    return sorted(found, key=lambda finding: not finding.is_warning)


def _of_rules(rules: Sequence[Rule], threshold: float) -> list[Finding]:
    """One finding for each sort of rule: its best, and how many others there are."""
    by_sort: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        if rule.auroc > threshold:
            key = _sort(rule), rule.feature.anchor
            by_sort.setdefault(key, []).append(rule)
    found = []
    for (sort, _anchor), alike in by_sort.items():
        sure = [rule for rule in alike if rule.is_sure]
        if not sure:
            text = (
                f"{_capital(_named(alike[0]))}; with so few sites the best of "
                f"{len(rules)} rules may look so by luck."
            )
            found.append(Finding(False, text))
            continue
        others = f" {_others(len(sure) - 1, threshold)}" if len(sure) > 1 else ""
        text = (
            f"{_capital(_named(sure[0]))}: {sure[0].telling}.{others} "
            f"{_capital(_MEANING[sort])}."
        )
        found.append(Finding(sort in ("length", "N", "edge"), text))
    return found


def _others(n: int, threshold: float) -> str:
    verb = "rule of this sort exceeds" if n == 1 else "rules of this sort exceed"
    return f"{n} more {verb} {threshold:.2f}."


def _sort(rule: Rule) -> str:
    """Returns the key of `_MEANING` for a rule."""
    feature = rule.feature
    if feature.kind != "position":
        return feature.kind
    if feature.anchor == "center":
        return "center"
    return "edge" if abs(feature.offset) <= _NEAR_AN_EDGE else "position"


def _named(rule: Rule) -> str:
    low, high = rule.auroc_ci
    return (
        f"the {rule.feature.name} alone tells bound from background with an AUROC of "
        f"{rule.auroc:.3f} ({low:.3f} to {high:.3f})"
    )


def _of_overlap(shared: dict[str, Any]) -> list[Finding]:
    found = []
    for split in ("train", "test"):
        within = shared.get(split, {"sequences_in_both_classes": 0})
        if n := within["sequences_in_both_classes"]:
            text = f"{n} {split} sequences are in both classes."
            found.append(Finding(n > _MANY_SHARED * within["n_sites"], text))
    between = shared.get("train_test")
    if between is None:
        return found
    if n := between["sequences_in_both"]:
        text = (
            f"{n} sequences are in train and test, {between['of_other_class']} of them "
            "with another label: what was seen in training is tested."
        )
        found.append(Finding(n > _MANY_SHARED * shared["test"]["n_sites"], text))
    bound, background = between["bound_sharing"], between["background_sharing"]
    if max(bound, background) > _MUCH_SHARED:
        text = (
            f"{bound:.0%} of the bound and {background:.0%} of the background test "
            f"sites share {SHARED} letters in a row with a training site: measure on "
            "sites of other genes or chromosomes to know how well a model does there."
        )
        found.append(Finding(False, text))
    return found


def overlap_table(shared: dict[str, Any]) -> str:
    """Returns what is shared, as lines of a table."""
    rows = [["shared", *shared]]
    labels = {
        "duplicates": "sites with a sequence had before",
        "sequences_in_both_classes": "sequences in both classes",
        "sequences_in_both": "sequences in both splits",
        "of_other_class": "those with another label",
        "bound_sharing": f"bound sharing {SHARED} letters",
        "background_sharing": f"background sharing {SHARED} letters",
    }
    for key, label in labels.items():
        cells = [part.get(key, "") for part in shared.values()]
        texts = [
            f"{cell:.1%}" if isinstance(cell, float) else str(cell) for cell in cells
        ]
        rows.append([label, *texts])
    return tables.text_table(rows)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
