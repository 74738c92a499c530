"""The groups of a Beam job, each all sites of one sequence: what is known of them.

All of it is known before a sequence is folded: duplicates, classes, the validation
split. See `beam_dataset` for the whole job.
"""

import collections
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, AsSingleton, TaggedOutput

from deeprke_tf.data.plan import Plan
from pipelines.beam.facts import check
from pipelines.beam.ranks import Key, KeysAtRanks

# Input, row, name, sequence, label, dot-bracket; input is the place of the file in the
# plan.
SiteRow: TypeAlias = tuple[int, int, str, str, int, str | None]


def facts_of(pipeline, plan: Plan, sites, groups, inputs):
    """Returns the checked facts, and the largest validation digest of each class."""
    described = groups | "DescribeGroups" >> beam.ParDo(_describe, plan).with_outputs(
        "distinct"
    )
    n_distinct = described.distinct | "CountDistinct" >> beam.combiners.Count.PerKey()
    ranks = (
        pipeline
        | "OnceForRanks" >> beam.Create([None])
        | "LastOfValidation" >> beam.Map(_last_of_validation, plan, AsDict(n_distinct))
    )
    smallest = described.distinct | "Validation" >> KeysAtRanks(AsSingleton(ranks))
    names = (
        sites
        | "Names" >> beam.Map(_split_and_name, plan)
        | "CountNames" >> beam.combiners.Count.PerElement()
        | "RepeatedNames" >> beam.FlatMap(_repeated)
    )
    split_counts = groups | "CountSplits" >> beam.ParDo(
        _count_splits, plan, AsDict(smallest)
    )
    # Not one flattened collection: Beam's local runners would wait for each other's
    # readers of the groups for ever.
    of_groups = described[None] | "SumOfGroups" >> beam.CombinePerKey(sum)
    of_names = names | "SumOfNames" >> beam.CombinePerKey(sum)
    of_splits = split_counts | "SumOfSplits" >> beam.CombinePerKey(sum)
    facts = (
        pipeline
        | "OnceForFacts" >> beam.Create([None])
        | "Check"
        >> beam.Map(
            lambda _, inputs, *counts: check(plan, dict(ChainMap(*counts)), inputs),
            AsList(inputs),
            AsDict(of_groups),
            AsDict(of_names),
            AsDict(of_splits),
        )
    )
    return facts, smallest


def _describe(group: tuple[int, Iterable[SiteRow]], plan: Plan) -> Iterator[Any]:
    """Yields counts of the sites of one sequence, and its class if it is trained on."""
    digest, rows = group
    labels = labels_of(rows, plan)
    for split, of_split in labels.items():
        n_sites = of_split.total()
        for label, n in of_split.items():
            yield ("sites", split, label), n
        yield (f"{split}_sites_with_duplicate_sequences",), n_sites - 1
        yield (f"{split}_sequences_in_both_classes",), int(len(of_split) == 2)
    yield ("sequences_in_train_and_test",), int(len(labels) == 2)
    if "train" in labels:
        yield TaggedOutput("distinct", (max(labels["train"]), (digest,)))


def labels_of(
    rows: Iterable[SiteRow], plan: Plan
) -> dict[str, collections.Counter[int]]:
    """Counts the labels of some sites, by the split of their input."""
    labels: dict[str, collections.Counter[int]] = {}
    for index, _row, _name, _sequence, label, _dot_bracket in rows:
        split = plan.sources[index].split
        labels.setdefault(split, collections.Counter())[label] += 1
    return labels


def _last_of_validation(
    _once: None, plan: Plan, n_distinct: Mapping[int, int]
) -> dict[int, list[int]]:
    """Returns, by class, the rank of the last sequence that goes to validation."""
    sizes = {c: round(plan.validation_fraction * n) for c, n in n_distinct.items()}
    return {label: [size - 1] for label, size in sizes.items() if size}


def _split_and_name(site: tuple[int, SiteRow], plan: Plan) -> tuple[str, str]:
    _digest, row = site
    return plan.sources[row[0]].split, row[2]


def _repeated(
    counted: tuple[tuple[str, str], int],
) -> Iterator[tuple[tuple[str, ...], int]]:
    (split, _name), n = counted
    if n > 1:
        yield (f"{split}_sites_with_duplicate_names",), n - 1


def training_split(
    digest: int,
    labels: Mapping[str, Mapping[int, int]],
    smallest: Mapping[int, list[Key]],
) -> str:
    """Returns where the training sites of a sequence go: all of them together."""
    largest = smallest.get(max(labels.get("train", [0])))
    return "validation" if largest and (digest,) <= largest[0] else "train"


def _count_splits(
    group: tuple[int, Iterable[SiteRow]], plan: Plan, smallest: Mapping[int, list[Key]]
) -> Iterator[tuple[tuple[str, str, int], int]]:
    digest, rows = group
    labels = labels_of(rows, plan)
    split = training_split(digest, labels, smallest)
    for label, n in labels.get("train", {}).items():
        yield ("split", split, label), n
