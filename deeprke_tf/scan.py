"""Scans RNAs of any length for the sites of an RBP.

python -m deeprke_tf.scan --model runs/QKI --fasta transcripts.fa.gz --out scans/QKI

`deeprke_tf.scanning.files` says what the directory will hold.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from deeprke_tf import api, cli
from deeprke_tf.scanning import files as scan_files
from deeprke_tf.system.tables import text_table


@dataclass(frozen=True)
class ScanFlags:
    """Finds the sites of an RBP in RNAs of any length, as tracks for genome browsers.

    Windows of the length that the model was trained on are folded and scored one by
    one; those that reach the threshold are called, and merged where they overlap. A
    scan that was interrupted goes on where it stopped; a finished one is not scored
    again when only threshold, annotation or plots change.
    """

    model: Path
    """Run or ensemble of `deeprke train`."""
    fasta: Path
    """RNAs to scan, FASTA, plain or gzip; the first word of a header is the name."""
    out: Path
    """Directory to make."""
    window: int | None = None
    """Length of a window in nucleotides; that of the longest training site if not
    given."""
    stride: int | None = None
    """Nucleotides from one window to the next; a quarter of the window if not given."""
    threshold: float | None = None
    """Probability from which a window is called; that of the model if not given."""
    fdr: float | None = None
    """In place of a threshold: call at this false discovery rate of sites, such as
    0.05, by shuffled RNAs and the background sites that the model was validated on."""
    precision: float | None = None
    """In place of a threshold: the same as --fdr, from the other end: 0.9 is an FDR of
    0.1."""
    recall: float | None = None
    """In place of a threshold: the largest that calls at least this share of the bound
    sites that the model was validated on, such as 0.8."""
    background: Path | None = None
    """With --fdr or --precision: FASTA of RNAs that are not bound, in place of shuffled
    ones and of validation."""
    seed: int = 1
    """With --fdr or --precision: settles how RNAs are shuffled."""
    shuffles: int | None = None
    """With --fdr or --precision: times that each RNA is shuffled; if not given, once,
    or as often as makes 2,000 background windows, up to 100 times."""
    prior: float | None = None
    """Share of windows that are bound, for the calibrated probability and the precision
    that --recall leaves; that of the model's validation sites if not given."""
    no_calibration: bool = False
    """Leave the calibration of the run out: calibrated_probability equals probability,
    but for --prior."""
    gtf: Path | None = None
    """Exons by transcript_id, plain or gzip: write called sites on the genome too."""
    bed12: Path | None = None
    """The same from a BED12 file of transcripts, by name."""
    plot: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Name of an RNA to draw; give it once for each RNA."""
    batch_size: int = 256
    """Windows scored at once."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    overwrite: bool = False
    """Forget what --out holds of another scan."""


def scan(flags: ScanFlags) -> None:
    """Scans RNAs and prints a summary.

    Raises:
      UserError: An argument cannot be used, or another process scans into `out`.
    """
    given = {field.name: getattr(flags, field.name) for field in fields(flags)}
    run = api.load_run(given.pop("model"))
    calibrate = not given.pop("no_calibration")
    found = run.scan(**given, calibrate=calibrate, progress=True)
    print(_summary(found))


def _summary(found: api.Scan) -> str:
    counts, files = found.manifest["counts"], found.manifest["files"]
    from deeprke_tf.evaluation.calling import as_text

    threshold = as_text(math.inf if found.threshold is None else found.threshold)
    rows = [
        ["scanned", f"{counts['rnas']:,} RNAs, {counts['nt']:,} nt"],
        ["windows", f"{counts['windows']:,}"],
        ["threshold", f"{threshold} ({found.manifest['threshold_chosen']})"],
        ["sites", f"{counts['sites']:,} on {counts['rnas_with_sites']:,} RNAs"],
    ]
    if counts["skipped_rnas"]:
        listed = f"{counts['skipped_rnas']:,}, listed in {scan_files.SKIPPED}"
        rows.insert(1, ["skipped RNAs", listed])
    if "unmapped_rnas" in counts:
        mapped = (
            f"{counts['mapped_sites']:,} sites on the genome; "
            f"{counts['unmapped_rnas']:,} RNAs, with {counts['unmapped_sites']:,} "
            f"sites, listed in {scan_files.UNMAPPED}"
        )
        rows.append(["mapped", mapped])
    if scan_files.BIGWIG not in files and counts["windows"]:
        how = "needs pyBigWig: pip install 'deeprke_tf[tracks]'"
        rows.append([scan_files.BIGWIG, f"not written; {how}"])
    wrote = f"{found.directory}: {', '.join([*files, scan_files.MANIFEST])}"
    return text_table([*rows, ["wrote", wrote]])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(
        *("scan", ScanFlags, scan, argv), uses_tensorflow=True, log_to_stderr=True
    )


if __name__ == "__main__":
    sys.exit(main())
