"""Sites of a data set: cut out of a genome, and audited before training."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress

if TYPE_CHECKING:
    from deeprke_tf.auditing.audit import Audit
    from deeprke_tf.genome.extraction_files import Extraction


@checked
def extract_sites(
    peaks: PathLike | Sequence[PathLike],
    *,
    genome: PathLike,
    out: PathLike,
    gtf: PathLike | None = None,
    blacklist: PathLike | None = None,
    overwrite: bool = False,
    progress: bool | Progress = False,
    **settings: Any,
) -> "Extraction":
    """Cuts labelled sites around peaks out of a genome.

    Args:
      peaks: BED, narrowPeak or broadPeak, plain or gzip; or several such files.
      genome: FASTA (plain, gzip or bgzip) or UCSC 2bit.
      out: Directory to make; its `sites.tsv` goes to `preprocess`.
      gtf: Annotation, GTF, GFF3 or BED12: gives sites their region and gene.
      blacklist: BED; peaks that overlap it on either strand are left out.
      overwrite: Replace an extraction that `out` already holds.
      progress: Show a progress bar, or call this for each stage.
      **settings: Fields of `PeakSettings`, `WindowSettings`, `BackgroundSettings` and
        `SplitSettings` in `deeprke_tf.genome.settings`, such as `window=101`,
        `min_score=3`, `transcripts=True`, `background="same-genes"`, `ratio=2`,
        `test_chromosomes=("chr8",)`.

    Returns:
      The extraction: `sites` and `skipped` are tables; `report` tells how well the
      background matches.

    Raises:
      UserError: A file cannot be read, no peak becomes a site, no background is found,
        a setting is unknown or out of range, or `out` holds something else.
    """
    from deeprke_tf.auditing.matching_report import matching_report
    from deeprke_tf.genome import extraction
    from deeprke_tf.genome.extraction_files import Inputs
    from deeprke_tf.genome.settings import Settings

    several = [peaks] if isinstance(peaks, (str, os.PathLike)) else peaks
    inputs = Inputs(
        [Path(path) for path in several],
        *(Path(genome), optional_path(gtf), optional_path(blacklist)),
    )
    return extraction.extract(
        *(inputs, Path(out), Settings.of(settings), overwrite, as_progress(progress)),
        make_report=matching_report,
    )


@checked
def audit_sites(
    sites: PathLike | None = None,
    *,
    positives: PathLike | None = None,
    negatives: PathLike | None = None,
    test: PathLike | None = None,
    test_positives: PathLike | None = None,
    test_negatives: PathLike | None = None,
    threshold: float = 0.65,
    max_folded: int = 2000,
    fold: FoldSettings = FoldSettings(),
    max_length: int = 5000,
    workers: int | None = None,
    fold_cache: PathLike | None = None,
    seed: int = 1,
    progress: bool | Progress = False,
) -> "Audit":
    """Finds simple rules that separate bound from background sites, before training.

    A rule uses one simple feature, such as length, GC content, the base at one position
    or free energy; its AUROC is cross-validated. A model that does no better need not
    have learned binding.

    Args:
      sites: Labelled training sites, a FASTA file or table, plain or gzip.
      positives: Bound training sites, in place of `sites`.
      negatives: Background training sites, in place of `sites`.
      test: Labelled test sites, to compare with the training sites.
      test_positives: Bound test sites, in place of `test`.
      test_negatives: Background test sites, in place of `test`.
      threshold: AUROC from which a rule is reported, between 0.5 and 1.
      max_folded: Sites folded for rules of structure, drawn at random; 0 for none.
      fold: Fold settings.
      max_length: Longest site, in nucleotides; longer ones are skipped and counted.
      workers: Folding processes; all cores by default.
      fold_cache: File of known folds, if not the one in the user's cache directory.
      seed: Random seed of the folded sites and of the cross-validation.
      progress: Show a progress bar, or call this for each stage.

    Returns:
      The audit: `warnings` and `notes`, sentences; `rules`, the best first; `summary`,
      text; `write(out)` writes `audit.json`, `audit.tsv` and `audit.png`.

    Raises:
      UserError: A file cannot be read, a class has fewer than 10 sites, or an argument
        is out of range.
    """
    from deeprke_tf.auditing import audit

    train = _labelled("", sites, positives, negatives)
    if not train:
        raise UserError("No input: give `sites`, or `positives` and `negatives`.")
    return audit.audit_sites(
        train,
        _labelled("test_", test, test_positives, test_negatives),
        threshold=threshold,
        max_folded=max_folded,
        fold=fold,
        max_length=max_length,
        workers=workers,
        fold_cache=optional_path(fold_cache),
        seed=seed,
        progress=as_progress(progress),
    )


def _labelled(
    prefix: str,
    sites: PathLike | None,
    positives: PathLike | None,
    negatives: PathLike | None,
) -> list[Path]:
    """Returns one file with labels, a file of each class, or none."""
    pair = [path for path in (positives, negatives) if path is not None]
    if len(pair) == 1 or (sites is not None and pair):
        raise UserError(
            f"Give either `{prefix.rstrip('_') or 'sites'}`, or `{prefix}positives` "
            f"and `{prefix}negatives`."
        )
    return [Path(path) for path in ([sites] if sites is not None else pair)]
