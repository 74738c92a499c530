"""Scans RNAs of any length for the sites of an RBP.

python -m deeprke_tf.scan --model runs/QKI --fasta transcripts.fa.gz --out scans/QKI

`deeprke_tf.scanning.files` says what the directory will hold.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from deeprke_tf import cli
from deeprke_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
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

    def __post_init__(self):
        for name, path in (("fasta", self.fasta), ("background", self.background)):
            if path and (str(path) == "-" or path.is_fifo()):
                raise UserError(
                    f"Save the RNAs to a file for --{name}: it is read more than once."
                )
        ways = ("threshold", "fdr", "precision", "recall")
        given = [f"--{way}" for way in ways if getattr(self, way) is not None]
        if len(given) > 1:
            raise UserError(f"Give one of {', '.join(given)}, not several.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(f"threshold must be in [0, 1], got {self.threshold}.")
        for way in ways[1:]:
            value = getattr(self, way)
            # A recall of 1 can be had; nothing is sure to be without a false call.
            in_range = value is None or 0 < value < 1 or (way, value) == ("recall", 1)
            if not in_range:
                raise UserError(
                    f"{way} must be between 0 and 1, got {value}; write 0.05 for 5 %."
                )
        if self.background and self.largest_fdr is None:
            raise UserError("--background is for --fdr; give the FDR to call at.")
        if self.gtf and self.bed12:
            raise UserError("Give --gtf or --bed12, not both.")
        for name in ("window", "stride", "shuffles", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}.")

    @property
    def largest_fdr(self) -> float | None:
        """The FDR to call at, in (0, 1), which needs a background; None: no such."""
        return self.fdr if self.precision is None else 1 - self.precision


def scan(flags: ScanFlags) -> None:
    """Scans what the flags ask for, and says what was found.

    Raises:
      UserError: Something given cannot be used, or another process is at it.
    """
    from deeprke_tf.scanning import run
    from deeprke_tf.system import directories

    with directories.only_process(flags.out) as is_free:
        if not is_free:
            raise UserError(
                f"Another process is scanning into {flags.out}; wait for it, or name "
                "another --out."
            )
        run.run_scan(flags)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("scan", ScanFlags, scan, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
