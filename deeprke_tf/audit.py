"""Finds simple rules that separate the classes of a training set.

python -m deeprke_tf.audit --sites train.fa.gz --test-sites test.fa.gz --out audits/QKI

Writes audit.json, audit.tsv (a row for each rule) and audit.png, and prints warnings.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings


@dataclasses.dataclass(frozen=True)
class AuditFlags:
    """Finds simple rules that separate bound from background sites, before training.

    A rule uses one simple feature: length, content of N, GC, nucleotides and
    dinucleotides, the base at one position (from the 5' end, the center, the 3' end,
    and both edges of the site where letter case marks it), loop contexts, energy. Its
    AUROC is cross-validated. A model that does no better need not have learned binding.
    The audit also counts sequences that occur in both classes, or in training and test.
    """

    out: Path
    """Directory for audit.json, audit.tsv and audit.png."""
    sites: Path | None = None
    """Labelled training sites."""
    positives: Path | None = None
    """Bound training sites, in place of --sites."""
    negatives: Path | None = None
    """Background training sites, in place of --sites."""
    test: Annotated[Path | None, tyro.conf.arg(name="test-sites")] = None
    """Labelled test sites, to compare with the training sites."""
    test_positives: Path | None = None
    """Bound test sites, in place of --test-sites."""
    test_negatives: Path | None = None
    """Background test sites, in place of --test-sites."""
    threshold: float = 0.65
    """AUROC from which a rule is reported."""
    max_folded: int = 2000
    """Sites folded for rules of structure, drawn at random; 0: no such rules."""
    fold: FoldSettings = FoldSettings()
    max_length: int = 5000
    """Longest site, in nucleotides; longer ones are skipped and counted."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    seed: int = 1
    """Random seed of the folded sites and of the cross-validation."""


def audit(flags: AuditFlags) -> None:
    """Audits the sites, writes the files and prints what was found."""
    from deeprke_tf import api

    arguments = {
        field.name: getattr(flags, field.name) for field in dataclasses.fields(flags)
    }
    out = arguments.pop("out")
    audited = api.audit_sites(**arguments, progress=True)
    written = audited.write(out)
    print(audited.summary)
    for path in written:
        print(f"wrote {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("audit", AuditFlags, audit, argv)


if __name__ == "__main__":
    sys.exit(main())
