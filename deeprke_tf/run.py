r"""From CLIP peaks and a genome to a trained and measured model, in one command.

python -m deeprke_tf.run --peaks peaks.bed --genome hg38.fa.gz --gtf gencode.gtf.gz \
    --out QKI
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.genome.flags import ExtractionFlags
from deeprke_tf.workflow.machine import Machine


@dataclasses.dataclass(frozen=True)
class RunFlags(ExtractionFlags):
    """Extracts, audits and preprocesses sites, trains, evaluates and explains a model.

    Each step has a directory in --out, and is done once: the same command resumes what
    was interrupted. summary.txt and report.html, a web page, say how good the model is
    and what to doubt. Unless splits are asked for, a fifth of the sites is for the test
    and a tenth for validation, by gene.
    """

    preset: str | None = None
    """Settings of training to start from, as for `deeprke train`; with
    deeprke-no-structure no site is folded."""
    config: Path | None = None
    """File of settings such as a run's config.json, in place of a preset."""
    epochs: int | None = None
    """Number of epochs at most, if not the preset's."""
    ensemble: int = 1
    """Number of runs to train and average as one model."""
    explain: bool = True
    """Show what the model reads: motifs, and the loops that it wants them in."""
    known: Path | None = None
    """Motif file in MEME format: the most similar motifs are named. Needs memelite
    (extra `motifs`)."""
    machine: Machine = Machine()


def run(flags: RunFlags) -> None:
    """Does what the flags ask for, and prints the summary."""
    from deeprke_tf.workflow.workflow import run_workflow

    done = run_workflow(**flags.arguments(), progress=True)
    print(f"\n{done.summary}\n\nwrote {done.directory}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("run", RunFlags, run, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
