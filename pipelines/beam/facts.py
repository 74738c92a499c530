"""The counts of a Beam preprocessing job, checked before a sequence is folded."""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList

from deeprke_tf.data import checks
from deeprke_tf.data.plan import Plan
from deeprke_tf.data.records import SPLITS
from deeprke_tf.errors import UserError
from pipelines.beam.records import SiteRow

_DUPLICATES = (
    *("train_sites_with_duplicate_names", "train_sites_with_duplicate_sequences"),
    *("train_sequences_in_both_classes", "test_sites_with_duplicate_names"),
    *("test_sites_with_duplicate_sequences", "test_sequences_in_both_classes"),
    "sequences_in_train_and_test",
)


def facts_of(pipeline, plan: Plan, sites, groups, inputs):
    """Counts sites and duplicates, and checks them.

    Args:
      pipeline: The pipeline.
      plan: The run.
      sites: Pairs of order hash and site.
      groups: The sites by order hash: equal sequences are one group.
      inputs: A dictionary for each input: `input`, `fault`, `skipped`, `described`.

    Returns:
      One element, the result of `check`.
    """
    names = (
        sites
        | "Names" >> beam.Map(lambda pair: (_given_as(pair[1]), pair[1][3]))
        | "CountNames" >> beam.combiners.Count.PerElement()
        | "RepeatedNames" >> beam.FlatMap(_repeated)
        | "SumOfNames" >> beam.CombinePerKey(sum)
    )
    # Not flattened with the names: Beam's local runners would block for ever.
    counts = (
        groups
        | "CountGroups" >> beam.FlatMap(_count_group)
        | "SumOfGroups" >> beam.CombinePerKey(sum)
    )
    return (
        pipeline
        | "OnceForFacts" >> beam.Create([None])
        | "Check"
        >> beam.Map(
            lambda _, inputs, counts, names: check(plan, {**counts, **names}, inputs),
            AsList(inputs),
            AsDict(counts),
            AsDict(names),
        )
    )


def check(
    plan: Plan, counts: Mapping[Any, int], inputs: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the facts of all inputs, as `dataset.json` has them.

    Args:
      plan: The run.
      counts: Sites by `(split, label)`, and duplicates by the names of `dataset.json`.
      inputs: The facts of each input.

    Returns:
      `inputs`, `skipped` and `duplicates` of `dataset.json`; `n_sites`, the usable
      sites of each split; and `fault`, the error that the user must correct, or None.
    """
    read = sorted(inputs, key=lambda facts: facts["input"])
    skipped: dict[str, collections.Counter[str]] = {}
    for facts in read:
        split = plan.sources[facts["input"]].split
        skipped.setdefault(split, collections.Counter()).update(facts["skipped"])
    labels = {
        split: {label: counts.get((split, label), 0) for label in (0, 1)}
        for split in SPLITS
    }
    return {
        "fault": _fault(plan, labels, read, skipped),
        "inputs": [facts["described"] for facts in read],
        "skipped": {split: dict(reasons) for split, reasons in skipped.items()},
        "duplicates": {name: counts.get(name, 0) for name in _DUPLICATES},
        "n_sites": {
            split: sum(of_split.values()) for split, of_split in labels.items()
        },
    }


def _given_as(row: SiteRow) -> str:
    """Returns the split that a site was given for: validation is split off training."""
    return "test" if row[2] == "test" else "train"


def _count_group(group: tuple[int, Iterable[SiteRow]]) -> Iterator[tuple[Any, int]]:
    """Yields counts of the sites of one sequence."""
    labels: dict[str, collections.Counter[int]] = {}
    for row in group[1]:
        labels.setdefault(_given_as(row), collections.Counter())[row[5]] += 1
        yield (row[2], row[5]), 1
    for split, of_split in labels.items():
        yield f"{split}_sites_with_duplicate_sequences", of_split.total() - 1
        yield f"{split}_sequences_in_both_classes", int(len(of_split) == 2)
    yield "sequences_in_train_and_test", int(len(labels) == 2)


def _repeated(counted: tuple[tuple[str, str], int]) -> Iterator[tuple[str, int]]:
    (split, _name), n = counted
    if n > 1:
        yield f"{split}_sites_with_duplicate_names", n - 1


def _fault(
    plan: Plan,
    labels: Mapping[str, Mapping[int, int]],
    read: list[Mapping[str, Any]],
    skipped: checks.Skipped,
) -> str | None:
    """Returns the error that the local runner would raise."""
    for facts in read:
        if facts["fault"] is not None:
            return facts["fault"]
    train = {n: labels["train"][n] + labels["validation"][n] for n in (0, 1)}
    inputs = [facts["described"] for facts in read]
    try:
        checks.refuse_skips_if_strict(plan, skipped)
        by_column = checks.is_split_by_column(inputs)
        checks.require_usable_sites(plan, inputs, skipped)
        if plan.has_training_sites:
            checks.require_both_classes("train", train, checks.GIVE_THE_OTHER_CLASS)
            advice = checks.NAME_BOTH_CLASSES if by_column else checks.GIVE_MORE_SITES
            for split in ("train", "validation"):
                checks.require_both_classes(split, labels[split], advice)
    except UserError as error:
        return str(error)
    return None
