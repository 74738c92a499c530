"""The sites of an explanation: a file, sequences, or a split of a dataset."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.explaining import files
from deeprke_tf.explaining.result import Explanation
from deeprke_tf.explaining.run import explain
from deeprke_tf.explaining.settings import ExplainSettings
from deeprke_tf.explaining.sites import FoldedSite, dataset_sites, folded_sites
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import SkippedSite, refuse_long
from deeprke_tf.runs.predictions import sites_of
from deeprke_tf.runs.run import Run
from deeprke_tf.system.progress import Progress, no_progress


def explain_sites(
    run: Run,
    sites: Any,
    data: Dataset | None,
    split: str,
    settings: ExplainSettings = ExplainSettings(),
    *,
    max_length: int = 5000,
    known: Path | None = None,
    out: Path | None = None,
    workers: int | None = None,
    fold_cache: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Explanation:
    """Explains a run and writes the files; `deeprke_tf.api.Run.explain` describes it.

    Raises:
      UserError: An argument cannot be used.
    """
    require_positive(max_length=max_length)
    if (sites is None) == (data is None):
        raise UserError("Give `sites` or `data`, one of the two.")
    if out is not None and out.is_dir():
        # Not after minutes of work.
        names = [path.name for path in out.iterdir()]
        files.EXPLANATION.refuse_to_replace(str(out), names, overwrite)
    with contextlib.ExitStack() as closing:
        pool = None
        if run.reads_structure:
            pool = FoldingPool(run.encoding.fold, fold_cache, workers)
            closing.enter_context(pool)
        usable: Iterable[FoldedSite | SkippedSite]
        if data is not None:
            data.require_encoding(run.encoding, run.views)
            usable = dataset_sites(data, split, run.reads_structure)
        else:
            cleaned = sites_of(sites, run.encoding.k)
            short = (
                refuse_long(site, row, max_length)
                for row, site in enumerate(cleaned, start=1)
            )
            usable = folded_sites(short, pool)
        found = explain(run, usable, pool, settings, known=known, progress=progress)
    if out is not None:
        found.write(out, overwrite=overwrite)
    return found
