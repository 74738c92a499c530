"""Preprocessing: files of sites become a directory of record shards.

read sites -> fold -> loop contexts -> k-mer ids -> tf.train.Example -> shards

python -m pipelines.preprocess --sites train.fa.gz --test-sites test.fa.gz --out DIR
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings
from deeprke_tf.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.fold_cache import default_path
from pipelines import local_runner
from pipelines.out_directory import SKIPPED_FILE_NAME
from pipelines.plan import Plan, Source


@dataclasses.dataclass(frozen=True)
class PreprocessFlags:
    """Folds sites and writes them as TFRecord shards, ready to train on.

    Sites come as labelled FASTA (`>name; class:1`), as a table with the columns
    `sequence` and `label` (and, if there, `name` and `structure`), or as a pair of
    FASTA files; plain or gzip. Folds are cached: a second run folds nothing again.
    """

    out: Path
    """Directory to make."""
    sites: Path | None = None
    """Labelled training sites, - for standard input; a part becomes validation."""
    positives: Path | None = None
    """Bound training sites, in place of --sites."""
    negatives: Path | None = None
    """Background training sites, in place of --sites."""
    test_sites: Path | None = None
    """Labelled test sites."""
    test_positives: Path | None = None
    """Bound test sites, in place of --test-sites."""
    test_negatives: Path | None = None
    """Background test sites, in place of --test-sites."""
    k: int = 3
    """Letters in a k-mer."""
    fold: FoldSettings = FoldSettings()
    validation_fraction: float = 0.1
    """Share of the training sequences of each class that goes to validation."""
    seed: int = 1
    """Settles the validation split and the order of sites."""
    max_length: int = 5000
    """Longest site to fold, in nucleotides; longer ones are skipped and listed."""
    sites_per_shard: int = 10_000
    """Most sites in one shard."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    strict: bool = False
    """End with an error when any site cannot be used, instead of listing it."""
    overwrite: bool = False
    """Replace a dataset that --out already holds."""


def preprocess(flags: PreprocessFlags) -> None:
    """Makes the dataset that the flags ask for, and says what it holds."""
    contents = local_runner.run(to_plan(flags))
    for given in contents["inputs"]:
        print(
            f"read {given['file']}: {given['format']}, {given['n_sites']} sites, "
            f"{given['n_skipped']} skipped"
        )
    for count, n in contents["duplicates"].items():
        if n:
            print(f"note: {n} {count.replace('_', ' ')}")
    n_folded = contents["n_folded"]
    print(f"folded {n_folded} sequences{'' if n_folded else ': all folds were known'}")
    for split, info in contents["splits"].items():
        n_shards = len(info["shards"])
        print(
            f"{split}: {info['n_sites']} sites, {info['n_positive']} bound, "
            f"{n_shards} shard{'s' if n_shards > 1 else ''}"
        )
    if any(contents["skipped"].values()):
        print(f"wrote {flags.out / SKIPPED_FILE_NAME}: what was skipped")
    print(f"wrote {flags.out}")


def to_plan(flags: PreprocessFlags) -> Plan:
    """Checks the flags against each other and returns what to do.

    Raises:
      UserError: No input, or half of a pair.
    """
    sources = _sources(
        "train", flags.sites, flags.positives, flags.negatives, prefix="--"
    ) + _sources(
        "test",
        flags.test_sites,
        flags.test_positives,
        flags.test_negatives,
        prefix="--test-",
    )
    if not sources:
        raise UserError(
            "No input: give --sites FILE, or --positives FILE and --negatives FILE "
            "(for a dataset to test on alone: --test-sites FILE)."
        )
    return Plan(
        sources=tuple(sources),
        out=flags.out,
        encoding=Encoding(k=flags.k, fold=flags.fold),
        fold_cache=flags.fold_cache or default_path(),
        **{
            name: getattr(flags, name)
            for name in (
                "validation_fraction",
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
    sites: Path | None,
    positives: Path | None,
    negatives: Path | None,
    prefix: str,
) -> list[Source]:
    """Returns the files of one split: one with labels, or a pair."""
    if sites and (positives or negatives):
        raise UserError(
            f"Give {prefix}sites or the pair {prefix}positives and {prefix}negatives, "
            "not both."
        )
    if sites:
        return [Source(split, sites, None)]
    if bool(positives) != bool(negatives):
        raise UserError(
            f"{prefix}positives and {prefix}negatives go together; one is missing."
        )
    if positives and negatives:
        return [Source(split, positives, 1), Source(split, negatives, 0)]
    return []


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("preprocess", PreprocessFlags, preprocess, argv)


if __name__ == "__main__":
    sys.exit(main())
