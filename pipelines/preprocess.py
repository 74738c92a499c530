r"""Preprocessing: files of sites become a directory of record shards.

read sites -> fold -> loop contexts -> k-mer ids -> tf.train.Example -> shards

python -m pipelines.preprocess --sites train.fa.gz --test-sites test.fa.gz --out DIR
python -m pipelines.preprocess --sites 'gs://bucket/*.fa.gz' --out gs://bucket/data \
    --runner FlinkRunner --flink_master host:8081 --parallelism 64
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings
from deeprke_tf.data import preprocessing
from deeprke_tf.data.description import SKIPPED
from deeprke_tf.data.plan import ValidationGroups, plan_of
from deeprke_tf.errors import UserError
from deeprke_tf.system.messages import counted
from pipelines.beam import import_beam, is_given

LOCAL = "local"


@dataclass(frozen=True)
class PreprocessFlags:
    """Folds sites and writes them as TFRecord shards, ready to train on.

    Sites come as labelled FASTA (`>name; class:1`), as a table with the columns
    `sequence` and `label` (and, if there, `name` and `structure`), or as a pair of
    FASTA files; plain or gzip. Folds are cached: a second run folds nothing again.

    Coordinates (columns `chrom`, `start`, `end`, `strand`, `blocks`, or FASTA headers
    of `bedtools getfasta -s`) and column `gene` go into the records. A column `split`
    with `train`, `validation` or `test` for every site splits the sites; then none are
    split off for validation.

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
    test: Annotated[str | None, tyro.conf.arg(name="test-sites")] = None
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
    """Approximate fraction of the training sequences for validation; a hash of the
    sequence decides."""
    validation_groups: ValidationGroups = "sequence"
    """Sites that stay on one side of the validation split: `sequence`, sites of one
    sequence; `overlap`, also sequences that have 38 letters in common, such as windows
    of one peak."""
    seed: int = 1
    """Fixes the validation split and the order of sites."""
    max_length: int = 5000
    """Longest site to use, in nucleotides; longer ones are skipped and listed."""
    sites_per_shard: int = 10_000
    """Approximate number of sites in a shard."""
    workers: int | None = None
    """Folding processes, with --runner local; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds; by default the one in the user's cache directory."""
    strict: bool = False
    """End with an error when any site cannot be used, instead of listing it."""
    overwrite: bool = False
    """Replace a dataset that --out already holds."""
    runner: str = LOCAL
    """`local`: processes of this machine; any other name is a runner of Apache Beam,
    such as DirectRunner, PortableRunner, FlinkRunner, SparkRunner."""


def preprocess(flags: PreprocessFlags, beam_flags: Sequence[str] = ()) -> None:
    """Makes the dataset that the flags ask for, and prints a summary.

    Args:
      flags: Of the command.
      beam_flags: Pipeline options, where a runner of Beam is asked for.
    """
    contents = _run(flags, beam_flags)
    for given in contents["inputs"]:
        print(
            f"read {given['file']}: {given['format']}, "
            f"{counted(given['n_sites'], 'site')}, {given['n_skipped']:,} skipped"
        )
        if n_dropped := given.get("n_without_coordinates"):
            kept = counted(n_dropped, "site")
            print(f"note: left out coordinates that do not fit: of {kept}")
    for count, n in contents["duplicates"].items():
        if n:
            print(f"note: {n:,} {count.replace('_', ' ')}")
    if flags.structure:
        n_folded = contents["n_folded"]
        known = "" if n_folded else ": all folds were known"
        print(f"folded {counted(n_folded, 'sequence')}{known}")
    for split, info in contents["splits"].items():
        print(
            f"{split}: {counted(info['n_sites'], 'site')}, "
            f"{info['n_positive']:,} bound, {counted(len(info['shards']), 'shard')}"
        )
    if any(contents["skipped"].values()):
        print(f"wrote {flags.out}/{SKIPPED}: what was skipped")
    print(f"wrote {flags.out}")


def _run(flags: PreprocessFlags, beam_flags: Sequence[str]) -> dict[str, Any]:
    """Returns the contents of `dataset.json`, and `n_folded`."""
    settings = {field.name: getattr(flags, field.name) for field in fields(flags)}
    del settings["runner"]
    if flags.runner == LOCAL:
        if beam_flags:
            raise UserError(
                f"{beam_flags[0]} is no option of --runner {LOCAL}; "
                "`deeprke preprocess --help` lists them."
            )
        dataset = preprocessing.preprocess(**settings, progress=True)
        return dataset.contents | {"n_folded": dataset.n_folded}
    if flags.validation_groups == "overlap":
        raise UserError(
            "`validation_groups=overlap` needs to see all sites at once: use --runner "
            f"{LOCAL}."
        )
    if flags.workers is not None:
        raise UserError(
            f"`workers` goes with --runner {LOCAL}; a runner of Beam has an option of "
            "its own, such as --direct_num_workers of DirectRunner."
        )
    import_beam(flags.runner)
    from pipelines.beam import files as beam_files
    from pipelines.beam import preprocess as beam_runner
    from pipelines.beam.job import BeamJob

    job = BeamJob(flags.runner, beam_flags)
    return beam_runner.run(plan_of(beam_files.matching, **settings), job)


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
