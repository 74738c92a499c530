"""A summary in plain words: how good the model is, and what to doubt."""

import textwrap
from collections.abc import Iterator
from typing import Any

from deeprke_tf.evaluation import in_words
from deeprke_tf.system.messages import counted

_MOST_SKIPPED = 0.5


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
        ("How good the model is", list(in_words.quality(test))),
        ("What to doubt", doubts),
    ]
    return "\n\n".join("\n".join([title, *map(_item, texts)]) for title, texts in parts)


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
        f"{counted(counts['peaks'], 'peak')} gave "
        f"{counted(counts['bound'], 'bound site')}, to which "
        f"{counted(counts['background'], 'background site')} were added."
    )
    used = {name: split["n_sites"] for name, split in dataset["splits"].items()}
    yield (
        f"{used['train']:,} sites trained the model, {used['validation']:,} chose its "
        f"epoch and threshold, {used['test']:,} measured it."
    )


def _doubts(
    sites: dict[str, Any],
    audit: dict[str, Any],
    validation: dict[str, Any],
    measured: dict[str, Any],
) -> Iterator[str]:
    yield from in_words.doubts(measured, validation["auroc"], audit)
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
