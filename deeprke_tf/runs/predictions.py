"""Predictions of a run or a served model for a stream of sites."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deeprke_tf.errors import UserError
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.site_loci import Coordinates
from deeprke_tf.rna.sites import (
    Reason,
    Site,
    SkippedSite,
    clean_site,
    refuse_long,
)
from deeprke_tf.runs import bed, table
from deeprke_tf.runs.predictor import Predictor
from deeprke_tf.runs.table import Prediction
from deeprke_tf.system import files
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress, no_progress

logger = logging.getLogger(__name__)

# Sites below this fraction of the longest training site are noted.
SHORT = 0.25


def sites_of(sites: Any, k: int) -> SitesFile | Iterator[Site | SkippedSite]:
    """Returns the sites of a file, or cleaned sites from sequences or `Site`s.

    Args:
      sites: A path, or an iterable of sequences and sites; a sequence gets its number
        for a name.
      k: Shortest site that can be scored, in nucleotides.

    Raises:
      UserError: The file cannot be read or is not a sites file, or `sites` is none of
        these.
    """
    if isinstance(sites, (str, Path)) or hasattr(sites, "__fspath__"):
        return SitesFile(sites, k=k, labelled=False)
    # A mapping or a table would give its keys or the names of its columns.
    named = isinstance(sites, Mapping) or hasattr(sites, "columns")
    if named or not isinstance(sites, Iterable):
        raise UserError(
            "`sites` must be a path, or hold sequences or `Site`s, such as the column "
            f"of a table; got a value of type {type(sites).__name__}."
        )
    return _all_cleaned(sites, k)


def _all_cleaned(sites: Iterable[Any], k: int) -> Iterator[Site | SkippedSite]:
    coordinates = Coordinates()
    for row, site in enumerate(sites, start=1):
        yield _cleaned(site, row, k, coordinates)
    coordinates.warn("`sites`")


def _cleaned(
    site: Any, row: int, k: int, coordinates: Coordinates
) -> Site | SkippedSite:
    if isinstance(site, SkippedSite):
        return site
    if isinstance(site, str):
        return clean_site(f"site{row}", row, site, k=k)
    if not isinstance(site, Site):
        raise UserError(
            f"`sites` must be a path, or hold sequences or `Site`s; item {row} is of "
            f"type {type(site).__name__}."
        )
    locus = site.locus and coordinates.fitting(row, site.locus, site.sequence)
    cleaned = clean_site(
        *(site.name, row, site.sequence),
        k=k,
        dot_bracket=site.dot_bracket,
        locus=locus,
    )
    if isinstance(cleaned, Site):
        return cleaned._replace(gene=site.gene)
    return cleaned


def predict(
    predictor: Predictor,
    sites: Iterable[Site | SkippedSite],
    *,
    max_length: int = 5000,
    workers: int | None = None,
    fold_cache: Path | None = None,
    progress: Progress = no_progress,
) -> Iterator[Prediction]:
    """Scores a stream of sites in constant memory; logs notes on them.

    Args:
      predictor: The model.
      sites: Of `sites_of`.
      max_length: Longest site to score, in nucleotides.
      workers: Folding processes; None: all cores.
      fold_cache: File of known folds; None: the user's.
      progress: Shows how many sites are scored.

    Yields:
      One prediction a site, in order.

    Raises:
      UserError: The sites or the fold cache cannot be read.
    """
    if predictor.note:
        logger.info("note: %s", predictor.note)
    lengths = Lengths(predictor.longest_site)
    with contextlib.ExitStack() as closing:
        pool = None
        if predictor.fold is not None:
            pool = FoldingPool(predictor.fold, fold_cache, workers)
            closing.enter_context(pool)
        bar = closing.enter_context(progress(None, "site", "predicting"))
        usable = (
            lengths.counted(refuse_long(site, row, max_length))
            for row, site in enumerate(sites, start=1)
        )
        for prediction in predictor.score(usable, pool):
            yield prediction
            bar.update()
    for note in lengths.notes():
        logger.info("note: %s", note)


@dataclasses.dataclass
class Lengths:
    """Counts sites of other lengths than the training sites."""

    longest_site: int | None
    n_scored: int = 0
    n_skipped: int = 0
    n_longer: int = 0
    n_short: int = 0
    n_too_long: int = 0

    def counted(self, site: Site | SkippedSite) -> Site | SkippedSite:
        """Counts a site, and returns it."""
        if isinstance(site, SkippedSite):
            self.n_skipped += 1
            self.n_too_long += site.reason == Reason.TOO_LONG
            return site
        self.n_scored += 1
        if self.longest_site:
            self.n_longer += len(site.sequence) > self.longest_site
            self.n_short += len(site.sequence) < SHORT * self.longest_site
        return site

    def notes(self) -> Iterator[str]:
        """Yields what is to be told of the sites that were counted."""
        if self.n_skipped and not self.n_scored:
            yield (
                f"no site has a probability: all {self.n_skipped} were skipped; the "
                "column `skipped` says why"
            )
        if self.n_too_long:
            yield (
                f"skipped {counted(self.n_too_long, 'site')} longer than max_length; "
                "`deeprke scan` finds sites in long RNAs"
            )
        if self.n_longer:
            yield (
                f"scored {counted(self.n_longer, 'site')} longer than those that the "
                f"model was trained on, {self.longest_site} nt at most, as a whole; "
                "`deeprke scan` finds sites in long RNAs"
            )
        if self.n_short:
            yield (
                f"scored {counted(self.n_short, 'site')} much shorter than those that "
                f"the model was trained on, {self.longest_site} nt at most; such "
                "probabilities may mean little"
            )


@dataclasses.dataclass(frozen=True)
class Written:
    """How many sites a written table has.

    Attributes:
      format: Of the sites file, in words.
      n_sites: All sites.
      n_skipped: Sites without a probability.
      n_bound: Sites that are called bound, of a joint run summed over the RBPs.
      n_in_bed: Those of them that are in the BED file.
    """

    format: str
    n_sites: int
    n_skipped: int
    n_bound: int
    n_in_bed: int


def write_table(
    predictor: Predictor,
    sites: Path,
    out: Path,
    *,
    strict: bool = False,
    bed_file: Path | None = None,
    wide: bool = False,
    **settings: Any,
) -> Written:
    """Writes the table of `deeprke predict`, and the bound sites as BED.

    Args:
      predictor: The model.
      sites: A sites file; `-` is standard input.
      out: The table; `-` is standard output.
      strict: Refuse sites that would be skipped.
      bed_file: BED file of the bound sites, sorted by place; None: none.
      wide: Of a joint run: a row for each site, the RBPs as columns.
      **settings: As for `predict`.

    Raises:
      UserError: As for `predict`, a site is skipped in spite of `strict`, or there are
        no coordinates, or no threshold, for BED.
    """
    file = SitesFile(sites, k=predictor.k, labelled=False)
    if bed_file is not None:
        _require_bed(predictor, file)
    n_rows = n_skipped = n_bound = 0
    n_rbps = len(predictor.rbps) or 1
    rows: list[list[str]] = []
    with table.opened(out) as text:
        writer = (
            table.WideWriter(text, predictor.comments, predictor.rbps)
            if wide
            else table.TableWriter(
                *(text, predictor.comments, predictor.has_sd, file.has_places),
                with_rbp=bool(predictor.rbps),
            )
        )
        for prediction in predict(predictor, file, **settings):
            if strict and prediction.skipped:
                row = n_rows // n_rbps + 1
                raise refused_site(sites, row, prediction.name, prediction.skipped)
            writer.write(prediction)
            n_rows += 1
            n_skipped += bool(prediction.skipped)
            n_bound += bool(prediction.bound)
            rows += _bed_rows(prediction) if bed_file is not None else ()
    if bed_file is not None:
        _write_bed(bed_file, rows, predictor)
        if n_bound > len(rows):
            logger.info(
                "note: %d bound sites have no coordinates and are not in %s",
                *(n_bound - len(rows), bed_file),
            )
    counts = n_rows // n_rbps, n_skipped // n_rbps, n_bound
    return Written(file.format, *counts, len(rows))


def refused_site(sites: str | Path, row: int, name: str, skipped: str) -> UserError:
    """Returns the error for a skipped site where `strict` is set."""
    return UserError(
        f"Site {row} of {sites}, {name!r}, has no probability ({skipped}), and "
        "`strict` is set."
    )


def _require_bed(predictor: Predictor, file: SitesFile) -> None:
    if not file.has_places:
        raise UserError(
            f"`bed` needs coordinates, and {file.path} has none: give a table with the "
            "columns chrom, start, end and strand, or FASTA of `bedtools getfasta -s`."
        )
    if predictor.rbps:
        raise UserError("`bed` holds the sites of one RBP: name it with `rbp`.")
    if predictor.threshold is None:
        raise UserError("`bed` holds the bound sites: give `threshold`, too.")


def _bed_rows(prediction: Prediction) -> list[list[str]]:
    locus, probability = prediction.locus, prediction.probability
    if not prediction.bound or locus is None or probability is None:
        return []
    return [bed.row_of(locus, prediction.name, probability, thick=locus)]


def _write_bed(path: Path, rows: list[list[str]], predictor: Predictor) -> None:
    with files.written_aside(path) as file:
        attributes = {"name": "bound sites", "description": predictor.comments[0]}
        attributes |= {"color": bed.COLOR, "useScore": "1"}
        file.write(bed.header(predictor.comments, attributes))
        bed.write_rows(file, sorted(rows, key=bed.in_order))
