"""Gives RNAs the probability that the RBP of a model binds them.

python -m deeprke_tf.predict --model runs/QKI --sites new.fa --out new.tsv
python -m deeprke_tf.predict --model runs/QKI-1 runs/QKI-2 --sites new.fa --fdr 0.05
python -m deeprke_tf.predict --server http://host:8501/v1/models/QKI --sites new.fa
"""

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite, refuse_long
from deeprke_tf.runs import table as prediction_table
from deeprke_tf.runs.predictions import Source, of_runs, of_server, predictions
from deeprke_tf.runs.table import Prediction, TableWriter
from deeprke_tf.serving.client import RequestSettings
from deeprke_tf.system import directories
from deeprke_tf.system.progress import progress_bar

if TYPE_CHECKING:
    from deeprke_tf.evaluation.calling import Aim

__all__ = ["PredictFlags", "Prediction", "main", "predict", "predictions"]

_MEASURES = ("fdr", "precision", "recall")


@dataclasses.dataclass(frozen=True)
class PredictFlags:
    """Gives each RNA of a file the probability that the RBP binds it.

    Writes a table in the order of the input: `name`, `probability`,
    `calibrated_probability`, `bound` (1 where the probability reaches the threshold)
    and `skipped` (why a site has no probability). Lines before it that begin with #
    name model, threshold and calibration. Any FASTA or table will do; labels are not
    looked at.

    Of an ensemble, or several runs in --model, `probability` is the mean, and a last
    column, `probability_sd`, the sample standard deviation.

    Give --model, or --server for a model that `deeprke export` wrote and TF Serving
    serves. Fold settings are those of the model's card then, and `bound` stays empty
    without --threshold: a server tells neither, nor what --fdr, --precision, --recall
    and --prior need.
    """

    sites: Path
    """FASTA or table, plain or gzip; - reads standard input."""
    model: tuple[Path, ...] = ()
    """Runs or ensembles of `deeprke train`: one, or several to average."""
    server: str | None = None
    """http://host:8501/v1/models/NAME or grpc://host:8500/NAME, in place of --model."""
    out: Path = Path("-")
    """Table to write, tab-separated; - writes to standard output."""
    max_length: int = 5000
    """Longest RNA to fold, in nucleotides; longer ones get no probability."""
    batch_size: int = 256
    """Sites scored at once."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    threshold: float | None = None
    """Probability from which a site is called bound; if not given, that of the largest
    MCC on the validation sites of the run."""
    fdr: float | None = None
    """In place of a threshold: the smallest with at most this false discovery rate on
    the validation sites, such as 0.05."""
    precision: float | None = None
    """In place of a threshold: the smallest with at least this precision there."""
    recall: float | None = None
    """In place of a threshold: the largest with at least this recall there."""
    prior: float | None = None
    """Share of the sites that are bound, for the choice of the threshold and the
    calibrated probability; that of the validation sites if not given."""
    no_calibration: bool = False
    """Leave the calibration of the run out: calibrated_probability equals probability,
    but for --prior."""
    requests: RequestSettings = RequestSettings()
    fold: FoldSettings = FoldSettings()


def predict(flags: PredictFlags) -> None:
    """Writes the table that the flags ask for.

    Raises:
      UserError: The flags do not go together, a run or the sites cannot be read, or
        the server does not answer as it should.
    """
    _check(flags)
    _require_free(flags.out, flags.sites)
    n_skipped = n_bound = n_sites = 0
    with contextlib.ExitStack() as closing:
        source = closing.enter_context(_source(flags))
        if source.doubt:
            print(f"note: {source.doubt}", file=sys.stderr)
        sites_file = SitesFile(flags.sites, k=source.k, labelled=False)
        pool = FoldingPool(source.fold, flags.fold_cache, flags.workers)
        closing.enter_context(pool)
        file = closing.enter_context(prediction_table.opened(flags.out))
        bar = closing.enter_context(progress_bar(None, "site", "predicting"))
        lengths = _Lengths(source.longest_site)
        sites = (
            lengths.noted(refuse_long(site, row, flags.max_length))
            for row, site in enumerate(sites_file, start=1)
        )
        table = TableWriter(file, source.comments, source.has_sd)
        for prediction in source.predictions(sites, pool):
            table.write(prediction)
            bar.update()
            n_sites += 1
            n_skipped += bool(prediction.skipped)
            n_bound += bool(prediction.bound)
    called = ""
    if source.threshold is not None:
        called = f", {n_bound} called bound at {source.threshold:.4f}"
    if lengths.n_longer:
        print(
            f"note: {lengths.n_longer} sites are longer than those that the model was "
            f"trained on, {source.longest_site} nt at most, and have one probability "
            "as a whole; `deeprke scan` finds sites in them",
            file=sys.stderr,
        )
    written = "standard output" if str(flags.out) == "-" else flags.out
    print(
        f"read {flags.sites}: {sites_file.format}, {n_sites} sites, "
        f"{n_skipped} skipped{called}\nwrote {written}",
        file=sys.stderr,
    )


class _Lengths:
    """Counts the sites that are longer than those that a model was trained on."""

    def __init__(self, longest_site: int | None):
        self._longest_site = longest_site
        self.n_longer = 0

    def noted(self, site: Site | SkippedSite) -> Site | SkippedSite:
        if isinstance(site, Site) and self._longest_site:
            self.n_longer += len(site.sequence) > self._longest_site
        return site


def _check(flags: PredictFlags) -> None:
    if flags.max_length < 1 or flags.batch_size < 1:
        raise UserError("max_length and batch_size must be at least 1.")
    if (not flags.model) == (flags.server is None):
        raise UserError("Give --model RUN or --server URL, one of the two.")
    ways = _given(flags, ("threshold", *_MEASURES))
    if len(ways) > 1:
        raise UserError(f"Give one of {', '.join(ways)}, not several.")
    if flags.threshold is not None and not 0 <= flags.threshold <= 1:
        raise UserError(f"threshold must be in [0, 1], got {flags.threshold:g}.")
    settings = (flags.requests, flags.fold)
    if flags.model and settings != (RequestSettings(), FoldSettings()):
        raise UserError("Options for requests and folding go with --server only.")
    of_a_run = _given(flags, (*_MEASURES, "prior", "no_calibration"))
    if flags.server and of_a_run:
        raise UserError(
            f"{', '.join(of_a_run)}: only with --model. A server gives its "
            "probabilities, calibrated as exported, but not the validation sites that "
            "a threshold or a prior needs; give --threshold, which `deeprke predict "
            "--model RUN` names in the first lines of its table."
        )


def _given(flags: PredictFlags, names: Sequence[str]) -> list[str]:
    """Returns those of the flags, in words, that are not at their default."""
    defaults = {field.name: field.default for field in dataclasses.fields(flags)}
    return [
        "--" + name.replace("_", "-")
        for name in names
        if getattr(flags, name) != defaults[name]
    ]


def _source(flags: PredictFlags) -> contextlib.AbstractContextManager[Source]:
    if flags.server is not None:
        return of_server(
            flags.server, flags.requests, flags.fold, flags.batch_size, flags.threshold
        )
    return contextlib.nullcontext(
        of_runs(
            flags.model,
            flags.batch_size,
            threshold=flags.threshold,
            aim=_aim(flags),
            prior=flags.prior,
            calibrate=not flags.no_calibration,
        )
    )


def _aim(flags: PredictFlags) -> "Aim | None":
    """Returns what the threshold is chosen for; None: the largest MCC."""
    if flags.fdr is not None:
        return "fdr", flags.fdr
    if flags.precision is not None:
        return "precision", flags.precision
    if flags.recall is not None:
        return "recall", flags.recall
    return None


def _require_free(out: Path, sites: Path) -> None:
    """Refuses an output that would fail when all is scored, or replace the input."""
    if str(out) == "-":
        return
    if out.is_dir():
        raise UserError(f"--out {out} is a directory; name a file.")
    directories.make_directory(out.parent)
    if out.exists() and sites.exists() and out.samefile(sites):
        raise UserError(f"--out {out} is the file of --sites; name another.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A server has TensorFlow: no need to load it here.
    local = all(flag.partition("=")[0] != "--server" for flag in arguments)
    return cli.run("predict", PredictFlags, predict, arguments, uses_tensorflow=local)


if __name__ == "__main__":
    sys.exit(main())
