"""What a Beam run knows of its sites before it folds any, checked as the local one."""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from deeprke_tf.data import checks
from deeprke_tf.data.plan import Plan
from deeprke_tf.errors import UserError

_DUPLICATES = ("names", "sequences")


def check(
    plan: Plan, counts: Mapping[tuple, int], inputs: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the facts of all inputs, ready for `dataset.json`.

    Args:
      plan: The run.
      counts: `("sites", split, label)` as read, `("split", split, label)` once
        validation is split off, and `(count,)` of each kind of duplicate.
      inputs: What each input was, and by reason what of it was skipped.

    Returns:
      `inputs`, `skipped` and `duplicates`; and as `fault` what the user must mend, or
      None.
    """
    read = sorted(inputs, key=lambda facts: facts["input"])
    skipped: dict[str, collections.Counter[str]] = {}
    for facts in read:
        split = plan.sources[facts["input"]].split
        skipped.setdefault(split, collections.Counter()).update(facts["skipped"])
    return {
        "fault": _fault(plan, counts, read, skipped),
        "inputs": [_described(plan, facts) for facts in read],
        "skipped": {split: dict(reasons) for split, reasons in skipped.items()},
        "duplicates": _duplicates(counts),
    }


def label_counts(counts: Mapping[tuple[str, int], int]) -> dict[str, dict[int, int]]:
    """Returns the number of sites of each label, by split.

    >>> label_counts({("test", 1): 5})
    {'test': {0: 0, 1: 5}}
    """
    by_split: dict[str, dict[int, int]] = {}
    for (split, label), n in counts.items():
        by_split.setdefault(split, {0: 0, 1: 0})[label] = n
    return by_split


def _fault(
    plan: Plan,
    counts: Mapping[tuple, int],
    read: list[Mapping[str, Any]],
    skipped: checks.Skipped,
) -> str | None:
    """Returns what the local runner would raise, in its order."""
    for facts in read:
        if facts["fault"] is not None:
            return facts["fault"]
    as_read = _of_labels("sites", counts)
    after_split = _of_labels("split", counts)
    n_usable = {split: sum(labels.values()) for split, labels in as_read.items()}
    try:
        checks.refuse_skips_if_strict(plan, skipped)
        checks.require_usable_sites(plan, n_usable, skipped)
        if plan.has_training_sites:
            checks.require_both_classes(
                "train", as_read["train"], checks.GIVE_THE_OTHER_CLASS
            )
            for split in ("train", "validation"):
                checks.require_both_classes(
                    split, after_split[split], checks.GIVE_MORE_SITES
                )
    except UserError as error:
        return str(error)
    return None


def _of_labels(what: str, counts: Mapping[tuple, int]) -> dict[str, dict[int, int]]:
    none = {split: {0: 0, 1: 0} for split in ("train", "validation", "test")}
    wanted = {key[1:]: n for key, n in counts.items() if key[0] == what}
    return none | label_counts(wanted)


def _described(plan: Plan, facts: Mapping[str, Any]) -> dict[str, Any]:
    source = plan.sources[facts["input"]]
    return {
        "split": source.split,
        "file": source.path.name,
        "format": facts.get("format"),
        "label": source.label,
        "sha256": facts.get("sha256"),
        "n_sites": facts["n_sites"],
        "n_skipped": sum(facts["skipped"].values()),
    }


def _duplicates(counts: Mapping[tuple, int]) -> dict[str, int]:
    names = []
    for split in ("train", "test"):
        names += [f"{split}_sites_with_duplicate_{what}" for what in _DUPLICATES]
        names.append(f"{split}_sequences_in_both_classes")
    names.append("sequences_in_train_and_test")
    return {name: counts.get((name,), 0) for name in names}
