"""Gives RNAs the probability that the RBP of a model binds them.

python -m deeprke_tf.predict --model runs/QKI --sites new.fa --out new.tsv
python -m deeprke_tf.predict --server http://host:8501/v1/models/QKI --sites new.fa
"""

import contextlib
import csv
import dataclasses
import functools
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from deeprke_tf import cli, runs
from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.fold_cache import FoldCache, default_path
from deeprke_tf.folding import Folder
from deeprke_tf.progress import progress_bar
from deeprke_tf.readers import SitesFile
from deeprke_tf.serving_client import RequestSettings, ServedModel
from deeprke_tf.sites import Site, SkippedSite, refuse_long

COLUMNS = ("name", "probability", "bound", "skipped")

_SITES_AT_ONCE = 2_048


@dataclasses.dataclass(frozen=True)
class PredictFlags:
    """Gives each RNA of a file the probability that the RBP binds it.

    Writes a table in the order of the input: `name`, `probability`, `bound` (1 where
    the probability reaches the threshold chosen on validation) and `skipped` (why a
    site has no probability). Any FASTA or table will do; labels are not looked at.

    Give --model, or --server for a model that `deeprke export` wrote and TF Serving
    serves. Fold settings are those of the model's card then, and `bound` stays empty
    without --threshold: a server tells neither.
    """

    sites: Path
    """FASTA or table, plain or gzip; - reads standard input."""
    model: Path | None = None
    """Run directory of `deeprke train`."""
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
    """Probability from which a site is called bound; that of the run if not given."""
    requests: RequestSettings = RequestSettings()
    fold: FoldSettings = FoldSettings()


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one site.

    Attributes:
      name: The site's name.
      probability: That the RBP binds it, in [0, 1]; None if it was skipped.
      bound: Whether the probability reaches the threshold; None if skipped, or where no
        threshold is known.
      skipped: Why there is no probability; empty if there is one.
    """

    name: str
    probability: float | None
    bound: bool | None
    skipped: str = ""


@dataclasses.dataclass(frozen=True)
class _Source:
    """What gives the probabilities: a run, or a server."""

    k: int  # a site needs that many letters
    fold: FoldSettings
    threshold: float | None  # None: not known
    predictions: Callable[[Iterable[Site | SkippedSite], Folder], Iterator[Prediction]]


def predict(flags: PredictFlags) -> None:
    """Writes the table that the flags ask for.

    Raises:
      UserError: The flags do not go together, the run or the sites cannot be read, or
        the server does not answer as it should.
    """
    _check(flags)
    _require_free(flags.out, flags.sites)
    n_skipped = n_bound = n_sites = 0
    with contextlib.ExitStack() as closing:
        source = closing.enter_context(_source(flags))
        sites_file = SitesFile(flags.sites, k=source.k, labelled=False)
        cache = FoldCache(flags.fold_cache or default_path(), source.fold)
        closing.enter_context(cache)
        folder = closing.enter_context(Folder(cache, source.fold, flags.workers))
        table = closing.enter_context(_table(flags.out))
        bar = closing.enter_context(progress_bar(None, "site", "predicting"))
        sites = (
            refuse_long(site, row, flags.max_length)
            for row, site in enumerate(sites_file, start=1)
        )
        writer = csv.writer(table, "excel-tab", lineterminator="\n")
        writer.writerow(COLUMNS)
        for prediction in source.predictions(sites, folder):
            writer.writerow(_row(prediction))
            bar.update()
            n_sites += 1
            n_skipped += bool(prediction.skipped)
            n_bound += bool(prediction.bound)
    called = ""
    if source.threshold is not None:
        called = f", {n_bound} called bound at {source.threshold:.4f}"
    print(
        f"read {flags.sites}: {sites_file.format}, {n_sites} sites, "
        f"{n_skipped} skipped{called}\nwrote {flags.out}",
        file=sys.stderr,
    )


def _check(flags: PredictFlags) -> None:
    if flags.max_length < 1 or flags.batch_size < 1:
        raise UserError("max_length and batch_size must be at least 1.")
    if (flags.model is None) == (flags.server is None):
        raise UserError("Give --model RUN or --server URL, one of the two.")
    if flags.threshold is not None and not 0 <= flags.threshold <= 1:
        raise UserError(f"threshold must be in [0, 1], got {flags.threshold:g}.")
    settings = (flags.requests, flags.fold)
    if flags.model and settings != (RequestSettings(), FoldSettings()):
        raise UserError("Options for requests and folding go with --server only.")


@contextlib.contextmanager
def _source(flags: PredictFlags) -> Iterator[_Source]:
    if flags.server is not None:
        with ServedModel(flags.server, flags.requests) as served:
            print(f"asking {flags.server}, version {served.version}", file=sys.stderr)

            def ask(
                sites: Iterable[Site | SkippedSite], folder: Folder
            ) -> Iterator[Prediction]:
                scored = served.score(sites, folder, flags.batch_size)
                return (_prediction(*item, flags.threshold) for item in scored)

            # Letters are sent; what is shorter than k, the server knows.
            yield _Source(1, flags.fold, flags.threshold, ask)
    elif flags.model is not None:
        run = runs.load(flags.model)
        if flags.threshold is not None:
            run = dataclasses.replace(run, threshold=flags.threshold)
        score = functools.partial(predictions, run, batch_size=flags.batch_size)
        yield _Source(run.encoding.k, run.encoding.fold, run.threshold, score)


def predictions(
    run: runs.Run,
    sites: Iterable[Site | SkippedSite],
    folder: Folder,
    batch_size: int = 256,
) -> Iterator[Prediction]:
    """Scores sites as they come, some thousand at a time.

    Args:
      run: The model.
      sites: From `readers.SitesFile(path, k=run.encoding.k, labelled=False)`, or made.
      folder: Folds under `run.encoding.fold`; not used for a model without structure.
      batch_size: Sites that the network sees at once; does not change a probability.

    Yields:
      One prediction a site, in order.
    """
    from deeprke_tf import inference

    score = inference.scorer(run.model)
    stream = iter(sites)
    while some := list(itertools.islice(stream, _SITES_AT_ONCE)):
        usable = [site for site in some if isinstance(site, Site)]
        encoded = encode_sites(run, usable, folder)
        scored = iter(inference.score_sites(score, encoded, batch_size))
        for site in some:
            is_usable = isinstance(site, Site)
            probability = float(next(scored)) if is_usable else math.nan
            yield _prediction(site, probability, run.threshold)


def _prediction(
    site: Site | SkippedSite, probability: float, threshold: float | None
) -> Prediction:
    if isinstance(site, SkippedSite):
        reason = f"{site.reason}: {site.detail}" if site.detail else site.reason
        return Prediction(site.name, None, None, reason)
    bound = None if threshold is None else probability >= threshold
    return Prediction(site.name, probability, bound)


def encode_sites(run: runs.Run, sites: list[Site], folder: Folder) -> list[dict]:
    """Encodes sites as a model reads them, folding where it reads structure.

    Args:
      run: The model.
      sites: Usable sites; a structure of their own is taken as it is.
      folder: Folds under `run.encoding.fold`.

    Returns:
      The k-mer ids of each site by view, int64 [n_kmers].
    """
    if not run.config.model.structure:
        return [
            {"sequence_kmers": run.encoding.encode_sequence(site.sequence)}
            for site in sites
        ]
    folds = folder.structures(s.sequence for s in sites if s.dot_bracket is None)
    encoded = []
    for site in sites:
        dot_bracket = site.dot_bracket or folds[site.sequence]
        ids = run.encoding.encode(site.sequence, dot_bracket)
        encoded.append(dict(zip(run.config.model.views, ids, strict=True)))
    return encoded


def _require_free(out: Path, sites: Path) -> None:
    """Refuses an output that would fail when all is scored, or replace the input."""
    if str(out) == "-":
        return
    if out.is_dir():
        raise UserError(f"--out {out} is a directory; name a file.")
    runs.make_directory(out.parent)
    if out.exists() and sites.exists() and out.samefile(sites):
        raise UserError(f"--out {out} is the file of --sites; name another.")


@contextlib.contextmanager
def _table(path: Path) -> Iterator[TextIO]:
    """Opens the output: standard output, or a file written aside until it is whole."""
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _row(prediction: Prediction) -> list[str]:
    if prediction.probability is None:
        return [prediction.name, "", "", prediction.skipped]
    bound = "" if prediction.bound is None else str(int(prediction.bound))
    return [prediction.name, f"{prediction.probability:.6f}", bound, ""]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A server has TensorFlow: no need to load it here.
    local = all(flag.partition("=")[0] != "--server" for flag in arguments)
    return cli.run("predict", PredictFlags, predict, arguments, uses_tensorflow=local)


if __name__ == "__main__":
    sys.exit(main())
