r"""Preprocessing: files of sites become a directory of record shards.

read sites -> fold -> loop contexts -> k-mer ids -> tf.train.Example -> shards

python -m pipelines.preprocess --sites train.fa.gz --test-sites test.fa.gz --out DIR
python -m pipelines.preprocess --sites 'gs://bucket/*.fa.gz' --out gs://bucket/data \
    --runner FlinkRunner --flink_master host:8081 --parallelism 64
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings
from deeprke_tf.data import local_runner
from deeprke_tf.data.description import SKIPPED
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.plan import Plan, Source, ValidationGroups
from deeprke_tf.errors import UserError
from deeprke_tf.system.streams import File
from pipelines.beam import import_beam, is_given

LOCAL = "local"


@dataclasses.dataclass(frozen=True)
class PreprocessFlags:
    """Folds sites and writes them as TFRecord shards, ready to train on.

    Sites come as labelled FASTA (`>name; class:1`), as a table with the columns
    `sequence` and `label` (and, if there, `name` and `structure`), or as a pair of
    FASTA files; plain or gzip. Folds are cached: a second run folds nothing again.

    With --runner, Apache Beam does the same elsewhere, and writes the same files. Every
    flag that is not below goes to Beam as a pipeline option, such as
    --direct_num_workers 4; files may then be patterns, and lie where Beam's filesystems
    reach.
    """

    out: str
    """Directory to make."""
    sites: str | None = None
    """Labelled training sites, - for standard input; a part becomes validation."""
    positives: str | None = None
    """Bound training sites, in place of --sites."""
    negatives: str | None = None
    """Background training sites, in place of --sites."""
    test_sites: str | None = None
    """Labelled test sites."""
    test_positives: str | None = None
    """Bound test sites, in place of --test-sites."""
    test_negatives: str | None = None
    """Background test sites, in place of --test-sites."""
    k: int = 3
    """Letters in a k-mer."""
    structure: bool = True
    """Fold the sites. With --no-structure the records hold sequences alone, for models
    that do not read structure."""
    fold: FoldSettings = FoldSettings()
    validation_fraction: float = 0.1
    """Share of the training sequences of each class that goes to validation."""
    validation_groups: ValidationGroups = "sequence"
    """What stays together when validation is split off: all sites of a sequence, or
    also sequences that overlap (share 38 letters), as windows of one peak do."""
    seed: int = 1
    """Settles the validation split and the order of sites."""
    max_length: int = 5000
    """Longest site to fold, in nucleotides; longer ones are skipped and listed."""
    sites_per_shard: int = 10_000
    """Most sites in one shard."""
    workers: int | None = None
    """Folding processes, with --runner local; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    strict: bool = False
    """End with an error when any site cannot be used, instead of listing it."""
    overwrite: bool = False
    """Replace a dataset that --out already holds."""
    runner: str = LOCAL
    """What does the work: `local` is processes of this machine, any other name a runner
    of Apache Beam, such as DirectRunner, PortableRunner, FlinkRunner, SparkRunner."""


def preprocess(flags: PreprocessFlags, beam_flags: Sequence[str] = ()) -> None:
    """Makes the dataset that the flags ask for, and says what it holds.

    Args:
      flags: Of the command.
      beam_flags: Pipeline options, where a runner of Beam is asked for.
    """
    contents = _run(flags, beam_flags)
    for given in contents["inputs"]:
        print(
            f"read {given['file']}: {given['format']}, {given['n_sites']} sites, "
            f"{given['n_skipped']} skipped"
        )
    for count, n in contents["duplicates"].items():
        if n:
            print(f"note: {n} {count.replace('_', ' ')}")
    n_folded = contents["n_folded"]
    if flags.structure:
        known = "" if n_folded else ": all folds were known"
        print(f"folded {n_folded} sequences{known}")
    for split, info in contents["splits"].items():
        n_shards = len(info["shards"])
        print(
            f"{split}: {info['n_sites']} sites, {info['n_positive']} bound, "
            f"{n_shards} shard{'s' if n_shards > 1 else ''}"
        )
    if any(contents["skipped"].values()):
        print(f"wrote {flags.out}/{SKIPPED}: what was skipped")
    print(f"wrote {flags.out}")


def _run(flags: PreprocessFlags, beam_flags: Sequence[str]) -> dict[str, Any]:
    """Returns the contents of `dataset.json`, and `n_folded`."""
    if flags.runner == LOCAL:
        if beam_flags:
            raise UserError(
                f"{beam_flags[0]} is no option of --runner {LOCAL}; "
                "`deeprke preprocess --help` lists them."
            )
        return local_runner.run(to_plan(flags, lambda path: [Path(path)]))
    if flags.validation_groups == "overlap":
        raise UserError(
            "--validation-groups overlap needs to see all sites at once: use --runner "
            f"{LOCAL}."
        )
    if flags.workers is not None:
        raise UserError(
            f"--workers goes with --runner {LOCAL}; a runner of Beam has an option of "
            "its own, such as --direct_num_workers of DirectRunner."
        )
    import_beam(flags.runner)
    from pipelines.beam import files as beam_files
    from pipelines.beam import preprocess as beam_runner
    from pipelines.beam.job import BeamJob

    job = BeamJob(flags.runner, beam_flags)
    return beam_runner.run(to_plan(flags, beam_files.matching), job)


def to_plan(flags: PreprocessFlags, files: Callable[[str], Sequence[File]]) -> Plan:
    """Checks the flags against each other and returns what to do.

    Args:
      flags: Of the command.
      files: Finds what a flag names.

    Raises:
      UserError: No input, or half of a pair.
    """
    named = _sources(
        "train", flags.sites, flags.positives, flags.negatives, prefix="--"
    ) + _sources(
        "test",
        flags.test_sites,
        flags.test_positives,
        flags.test_negatives,
        prefix="--test-",
    )
    sources = [
        Source(split, file, label)
        for split, path, label in named
        for file in files(path)
    ]
    if not sources:
        raise UserError(
            "No input: give --sites FILE, or --positives FILE and --negatives FILE "
            "(for a dataset to test on alone: --test-sites FILE)."
        )
    return Plan(
        sources=tuple(sources),
        out=flags.out,
        encoding=Encoding(k=flags.k, fold=flags.fold),
        fold_cache=flags.fold_cache,
        **{
            name: getattr(flags, name)
            for name in (
                "structure",
                "validation_fraction",
                "validation_groups",
                "seed",
                "max_length",
                "sites_per_shard",
                "workers",
                "strict",
                "overwrite",
            )
        },
    )


def _sources(
    split: str,
    sites: str | None,
    positives: str | None,
    negatives: str | None,
    prefix: str,
) -> list[tuple[str, str, int | None]]:
    """Returns split, name and label of the inputs: one with labels, or a pair."""
    if sites and (positives or negatives):
        raise UserError(
            f"Give {prefix}sites or the pair {prefix}positives and {prefix}negatives, "
            "not both."
        )
    if sites:
        return [(split, sites, None)]
    if bool(positives) != bool(negatives):
        raise UserError(
            f"{prefix}positives and {prefix}negatives go together; one is missing."
        )
    if positives and negatives:
        return [(split, positives, 1), (split, negatives, 0)]
    return []


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    beam_flags: list[str] | None = [] if is_given("--runner", argv) else None
    return cli.run(
        "preprocess",
        PreprocessFlags,
        lambda flags: preprocess(flags, beam_flags or ()),
        argv,
        unknown=beam_flags,
    )


if __name__ == "__main__":
    sys.exit(main())
