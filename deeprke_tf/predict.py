r"""Gives RNAs the probability that the RBP of a model binds them.

python -m deeprke_tf.predict --model runs/QKI --sites new.fa --out new.tsv
python -m deeprke_tf.predict --model runs/QKI-1 runs/QKI-2 --sites new.fa --fdr 0.05
python -m deeprke_tf.predict --server http://host:8501/v1/models/QKI --sites new.fa
python -m deeprke_tf.predict --model gs://b/QKI --sites 'gs://b/*.fa.gz' \
    --out gs://b/scores --runner DataflowRunner --project P --region R
"""

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from deeprke_tf import api, cli
from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.runs import predictions, table
from deeprke_tf.runs.joint_predictor import joint_predictor_of
from deeprke_tf.runs.predictor import Predictor, predictor_of, target_of
from deeprke_tf.serving.predictor import predictor_of_server
from deeprke_tf.serving.protocol import RequestSettings
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import progress_bar
from pipelines.beam import import_beam, is_given

LOCAL = "local"
_OF_A_RUN = ("fdr", "precision", "recall", "prior", "calibrate")


@dataclasses.dataclass(frozen=True)
class BeamFlags:
    """For very large files: Apache Beam writes a directory of tables."""

    runner: str = LOCAL
    """`local` is this process; any other name is a runner of Apache Beam: DirectRunner
    (this machine), PortableRunner, FlinkRunner, SparkRunner, DataflowRunner."""
    format: Literal["tsv", "parquet"] = "tsv"
    """Format of the tables."""
    sites_per_shard: int = 100_000
    """Most sites in one table."""
    overwrite: bool = False
    """Replace the predictions that --out already holds."""


@dataclasses.dataclass(frozen=True)
class PredictFlags:
    """Gives each RNA of a file the probability that the RBP binds it.

    Writes a table in the order of the input: `name`, `probability`,
    `calibrated_probability`, `bound` (1 where the probability reaches the threshold)
    and `skipped` (why a site has no probability). Lines before it that begin with #
    name model, threshold and calibration. Any FASTA or table will do; labels are
    ignored.

    For an ensemble, or several runs in --model, `probability` is the mean over the
    members, and another column, `probability_sd`, the sample standard deviation. Where
    the file says where its sites lie, in the columns `chrom`, `start`, `end` and
    `strand` or in FASTA headers of `bedtools getfasta -s`, these come last, with
    `blocks` (of a spliced site) and `gene`; --bed then writes the bound sites for a
    genome browser.

    Give --model, or --server for a model that `deeprke export` wrote and TF Serving
    serves. A server knows neither fold settings nor threshold: take the former from the
    model card; `bound` stays empty without --threshold. It has no validation sites, so
    that --fdr, --precision, --recall and --prior need --model.

    With --runner, Apache Beam predicts on many workers. --model then also takes models
    of `deeprke export`, --sites patterns, and every flag that is not below goes to Beam
    as a pipeline option, such as --direct_num_workers 4. --out becomes a directory of
    tables, MODEL-00000-of-00012.tsv and so on; scores.json, written last, counts sites
    and skipped sites. Each of several models has tables of its own.
    """

    sites: str
    """FASTA or table, plain or gzip; - reads standard input."""
    model: tuple[str, ...] = ()
    """Runs or ensembles of `deeprke train`, or names that `deeprke models` lists: one,
    or several to average."""
    rbp: tuple[str, ...] = ()
    """Of a joint run, also a served one: the RBPs to predict, by default all. The table
    of several has the column `rbp` and a row for each site and RBP. With one, the table
    is that of a run of one RBP, and runs of this RBP can be averaged with it."""
    wide: bool = False
    """Of a joint run: a row for each site, with the probability of each RBP in a column
    of its own."""
    server: str | None = None
    """http://host:8501/v1/models/NAME or grpc://host:8500/NAME, in place of --model."""
    strict: bool = False
    """End with an error at the first site that would be skipped."""
    out: str = "-"
    """Table to write, tab-separated; - writes to standard output."""
    bed: Path | None = None
    """BED file to write too: the bound sites on their genome, their probability as
    score; for sites with coordinates."""
    max_length: int = 5000
    """Longest RNA to score, in nucleotides; longer ones are skipped."""
    batch_size: int = 256
    """Sites scored at once."""
    workers: int | None = None
    """Folding processes; all cores by default."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    threshold: float | None = None
    """Decision threshold: sites of at least this probability are called bound; by
    default the threshold with the largest MCC on the validation sites."""
    fdr: float | None = None
    """In place of a threshold: target false discovery rate on the validation sites,
    such as 0.05. The smallest threshold that reaches it is taken."""
    precision: float | None = None
    """In place of a threshold: target precision on the validation sites. The smallest
    threshold that reaches it is taken."""
    recall: float | None = None
    """In place of a threshold: target recall on the validation sites. The largest
    threshold that reaches it is taken."""
    prior: float | None = None
    """Expected fraction of bound sites, for the choice of the threshold and the
    calibrated probability; by default the fraction in the validation sites."""
    calibrate: Annotated[bool, tyro.conf.arg(name="calibration")] = True
    """No calibration: calibrated_probability then differs from probability only through
    --prior."""
    requests: RequestSettings = RequestSettings()
    fold: FoldSettings = FoldSettings()
    beam: BeamFlags = BeamFlags()


def predict(flags: PredictFlags, beam_flags: Sequence[str] = ()) -> None:
    """Writes the table that the flags ask for.

    Args:
      flags: Flags of the command.
      beam_flags: Pipeline options for Beam.

    Raises:
      UserError: The flags do not go together, a run or the sites cannot be read, or
        the server does not answer as it should.
    """
    _check(flags)
    if flags.beam.runner != LOCAL:
        _predict_with_beam(flags, beam_flags)
        return
    if flags.beam != BeamFlags() or beam_flags:
        raise UserError(
            "`format`, `sites_per_shard`, `overwrite` and options of Beam go with a "
            "`runner` of Apache Beam only."
        )
    sites, out = Path(flags.sites), Path(flags.out)
    _require_places(sites, out, flags.bed)
    with _predictor(flags) as predictor:
        written = predictions.write_table(
            predictor,
            sites,
            out,
            strict=flags.strict,
            bed_file=flags.bed,
            wide=flags.wide,
            max_length=flags.max_length,
            workers=flags.workers,
            fold_cache=flags.fold_cache,
            progress=progress_bar,
        )
        called = ""
        if predictor.rbps:
            called = f", {counted(len(predictor.rbps), 'RBP')}"
            if flags.server is None or flags.threshold is not None:
                called += f", {written.n_bound:,} called bound"
        elif predictor.threshold is not None:
            called = f", {written.n_bound:,} called bound at {predictor.threshold:.4f}"
    print(
        f"read {flags.sites}: {written.format}, {counted(written.n_sites, 'site')}, "
        f"{written.n_skipped:,} skipped{called}\n"
        f"wrote {'standard output' if flags.out == '-' else flags.out}",
        file=sys.stderr,
    )
    if flags.bed is not None:
        print(
            f"wrote {flags.bed}: {counted(written.n_in_bed, 'bound site')}",
            file=sys.stderr,
        )


def _require_places(sites: Path, out: Path, bed: Path | None) -> None:
    """Refuses outputs that would replace the sites or each other."""
    table.require_free(out, sites)
    if bed is not None:
        table.require_free(bed, sites, "bed")
        if bed.absolute() == out.absolute():
            raise UserError(f"`bed` and `out` are one file, {out}; name two.")


def _predict_with_beam(flags: PredictFlags, beam_flags: Sequence[str]) -> None:
    if flags.bed is not None:
        raise UserError("`bed` cannot be given with a `runner` of Apache Beam.")
    if flags.server is not None or flags.workers is not None or flags.out == "-":
        raise UserError(
            "A `runner` of Apache Beam needs `model`, and `out` to name a directory; "
            "it has an option of its own for `workers`, such as --direct_num_workers."
        )
    import_beam(flags.beam.runner)
    from pipelines.beam.job import BeamJob
    from pipelines.beam.predict import predict as predict_with_beam

    contents = predict_with_beam(
        flags.model,
        flags.sites,
        flags.out,
        BeamJob(flags.beam.runner, beam_flags),
        format=flags.beam.format,
        sites_per_shard=flags.beam.sites_per_shard,
        max_length=flags.max_length,
        batch_size=flags.batch_size,
        fold_cache=flags.fold_cache,
        strict=flags.strict,
        overwrite=flags.beam.overwrite,
        rbps=flags.rbp,
        wide=flags.wide,
        **_calling(flags),
    )
    lines = [
        f"read {given['file']}: {given['format']}, {counted(given['n_sites'], 'site')}"
        for given in contents["inputs"]
    ]
    for model in contents["models"]:
        n_shards = len(model["shards"])
        lines.append(
            f"{model['name']}: {model['n_bound']:,} called bound{_at(model)}, "
            f"{sum(model['skipped'].values()):,} skipped, {counted(n_shards, 'shard')}"
        )
    print(*lines, f"wrote {flags.out}", sep="\n", file=sys.stderr)


def _at(model: dict[str, Any]) -> str:
    if "threshold" in model:
        return f" at {model['threshold']:.4f}"
    return f" of {counted(len(model['thresholds']), 'RBP')}"


def _check(flags: PredictFlags) -> None:
    if (not flags.model) == (flags.server is None):
        raise UserError("Give --model RUN or --server URL, one of the two.")
    settings = (flags.requests, flags.fold)
    if flags.model and settings != (RequestSettings(), FoldSettings()):
        raise UserError("Options for requests and folding go with --server only.")
    defaults = {field.name: field.default for field in dataclasses.fields(flags)}
    given = [
        "--no-calibration" if name == "calibrate" else f"--{name}"
        for name in _OF_A_RUN
        if getattr(flags, name) != defaults[name]
    ]
    if flags.server and given:
        raise UserError(
            f"{', '.join(given)}: only with --model. A server gives its "
            "probabilities, calibrated as exported, but not the validation sites that "
            "a threshold or a prior needs; give --threshold, which `deeprke predict "
            "--model RUN` names in the first lines of its table."
        )


def _predictor(
    flags: PredictFlags,
) -> contextlib.AbstractContextManager[Predictor]:
    require_positive(max_length=flags.max_length, batch_size=flags.batch_size)
    calling = _calling(flags)
    is_one = len(flags.rbp) == 1 and not flags.wide
    if flags.server is not None:
        return predictor_of_server(
            *(flags.server, flags.requests, flags.fold, flags.batch_size),
            *(flags.threshold, flags.rbp, is_one),
        )
    run = api.load_run(*flags.model, rbp=flags.rbp[0] if is_one else None)
    if isinstance(run, api.JointRun):
        predictor = joint_predictor_of(
            run, flags.rbp, batch_size=flags.batch_size, **calling
        )
    elif flags.wide or len(flags.rbp) > 1:
        raise UserError("`wide` and several of `rbp` go with a joint run only.")
    else:
        predictor = predictor_of(run, batch_size=flags.batch_size, **calling)
    return contextlib.nullcontext(predictor)


def _calling(flags: PredictFlags) -> dict[str, Any]:
    """Returns the settings of threshold and calibration."""
    return {
        "threshold": flags.threshold,
        "target": target_of(
            flags.threshold,
            fdr=flags.fdr,
            precision=flags.precision,
            recall=flags.recall,
        ),
        "prior": flags.prior,
        "calibrate": flags.calibrate,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    beam_flags: list[str] | None = [] if is_given("--runner", arguments) else None
    return cli.run(
        "predict",
        PredictFlags,
        lambda flags: predict(flags, beam_flags or ()),
        arguments,
        unknown=beam_flags,
        log_to_stderr=True,
    )


if __name__ == "__main__":
    sys.exit(main())
