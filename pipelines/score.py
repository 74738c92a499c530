r"""Scores very large files of RNAs with exported models, as a job of Apache Beam.

python -m pipelines.score --model serving/QKI --sites rnas.fa.gz --out scores
python -m pipelines.score --model gs://b/QKI gs://b/PUM2 --sites 'gs://b/*.fa.gz' \
    --out gs://b/scores --format parquet --runner DataflowRunner --project P --region R
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deeprke_tf import cli
from pipelines.beam.extra import import_beam

if TYPE_CHECKING:
    from pipelines.beam.score_plan import ScorePlan


@dataclasses.dataclass(frozen=True)
class ScoreFlags:
    """Gives each RNA of very large files the probability that an RBP binds it.

    Does what `deeprke predict` does, with models of `deeprke export`, on as many
    workers as a runner of Apache Beam has. Writes tables with the columns and the rows
    of `predict` in the order of the input, in shards: MODEL-00000-of-00012.tsv and so
    on; scores.json, which tells that they are whole, counts sites and what was skipped.

    Every flag that is not below goes to Beam as a pipeline option, such as
    --direct_num_workers 4. Needs the extra `beam`.
    """

    model: tuple[str, ...]
    """Directories of `deeprke export`: of one version, or of all, for the newest. Of
    several models, each RNA is folded once."""
    sites: str
    """FASTA or table, plain or gzip, or a pattern of such files."""
    out: str
    """Directory to make."""
    format: Literal["tsv", "parquet"] = "tsv"
    """Of the tables."""
    sites_per_shard: int = 100_000
    """Most sites in one table."""
    max_length: int = 5000
    """Longest RNA to fold, in nucleotides; longer ones get no probability."""
    batch_size: int = 256
    """Sites that a network sees at once."""
    fold_cache: Path | None = None
    """File of known folds on each worker, if not the one in the cache directory of its
    user."""
    overwrite: bool = False
    """Replace the scores that --out already holds."""
    runner: str = "DirectRunner"
    """Runner of Apache Beam: DirectRunner is this machine; PortableRunner, FlinkRunner,
    SparkRunner, DataflowRunner and others."""


def score(flags: ScoreFlags, beam_flags: Sequence[str]) -> None:
    """Writes the tables that the flags ask for, and says what they hold.

    Args:
      flags: Of the command.
      beam_flags: Pipeline options.

    Raises:
      UserError: A model or the sites cannot be read, or the job failed.
    """
    import_beam(flags.runner)
    from pipelines.beam import score_runner
    from pipelines.beam.job import BeamJob

    job = BeamJob(flags.runner, beam_flags)
    contents = score_runner.run(_to_plan(flags), job)
    for given in contents["inputs"]:
        print(f"read {given['file']}: {given['format']}, {given['n_sites']} sites")
    for model in contents["models"]:
        n_skipped = sum(model["skipped"].values())
        print(
            f"{model['name']}: {model['n_bound']} called bound at "
            f"{model['threshold']:.4f}, {n_skipped} skipped, "
            f"{len(model['shards'])} shard{'s' if len(model['shards']) > 1 else ''}"
        )
    print(f"wrote {flags.out}")


def _to_plan(flags: ScoreFlags) -> "ScorePlan":
    from pipelines.beam import exported_model, files
    from pipelines.beam.score_plan import ScorePlan

    return ScorePlan(
        tuple(exported_model.find(path) for path in flags.model),
        tuple(files.matching(flags.sites)),
        **{
            name: getattr(flags, name)
            for name in (
                *("out", "overwrite", "format", "sites_per_shard", "max_length"),
                *("batch_size", "fold_cache"),
            )
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    beam_flags: list[str] = []
    return cli.run(
        "score",
        ScoreFlags,
        lambda flags: score(flags, beam_flags),
        argv,
        unknown=beam_flags,
    )


if __name__ == "__main__":
    sys.exit(main())
