r"""Scans RNAs of any length for the sites of an RBP.

python -m deeprke_tf.scan --model runs/QKI --fasta transcripts.fa.gz --out scans/QKI
python -m deeprke_tf.scan --model runs/QKI --genome hg38.2bit --gtf gencode.gtf.gz \
    --genes NUMB NFASC --out scans/QKI

`deeprke_tf.scanning.files` says what the directory will hold.
"""

import contextlib
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from deeprke_tf import api, cli
from deeprke_tf.system.messages import counted
from deeprke_tf.system.streams import open_bytes
from deeprke_tf.system.tables import text_table

if TYPE_CHECKING:
    from deeprke_tf.scanning.result import Scan


@dataclass(frozen=True)
class ScanFlags:
    """Finds the sites of an RBP in RNAs of any length, as tracks for genome browsers.

    Windows as long as the training sites are folded and scored, each by itself; windows
    that reach the threshold are called, and merged where they overlap. An interrupted
    scan resumes; a finished one is not scored again when only threshold, annotation or
    plots change.
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    out: Path
    """Directory of the scan."""
    rbp: str | None = None
    """Of a joint run: the RBP to use."""
    fasta: Path | None = None
    """RNAs to scan, FASTA, plain or gzip; the first word of a header is the name. -
    reads standard input."""
    genome: Path | None = None
    """In place of --fasta: genome, FASTA or UCSC 2bit. The spliced transcripts of --gtf
    or --bed12 are scanned, the canonical one of each gene, or --regions; tracks are
    written on the chromosomes."""
    genes: tuple[str, ...] = ()
    """With --genome: only these genes, by identifier or symbol, or transcripts by name;
    or a file that names one a line."""
    regions: Path | None = None
    """With --genome: BED file of regions to scan, with strands; introns are not cut
    out."""
    window: int | None = None
    """Length of a window in nucleotides; by default the length of the longest training
    site."""
    stride: int | None = None
    """Nucleotides from one window to the next; by default a quarter of the window."""
    threshold: float | None = None
    """Decision threshold: windows of at least this probability are called; by default
    the threshold of the model."""
    fdr: float | None = None
    """In place of a threshold: target false discovery rate of the called sites, such as
    0.05, estimated from shuffled RNAs and the background sites of validation."""
    precision: float | None = None
    """In place of a threshold: target precision of the called sites, 1 - FDR."""
    recall: float | None = None
    """In place of a threshold: target recall on the validation sites, such as 0.8. The
    largest threshold that reaches it is taken."""
    background: Path | None = None
    """With --fdr or --precision: FASTA of unbound RNAs, in place of shuffled RNAs and
    validation sites."""
    seed: int = 1
    """With --fdr or --precision: seed of the shuffling."""
    shuffles: int | None = None
    """With --fdr or --precision: shuffled copies of each RNA; by default as many as
    make 2,000 background windows, 1 to 100."""
    prior: float | None = None
    """Expected fraction of bound windows, for the calibrated probability and the
    precision at --recall; by default the fraction in the validation sites."""
    calibrate: Annotated[bool, tyro.conf.arg(name="calibration")] = True
    """No calibration: calibrated_probability then differs from probability only through
    --prior."""
    gtf: Path | None = None
    """GTF or GFF3 of transcripts, plain or gzip: write called sites on the genome, too;
    with --genome, scan them."""
    bed12: Path | None = None
    """BED12 of transcripts, in place of --gtf."""
    plot: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Name of an RNA to draw; give it once for each RNA."""
    batch_size: int = 256
    """Windows scored at once, where they are not scored together (64)."""
    workers: int | None = None
    """Processes that fold windows, or score those of a model of the sequence alone; all
    cores by default."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    strict: bool = False
    """End with an error if an RNA cannot be scanned, before any is scored."""
    overwrite: bool = False
    """Delete the scores of another scan in --out."""


def scan(flags: ScanFlags) -> None:
    """Scans RNAs and prints a summary.

    Raises:
      UserError: An argument cannot be used, or another process scans into `out`.
    """
    given = {field.name: getattr(flags, field.name) for field in fields(flags)}
    run = api.load_single(given.pop("model"), rbp=given.pop("rbp"))
    with _file_of(given.pop("fasta")) as fasta:
        found = run.scan(fasta, **given, progress=True)
    print(_summary(found))


@contextlib.contextmanager
def _file_of(fasta: Path | None) -> Iterator[Path | None]:
    """Yields a file of the RNAs, which are read more than once."""
    if str(fasta) != "-":
        yield fasta
        return
    with (
        tempfile.TemporaryDirectory(prefix="deeprke-") as directory,
        contextlib.ExitStack() as closing,
    ):
        copy = Path(directory) / "standard_input.fa"
        with copy.open("wb") as file:
            shutil.copyfileobj(open_bytes(None, closing), file)
        yield copy


def _summary(found: "Scan") -> str:
    counts, files = found.manifest["counts"], found.manifest["files"]
    from deeprke_tf.evaluation.calling import as_text
    from deeprke_tf.scanning import files as scan_files

    threshold = as_text(math.inf if found.threshold is None else found.threshold)
    on_rnas = counted(counts["rnas_with_sites"], "RNA")
    rows = [
        ["scanned", f"{counted(counts['rnas'], 'RNA')}, {counts['nt']:,} nt"],
        ["windows", f"{counts['windows']:,}"],
        ["threshold", f"{threshold} ({found.manifest['threshold_chosen']})"],
        ["sites", f"{counts['sites']:,} on {on_rnas}"],
    ]
    if counts["skipped_rnas"]:
        listed = f"{counts['skipped_rnas']:,}, listed in {scan_files.SKIPPED}"
        rows.insert(1, ["skipped RNAs", listed])
    if "mapped_sites" in counts:
        mapped = f"{counted(counts['mapped_sites'], 'site')} on the genome"
        if "unmapped_rnas" in counts:
            mapped += (
                f"; {counted(counts['unmapped_rnas'], 'RNA')}, with "
                f"{counted(counts['unmapped_sites'], 'site')}, listed in "
                f"{scan_files.UNMAPPED}"
            )
        rows.append(["mapped", mapped])
    if scan_files.BIGWIG not in files and counts["windows"]:
        how = "needs pyBigWig: pip install 'deeprke_tf[tracks]'"
        rows.append([scan_files.BIGWIG, f"not written; {how}"])
    wrote = f"{found.directory}: {', '.join([*files, scan_files.MANIFEST])}"
    return text_table([*rows, ["wrote", wrote]])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(*("scan", ScanFlags, scan, argv), log_to_stderr=True)


if __name__ == "__main__":
    sys.exit(main())
