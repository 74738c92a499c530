"""Checks of the sites that a dataset is made from, before folding.

Both runners raise the same errors; the local one adds an example.
"""

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deeprke_tf.data.description import SKIPPED
from deeprke_tf.data.plan import Plan
from deeprke_tf.errors import UserError

# By reason, of each split that has input.
Skipped = Mapping[str, Mapping[str, int]]

# Of `dataset.json`.
Inputs = Sequence[Mapping[str, Any]]

# From a split, or None for all, to a sentence about a site that was skipped there.
Example = Callable[[str | None], str]

_FILES_NAMED = 3  # A pattern may match thousands.

GIVE_THE_OTHER_CLASS = "give sites of the other, too"
GIVE_MORE_SITES = "give more sites, or another `validation_fraction` or `seed`"


NAME_BOTH_CLASSES = (
    "the column `split` decides; name sites of both for train and for validation, or "
    "leave the column empty"
)


def _no_example(_split: str | None) -> str:
    return ""


def refuse_skips_if_strict(
    plan: Plan, skipped: Skipped, example: Example = _no_example
) -> None:
    """Refuses unusable sites where they are to be errors.

    Raises:
      UserError: There are some, and `strict` is set.
    """
    total: collections.Counter[str] = collections.Counter()
    for reasons in skipped.values():
        total.update(reasons)
    if plan.strict and total:
        raise UserError(
            f"{total.total()} unusable sites ({_listed(total)}) and `strict` is set; "
            f"otherwise they are skipped and listed in {SKIPPED}." + example(None)
        )


def require_usable_sites(
    plan: Plan,
    inputs: Inputs,
    skipped: Skipped,
    example: Example = _no_example,
) -> None:
    """Refuses inputs without a usable site.

    Args:
      plan: The run.
      inputs: As `dataset.json` has them.
      skipped: The others.
      example: Shows one of them.

    Raises:
      UserError: All sites of a split are skipped, or it has none.
    """
    for split in dict.fromkeys(source.split for source in plan.sources):
        if not _n_usable(inputs, split):
            raise UserError(
                f"No usable site in the {split} input, {_files(plan, split)}; skipped: "
                f"{_listed(skipped[split]) or 'none, as there is no site at all'}."
                + example(split)
            )


def is_split_by_column(inputs: Inputs) -> bool:
    """Tells whether the column `split` of tables splits the training input.

    Args:
      inputs: As `dataset.json` has them.

    Raises:
      UserError: It does for a part of the sites.
    """
    n_stated = sum(
        given.get("n_split_by_column", 0)
        for given in inputs
        if given["split"] == "train"
    )
    n_usable = _n_usable(inputs, "train")
    if 0 < n_stated < n_usable:
        raise UserError(
            f"The column `split` is empty for {n_usable - n_stated} of {n_usable} "
            "training sites; fill it for all (train, validation or test), or for none."
        )
    return n_stated > 0


def _n_usable(inputs: Inputs, split: str) -> int:
    return sum(
        given["n_sites"] - given["n_skipped"]
        for given in inputs
        if given["split"] == split
    )


def require_both_classes(
    split: str,
    counts: Mapping[int, int],
    advice: str,
    example: Example = _no_example,
) -> None:
    """Refuses sites of one class only.

    Args:
      split: What the sites are for.
      counts: Sites by label, 0 and 1.
      advice: What to do about it.
      example: Shows a skipped site of the split.

    Raises:
      UserError: One class has none.
    """
    if not all(counts[label] for label in (0, 1)):
        kind = "training" if split == "train" else split
        raise UserError(
            f"There are {counts[1]} bound and {counts[0]} background {kind} sites; "
            f"both classes are needed: {advice}." + example(split)
        )


def _files(plan: Plan, split: str) -> str:
    """Returns the names of a split's input files, the first few if they are many."""
    names = [source.path.name for source in plan.sources if source.split == split]
    n_more = len(names) - _FILES_NAMED
    more = [f"{n_more} more"] if n_more > 0 else []
    return ", ".join(names[:_FILES_NAMED] + more)


def _listed(reasons: Mapping[str, int]) -> str:
    """Returns the numbers of skipped sites in words, the largest first."""
    most_common = collections.Counter(reasons).most_common()
    return ", ".join(f"{n} {reason}" for reason, n in most_common)
