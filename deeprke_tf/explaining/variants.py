"""What variants do to binding, from files of variants to scores of both alleles."""

import contextlib
import dataclasses
import functools
import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deeprke_tf
from deeprke_tf.explaining import variants_files
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.variants_alleles import Reason
from deeprke_tf.explaining.variants_background import Kind, Null, Wanted
from deeprke_tf.explaining.variants_files import Parts, VariantsWriter
from deeprke_tf.explaining.variants_inputs import Inputs, opened
from deeprke_tf.explaining.variants_places import OnGenome, OnRnas, alleles
from deeprke_tf.explaining.variants_reading import Record, VariantsFile
from deeprke_tf.explaining.variants_rows import Row, name_of
from deeprke_tf.explaining.variants_scoring import AlleleScorer
from deeprke_tf.explaining.variants_settings import VariantSettings
from deeprke_tf.explaining.variants_vcf import NEIGHBORS, vcf_header
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.runs.run import Run
from deeprke_tf.system import processes
from deeprke_tf.system.directories import directory_aside
from deeprke_tf.system.files import write_json
from deeprke_tf.system.progress import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_RECORDS_AT_ONCE = 2_000
_MANY = 0.1  # of the alleles; so many wrong REFs are of another assembly


@dataclasses.dataclass(frozen=True)
class Variants:
    """Scored variants.

    Attributes:
      directory: Their files; see `variants_files`.
      contents: Those of `variants.json`.
    """

    directory: Path
    contents: dict[str, Any]

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """A row for each allele and RNA, in the columns of `variants_files.COLUMNS`."""
        return self._read(variants_files.TABLE)

    @functools.cached_property
    def windows(self) -> "pd.DataFrame":
        """With `windows="all"`: a row for each window of each scored allele."""
        return self._read(variants_files.WINDOWS)

    def _read(self, name: str) -> "pd.DataFrame":
        import pandas as pd

        with open(self.directory / name, encoding="utf-8") as file:
            n_head = sum(1 for _ in itertools.takewhile(_is_comment, file))
        texts = ("name", "chrom", "ref", "alt", "strand", "gene", "gene_name")
        others = ("region", "transcript", "reason", "detail")
        return pd.read_csv(
            self.directory / name,
            sep="\t",
            skiprows=n_head,
            dtype=dict.fromkeys((*texts, *others), str),
            # A variant or a gene may be called NA.
            keep_default_na=False,
            na_values={
                column: [""]
                for column in variants_files.COLUMNS
                if column not in (*texts, *others)
            },
        )


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def score_variants(
    run: Run,
    inputs: Inputs,
    out: Path,
    settings: VariantSettings = VariantSettings(),
    *,
    workers: int | None = None,
    fold_cache: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Variants:
    """Scores both alleles of variants and writes the files.

    `deeprke_tf.api.Run.variants` describes the arguments.

    Raises:
      UserError: As of `deeprke_tf.api.Run.variants`.
    """
    window = run.window_length(settings.window)
    started = time.monotonic()
    with contextlib.ExitStack() as closing:
        directory = closing.enter_context(
            directory_aside(out, overwrite, variants_files.VARIANTS)
        )
        file, ground = opened(inputs, settings.transcripts, run.encoding.k, closing)
        pool = None
        if run.reads_structure:
            pool = FoldingPool(run.encoding.fold, fold_cache, workers)
            closing.enter_context(pool)
        job = _Job(run, file, ground, pool, window, settings, progress)
        counts, background = job.write(directory)
        contents = {
            "deeprke_tf": deeprke_tf.__version__,
            "command": processes.command_line(),
            "model": [str(one.directory) for one in run.given or (run,)],
            "model_sha256": run.model_sha256,
            "inputs": inputs.described(),
            "settings": {**dataclasses.asdict(settings), "window": window},
            "notes": [NEIGHBORS, variants_files.SIGN],
            "counts": counts,
            "background": background,
            "seconds": round(time.monotonic() - started, 3),
        }
        write_json(directory / variants_files.MANIFEST, contents)
    _warn(counts, file.path)
    return Variants(out, contents)


@dataclasses.dataclass(frozen=True)
class _Job:
    run: Run
    file: VariantsFile
    ground: OnGenome | OnRnas
    pool: FoldingPool | None
    window: int
    settings: VariantSettings
    progress: Progress

    def write(self, directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Writes all but the manifest; returns counts, and those of the background."""
        n_records, chroms, wanted = self._survey()
        null, background = self._null(wanted) if wanted else (None, {})
        drawn: list[Row] = []
        counts, skipped = Counter({"records": n_records}), Counter[str]()
        header = None
        if isinstance(self.ground, OnGenome):
            sizes = {chrom: self.ground.size(chrom) for chrom in chroms}
            header = vcf_header(self.file.header, sizes)
        parts = Parts(
            places=isinstance(self.ground, OnGenome) and self.ground.names_places,
            sd=len(self.run.trainings) > 1,
            every=self.settings.windows == "all",
            null=null is not None,
        )
        with (
            VariantsWriter(directory, self._comments(), parts, header) as writer,
            self.progress(n_records, "variant", "scoring variants") as bar,
        ):
            for record, rows in self._rows(null):
                writer.write(record, rows)
                drawn += [row for row in rows if self._is_drawn(row)]
                bar.update(1)
                for row in rows:
                    counts["scored" if row.effect else "not_scored"] += 1
                    if row.reason[0]:
                        skipped[row.reason[0]] += 1
        self._draw(drawn, directory)
        counts.update({"scored": 0, "not_scored": 0})
        return {**counts, "reasons": dict(skipped.most_common())}, background

    def _is_drawn(self, row: Row) -> bool:
        return row.effect is not None and name_of(row) in self.settings.plot

    def _draw(self, rows: list[Row], directory: Path) -> None:
        """Draws the variants that were asked for; logs which have no scores."""
        if missing := set(self.settings.plot) - {name_of(row) for row in rows}:
            logger.warning(
                "`plot`: no scored variant is named %s", ", ".join(sorted(missing))
            )
        if not rows:
            return
        from deeprke_tf.explaining.variants_figures import draw_variant

        log_odds = LogOdds(self.run, self.settings.batch_size)
        for row in rows:
            draw_variant(row, log_odds, self.pool, self.window, directory)

    def _comments(self) -> list[str]:
        comments = [
            f"deeprke variants, model {self.run.full_name}, windows of {self.window} "
            "nt",
            *(variants_files.SIGN, NEIGHBORS),
        ]
        if len(self.run.trainings) > 1:
            comments.append(
                f"mean over {len(self.run.trainings)} models; delta_sd is the sample "
                "standard deviation of delta_log_odds over them"
            )
        return comments

    def _survey(self) -> tuple[int, list[str], Wanted | None]:
        """Counts the records and names their chromosomes; collects random variants."""
        wanted = Wanted() if self.settings.background else None
        n_records, chroms = 0, dict[str, None]()
        for record in self.file:
            n_records += 1
            if not record.reason:
                chroms.setdefault(record.chrom)
            if wanted is not None:
                for allele in alleles(record, self.ground, self.window):
                    for place in allele.places:
                        wanted.add(place)
        return n_records, list(chroms), wanted

    def _null(self, wanted: Wanted) -> tuple[Null, dict[str, Any]]:
        """Scores random variants; returns what they do, and counts."""
        n = self.settings.background
        drawn, matched = wanted.draw(n, self.settings.seed)
        deltas: dict[Kind, list[float]] = {kind: [] for kind in drawn}
        # Random variants are compared by their middle window alone.
        scorer = AlleleScorer(
            self.run, self.pool, self.window, self.settings.batch_size
        )
        kinds = [kind for kind, changes in drawn.items() for _ in changes]
        changes = itertools.chain.from_iterable(drawn.values())
        with self.progress(len(kinds), "variant", "scoring random variants") as bar:
            for kind, scored in zip(kinds, scorer.score(changes), strict=True):
                bar.update(1)
                if scored.effect:
                    deltas[kind].append(scored.effect.delta)
        return Null(deltas), {
            "kinds": len(drawn),
            "kinds_by_match": dict(Counter(matched.values())),
            "kinds_with_fewer": sum(len(found) < n for found in deltas.values()),
            "random_variants": len(kinds),
        }

    def _rows(self, null: Null | None) -> Iterator[tuple[Record, list[Row]]]:
        """Yields the rows of each record, in order."""
        every = self.settings.windows == "all"
        scorer = AlleleScorer(
            *(self.run, self.pool, self.window, self.settings.batch_size), every
        )
        records = iter(self.file)
        while some := list(itertools.islice(records, _RECORDS_AT_ONCE)):
            found = [alleles(record, self.ground, self.window) for record in some]
            places = (place for each in found for one in each for place in one.places)
            scores = scorer.score(place.change for place in places)
            for record, each in zip(some, found, strict=True):
                rows = []
                for number, allele in enumerate(each):
                    if allele.fault:
                        rows.append(Row(record, number, allele))
                    for place in allele.places:
                        row = Row(record, number, allele, place, next(scores))
                        rows.append(_with_p(row, null))
                yield record, rows


def _with_p(row: Row, null: Null | None) -> Row:
    if null is None or row.effect is None or row.place is None:
        return row
    p_value, n = null.p_value(row.place.change, row.effect.delta)
    return row._replace(p_value=p_value, n_background=n)


def _warn(counts: Mapping[str, Any], path: Path) -> None:
    """Logs what may be wrong with all variants."""
    reasons: dict[str, int] = counts["reasons"]
    n = counts["scored"] + counts["not_scored"]
    if not counts["scored"]:
        why = next(iter(reasons), "the file has no record")
        logger.warning("no variant of %s was scored: %s", path, why)
    n_ref = reasons.get(Reason.REF, 0)
    if n_ref > _MANY * n:
        logger.warning(
            "REF differs from the genome for %s of %s alleles: is %s of another "
            "assembly?",
            *(f"{n_ref:,}", f"{n:,}", path),
        )
