"""Settings of an explanation."""

import dataclasses
from typing import Annotated

from deeprke_tf.config import Between, Count, OptionalCount, Seed, check
from deeprke_tf.explaining.attributions import Method


@dataclasses.dataclass(frozen=True)
class ExplainSettings:
    """What is explained, and how; `deeprke_tf.api.Run.explain` describes the fields."""

    top: Count = 1000
    method: Method = "gradients"
    check: OptionalCount = 100
    refold: bool = False
    backgrounds: Annotated[int, Between(1, 100_000)] = 100
    batch_size: Count = 512
    seed: Seed = 1

    def __post_init__(self):
        check(self)
