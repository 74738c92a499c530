"""Looks for shortcuts in a training set, before a model finds them.

python -m deeprke_tf.audit --sites train.fa.gz --test-sites test.fa.gz --out audits/QKI

Writes audit.json, audit.tsv (a row for each rule) and audit.png, and says what to
beware of in plain words.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class AuditFlags:
    """Looks for simple rules that tell bound from background sites, before training.

    Each rule looks at one cheap feature: length, content of N, GC, nucleotides and
    dinucleotides, the base at one position (from the 5' end, the center, the 3' end,
    and both edges of the site where letter case marks it), loop contexts, energy. Its
    AUROC is cross-validated. What a rule so simple reaches, a model need not have
    learned from binding. Counts what the classes, and train and test, have in common.
    """

    out: Path
    """Directory for audit.json, audit.tsv and audit.png."""
    sites: Path | None = None
    """Labelled training sites."""
    positives: Path | None = None
    """Bound training sites, in place of --sites."""
    negatives: Path | None = None
    """Background training sites, in place of --sites."""
    test_sites: Path | None = None
    """Labelled test sites, to be compared with the training sites."""
    test_positives: Path | None = None
    """Bound test sites, in place of --test-sites."""
    test_negatives: Path | None = None
    """Background test sites, in place of --test-sites."""
    threshold: float = 0.65
    """AUROC from which a rule is worth a warning."""
    max_folded: int = 2000
    """Sites folded for the rules of structure, drawn at random; 0 leaves them out."""
    fold: FoldSettings = FoldSettings()
    max_length: int = 5000
    """Longest site to look at, in nucleotides; longer ones are skipped and counted."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    seed: int = 1
    """Settles the sites folded and the parts of the cross-validation."""

    def __post_init__(self):
        if not 0.5 < self.threshold < 1:
            raise UserError(
                f"threshold must be between 0.5 and 1, got {self.threshold}."
            )
        if self.max_length < 1:
            raise UserError(f"max_length must be at least 1, got {self.max_length}.")
        if self.max_folded < 0 or self.seed < 0:
            raise UserError("max_folded and seed must not be negative.")


def audit(flags: AuditFlags) -> None:
    """Audits the files that the flags name, says and writes what is found."""
    from deeprke_tf.auditing import run

    run.audit_run(flags)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("audit", AuditFlags, audit, argv)


if __name__ == "__main__":
    sys.exit(main())
