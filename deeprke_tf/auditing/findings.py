"""The findings of an audit as sentences: warnings and notes.

A protein does not read the length of a window, its Ns or the position of its ends: a
successful rule about these shows how the data were made, and is a warning. Composition,
structure and the center of a site may be bound by the protein: such a rule is a note,
because a model must do better to have learned more.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from deeprke_tf.auditing.rules import Rule
from deeprke_tf.rna.stretches import SHARED

# Fraction of overlapping sites above which there is a note.
_MUCH_SHARED = 0.05

# Fraction of sites in two sets above which there is a warning, not just a note.
_MANY_SHARED = 0.01

_NEAR_AN_EDGE = 5  # positions

_MEANING = {
    "length": (
        "no protein reads the length of a window: cut all sites to one length around "
        "their center"
    ),
    "N": "no protein reads unknown letters: take sites without N in both classes",
    "edge": (
        "such a bias is left by the enzyme that cut the RNA, and a model that knows "
        "where the end is learns it: mask these bases, or cut windows of one length "
        "around the center of the site"
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
    "place": (
        "it follows from where background was taken: take it from the same genes and "
        "regions"
    ),
    "structure": (
        "it may be what the protein binds, or follow from the composition: a model "
        "must do better to have learned more"
    ),
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A warning or a note: a sentence or two.

    Attributes:
      is_warning: Whether it is a warning.
      text: The finding, and what it means.
    """

    is_warning: bool
    text: str


class WithFindings:
    """A report with findings, warnings first."""

    findings: list[Finding]

    @property
    def warnings(self) -> list[str]:
        """What predicts the label without binding."""
        return [found.text for found in self.findings if found.is_warning]

    @property
    def notes(self) -> list[str]:
        """Findings that may be binding, or rest on few sites."""
        return [found.text for found in self.findings if not found.is_warning]

    def finding_lines(self) -> list[str]:
        """Returns all findings, each as a line of text."""
        return [
            *(f"WARNING: {text}" for text in self.warnings),
            *(f"note: {text}" for text in self.notes),
        ]


def findings_of(
    rules: Sequence[Rule], shared: dict[str, Any], threshold: float
) -> list[Finding]:
    """Returns warnings and notes, warnings first.

    Args:
      rules: All rules that were tried, the best first.
      shared: Overlap of classes and splits, from `stretches.overlaps`.
      threshold: AUROC from which a rule is reported.
    """
    found = _of_rules(rules, threshold) + _of_overlap(shared)
    return sorted(found, key=lambda finding: not finding.is_warning)


def _of_rules(rules: Sequence[Rule], threshold: float) -> list[Finding]:
    """Returns one finding for each sort of rule: the best one and their number."""
    by_sort: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        if rule.auroc > threshold:
            key = _sort(rule), rule.feature.anchor
            by_sort.setdefault(key, []).append(rule)
    found = []
    for (sort, _anchor), alike in by_sort.items():
        significant = [rule for rule in alike if rule.is_significant]
        if not significant:
            text = (
                f"{_capital(_named(alike[0]))}; with so few sites the best of "
                f"{len(rules)} rules may reach this by chance."
            )
            found.append(Finding(False, text))
            continue
        best, n_others = significant[0], len(significant) - 1
        others = f" {_others(n_others, threshold)}" if n_others else ""
        text = (
            f"{_capital(_named(best))}: {best.difference}.{others} "
            f"{_capital(_MEANING[sort])}."
        )
        found.append(Finding(sort in ("length", "N", "edge", "place"), text))
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
        f"the {rule.feature.name} alone separates bound from background with an AUROC "
        f"of {rule.auroc:.3f} ({low:.3f} to {high:.3f})"
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
            "with another label: the test contains training sites."
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


def overlap_rows(shared: dict[str, Any]) -> list[list[str]]:
    """Returns the overlap of classes and splits as rows of a table."""
    rows = [["shared", *shared]]
    labels = {
        "duplicates": "duplicate sites",
        "sequences_in_both_classes": "sequences in both classes",
        "sequences_in_both": "sequences in both splits",
        "of_other_class": "of these, with another label",
        "bound_sharing": f"bound sharing {SHARED} letters",
        "background_sharing": f"background sharing {SHARED} letters",
    }
    for key, label in labels.items():
        cells = [part.get(key, "") for part in shared.values()]
        rows.append(
            [label, *(f"{c:.1%}" if isinstance(c, float) else str(c) for c in cells)]
        )
    return rows


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
