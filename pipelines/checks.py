"""What sites must be like to make a dataset of; asked before one is folded.

Both runners ask the same and say the same.
"""

import collections
from collections.abc import Mapping

from deeprke_tf.errors import UserError
from pipelines.out_directory import SKIPPED_FILE_NAME
from pipelines.plan import Plan

# By reason, of each split that has input.
Skipped = Mapping[str, Mapping[str, int]]

GIVE_THE_OTHER_CLASS = "give sites of the other, too"
GIVE_MORE_SITES = "give more sites, or another --validation-fraction"


def refuse_skips_if_strict(plan: Plan, skipped: Skipped) -> None:
    """Refuses unusable sites where they are to be errors.

    Raises:
      UserError: There are some, and `strict` is set.
    """
    total: collections.Counter[str] = collections.Counter()
    for reasons in skipped.values():
        total.update(reasons)
    if plan.strict and total:
        raise UserError(
            f"{total.total()} unusable sites ({_listed(total)}) and --strict is given; "
            f"without it they are skipped and listed in {SKIPPED_FILE_NAME}."
        )


def require_usable_sites(
    plan: Plan, n_usable: Mapping[str, int], skipped: Skipped
) -> None:
    """Refuses inputs of which nothing is left.

    Args:
      plan: The run.
      n_usable: Sites that can be used, by split.
      skipped: The others.

    Raises:
      UserError: All sites of a split are skipped, or it has none.
    """
    for split in dict.fromkeys(source.split for source in plan.sources):
        if not n_usable[split]:
            raise UserError(
                f"No usable site in the {split} input; skipped: "
                f"{_listed(skipped[split]) or 'none'}."
            )


def require_both_classes(split: str, counts: Mapping[int, int], advice: str) -> None:
    """Refuses sites of one class only.

    Args:
      split: What the sites are for.
      counts: Sites by label, 0 and 1.
      advice: What to do about it.

    Raises:
      UserError: One class has none.
    """
    if not all(counts[label] for label in (0, 1)):
        raise UserError(
            f"There are {counts[1]} bound and {counts[0]} background {split} sites; "
            f"both classes are needed: {advice}."
        )


def _listed(reasons: Mapping[str, int]) -> str:
    """Returns the numbers of skipped sites in words, the largest first."""
    most_common = collections.Counter(reasons).most_common()
    return ", ".join(f"{n} {reason}" for reason, n in most_common)
