"""Trains many networks at once on a GPU, with Keras on JAX.

python -m deeprke_tf.fleet_train --plan PLAN --out TRAINED
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli


@dataclasses.dataclass(frozen=True)
class FleetFlags:
    """Trains the networks of a plan, those of equal shape at once, on one device.

    The plan is of `deeprke benchmark --plan`; `deeprke benchmark --trained` takes the
    results. Needs JAX (`pip install 'deeprke_tf[jax]'`, on GPUs `jax[cuda13]`), and no
    TensorFlow. What is done is not done again.
    """

    plan: Path
    """Directory that `deeprke benchmark --plan` made."""
    out: Path
    """Directory for the results, one file for each training."""
    presets: tuple[str, ...] = ()
    """Only trainings of these presets, in this order."""
    at_once: int = 32
    """Networks that train at the same time."""
    mixed_precision: bool = False
    """Compute in bfloat16; weights, loss and probability stay float32."""


def fleet_train(flags: FleetFlags) -> None:
    """Trains what the plan asks for and has no result yet."""
    from deeprke_tf.fleets import run

    run.train_plan(
        flags.plan,
        flags.out,
        presets=flags.presets,
        at_once=flags.at_once,
        mixed_precision=flags.mixed_precision,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("fleet", FleetFlags, fleet_train, argv)


if __name__ == "__main__":
    sys.exit(main())
