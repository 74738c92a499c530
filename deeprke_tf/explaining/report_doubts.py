"""What to doubt about a model, for its report: the audit and the background."""

import math
from typing import Any, NamedTuple

from deeprke_tf.evaluation import in_words
from deeprke_tf.explaining.report_sources import (
    AUDIT,
    EXTRACTION,
    MATCHING,
    Measured,
    Sources,
    made_by,
)
from deeprke_tf.explaining.report_tables import Table, interval, number, table
from deeprke_tf.runs import layout
from deeprke_tf.system import files

_RULES_SHOWN = 12
# These follow from others, and are many.
_MINOR = ("dinucleotide", "content of")


class Doubts(NamedTuple):
    """What may make a model look better than it is.

    Attributes:
      warnings: Sentences.
      notes: Sentences that are no reason to worry by themselves.
      rules: The best simple rules of the audit.
      matching: Properties of both classes, before and after matching.
      missing: How to get what is not there, sentences.
    """

    warnings: list[str]
    notes: list[str]
    rules: Table | None
    matching: Table | None
    missing: list[str]


def read_doubts(
    sources: Sources, manifest: dict[str, Any], measured: Measured
) -> Doubts:
    """Collects what the measures, the audit and the extraction leave to doubt.

    Args:
      sources: Where the files are.
      manifest: Of the model.
      measured: How good it is.

    Raises:
      UserError: A file cannot be read.
    """
    audit, extraction = sources.audit, sources.extraction
    on_validation = None
    if not measured.part:
        with made_by("train", sources.model):
            on_validation = layout.validation_measures(sources.model)["auroc"]
    missing, matching = [], None
    with made_by("audit", audit):
        audited = files.read_json(audit / AUDIT) if audit else {}
        warnings = list(in_words.doubts(measured.measures, on_validation, audited))
        if audited and _of_other_sites(audited, manifest):
            warnings.append(
                "The audit is of other files of sites than the model was trained on."
            )
        warnings += audited["warnings"] if audited else []
        notes = list(audited["notes"] if audited else [])
        rules = _rules(audited)
    if not audited:
        missing.append(
            "No audit was given. deeprke audit looks for simple rules that separate "
            "the classes without binding; give its directory as --audit."
        )
    if extraction:
        with made_by("extract", extraction):
            background = files.read_json(extraction / EXTRACTION)
            extracted = [*background["warnings"], *background["background"]["warnings"]]
            warnings += [text for text in extracted if text not in warnings]
            if (extraction / MATCHING).exists():
                matching = _matching(files.read_json(extraction / MATCHING))
    return Doubts(list(dict.fromkeys(warnings)), notes, rules, matching, missing)


def _of_other_sites(audited: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Tells whether no file of the audit is one that the model was trained on."""
    known = {file.get("sha256") for file in manifest["data"].get("inputs", ())} - {None}
    seen = {file.get("sha256") for file in audited["inputs"]} - {None}
    return bool(known and seen and not known & seen)


def _rules(audited: dict[str, Any]) -> Table | None:
    if not audited.get("rules"):
        return None
    return table(
        f"The best of {audited['n_rules']:,} simple rules, each cross-validated on "
        f"{audited['n_sites']:,} training sites",
        ("rule", "AUROC", "95 % interval", "difference of the classes"),
        [
            [
                *(rule["rule"], number(rule["auroc"])),
                *(interval(rule["auroc_ci"]), rule["telling"]),
            ]
            for rule in audited["rules"][:_RULES_SHOWN]
        ],
    )


def _matching(matching: dict[str, Any]) -> Table:
    rows = [
        row
        for row in matching["properties"]
        if not row["name"].startswith(_MINOR) and row["name"] != "content of N"
    ]
    return table(
        "Properties of the classes (medians and fractions), and the AUROC that each "
        "alone would reach before and after background was matched",
        ("property", "bound", "background", "AUROC before", "AUROC after"),
        [
            [
                *(row["name"], _property(row["bound"]), _property(row["after"])),
                *(_auroc(row["auroc_before"]), _auroc(row["auroc_after"])),
            ]
            for row in rows
        ],
    )


def _property(value: float | None) -> Any:
    is_large = value is not None and abs(value) >= 100
    return number(value, ",.0f" if is_large else ".3g")


def _auroc(value: float | None) -> Any:
    """Returns the cell of an AUROC; below one half the rule is turned round."""
    if value is None or math.isnan(value):
        return number(None)
    return number(max(value, 1 - value))
