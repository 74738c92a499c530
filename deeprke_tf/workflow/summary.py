"""A summary in plain words: how good the model is, and what to doubt."""

import textwrap
from collections.abc import Iterator
from typing import Any

# From these AUROCs on, a model is called by these words.
_WORDS = (
    (0.9, "very good"),
    (0.8, "good"),
    (0.7, "fair"),
    (0.6, "weak"),
    (0.0, "hardly better than chance"),
)
_WIDE_INTERVAL = 0.1
_FELL = 0.05  # from validation to test
_MOST_SKIPPED = 0.5
_CLOSE_TO_RULE = 0.02


def summary_of(
    sites: dict[str, Any],
    audit: dict[str, Any],
    dataset: dict[str, Any],
    validation: dict[str, Any],
    test: dict[str, Any],
) -> str:
    """Returns the summary of a workflow as text of several lines.

    Args:
      sites: Contents of `extract.json`.
      audit: Contents of `audit.json`.
      dataset: Contents of `dataset.json`.
      validation: Contents of the model's `metrics.json`, on validation.
      test: Contents of its `metrics.json` on the test split.
    """
    doubts = list(_doubts(sites, audit, validation, test))
    parts = [
        ("The sites", list(_sites(sites, dataset))),
        ("How good the model is", list(_quality(test))),
        ("What to doubt", doubts),
    ]
    return "\n\n".join("\n".join([title, *map(_item, texts)]) for title, texts in parts)


def grade(auroc: float) -> str:
    """Returns a word for an AUROC.

    >>> grade(0.83)
    'good'
    """
    return next(word for least, word in _WORDS if auroc >= least)


def _item(text: str) -> str:
    # A path is never broken.
    return textwrap.fill(
        text,
        width=88,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sites(sites: dict[str, Any], dataset: dict[str, Any]) -> Iterator[str]:
    counts = sites["counts"]
    yield (
        f"{counts['peaks']:,} peaks gave {counts['bound']:,} bound sites; "
        f"{counts['background']:,} background sites were drawn."
    )
    used = {name: split["n_sites"] for name, split in dataset["splits"].items()}
    yield (
        f"{used['train']:,} sites trained the model, {used['validation']:,} chose its "
        f"epoch and threshold, {used['test']:,} measured it."
    )


def _quality(measured: dict[str, Any]) -> Iterator[str]:
    auroc = measured["auroc"]
    yield (
        f"AUROC {auroc:.3f}{_interval(measured['auroc_ci'])}, {grade(auroc)}: of a "
        "bound and a background site, the model gives the bound one the higher "
        f"probability in {100 * auroc:.0f} of 100 pairs."
    )
    found = measured["confusion"]
    called = found["true_positive"] + found["false_positive"]
    bound = found["true_positive"] + found["false_negative"]
    yield (
        f"At its threshold, {measured['threshold']:.3f}, it finds "
        f"{found['true_positive']:,} of {bound:,} bound sites; of {called:,} sites "
        f"that it calls bound, {found['false_positive']:,} are background."
    )


def _interval(ends: list[float] | None) -> str:
    return " (95 % interval {:.3f} to {:.3f})".format(*ends) if ends else ""


def _doubts(
    sites: dict[str, Any],
    audit: dict[str, Any],
    validation: dict[str, Any],
    measured: dict[str, Any],
) -> Iterator[str]:
    auroc = measured["auroc"]
    low, high = measured["auroc_ci"] or (0.0, 1.0)
    if low <= 0.5:
        yield (
            "The model is not clearly better than chance on new sites. Give more "
            "peaks, or better ones (--min-score; replicates with --in-at-least)."
        )
    elif high - low > _WIDE_INTERVAL:
        yield (
            f"The interval of the AUROC is wide, as the test split has "
            f"{measured['n_sites']:,} sites only; `deeprke crossvalidate` tests on all."
        )
    on_validation = validation["auroc"]
    if on_validation - auroc > _FELL:
        yield (
            f"On validation sites, by which it was chosen, the AUROC is "
            f"{on_validation:.3f}: the model does worse on genes that it has not seen."
        )
    best = max(audit["rules"], key=lambda rule: rule["auroc"], default=None)
    if best and best["auroc"] > max(audit["threshold"], auroc - _CLOSE_TO_RULE):
        yield (
            f"A simple rule, {best['rule']}, reaches an AUROC of "
            f"{best['auroc']:.3f}: the model may have learned little else."
        )
    yield from sites["warnings"]
    yield from sites["background"]["warnings"]
    yield from audit["warnings"]
    counts = sites["counts"]
    n_skipped = sum(counts["skipped"].values())
    if n_skipped > _MOST_SKIPPED * counts["peaks"]:
        most = max(counts["skipped"], key=counts["skipped"].get)
        yield f"{n_skipped:,} of {counts['peaks']:,} peaks were left out, most: {most}."
    yield (
        "Threshold, precision and calibrated probabilities hold where bound and "
        "background sites are mixed as here. In whole transcripts bound sites are "
        "rare: give `deeprke predict` their expected fraction as --prior, or use "
        "`deeprke scan --fdr`."
    )
