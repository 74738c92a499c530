"""Checks the machine that the package runs on, and advises on problems.

python -m deeprke_tf.doctor
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class DoctorFlags:
    """Checks versions, devices, fold cache, disk and speed.

    A training step is timed on each device, in float32 and in mixed precision, on
    random sites of 101 nt with the network of preset paper. The exit status is 1 if a
    check fails.
    """

    seconds: float = 10.0
    """Seconds of training to measure the throughput."""
    batch_size: int = 128
    """Sites per batch, over all devices together."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""


def doctor(flags: DoctorFlags) -> None:
    """Prints each finding as soon as it is known.

    Raises:
      UserError: A check failed; the message says what to do.
    """
    from deeprke_tf.diagnostics.examination import examine

    wrong = []
    for finding in examine(flags.seconds, flags.batch_size, flags.fold_cache):
        mark = "!!" if finding.advice else "  "
        print(f"{mark} {finding.topic:<14}{finding.observed}", flush=True)
        if finding.advice:
            wrong.append(f"{finding.topic}: {finding.advice}")
    if wrong:
        raise UserError(" ".join(wrong))
    print("   all is well")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("doctor", DoctorFlags, doctor, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
