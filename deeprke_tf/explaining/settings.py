"""Settings of an explanation."""

import dataclasses
from typing import get_args

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.explaining.attributions import Method


@dataclasses.dataclass(frozen=True)
class ExplainSettings:
    """What is explained, and how; `deeprke_tf.api.Run.explain` describes the fields."""

    top: int = 1000
    method: Method = "gradients"
    check: int = 100
    refold: bool = False
    backgrounds: int = 100
    batch_size: int = 512
    seed: int = 1

    def __post_init__(self):
        require_positive(
            top=self.top, backgrounds=self.backgrounds, batch_size=self.batch_size
        )
        if self.check < 0 or self.seed < 0:
            raise UserError("`check` and `seed` must not be negative.")
        if self.method not in get_args(Method):
            known = " or ".join(map(repr, get_args(Method)))
            raise UserError(f"`method` must be {known}, got {self.method!r}.")
