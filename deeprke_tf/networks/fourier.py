"""Convolutions as products of Fourier transforms.

A kernel of 16 positions takes 16 products for an output. The transform of a few dozen
positions is a small matrix, and between transforms there is one product of complex
numbers for a frequency, done as three of real ones (Gauss). For the networks of this
package that is a quarter of the operations. Rounding is that of float32.
"""

import math
from typing import Any, NamedTuple


class Transforms(NamedTuple):
    """Matrices of a convolution: `after.T @ ((of_input @ x) * (of_kernel @ kernel))`.

    The product in the middle is that of matrices, [batch, channels] by [channels,
    filters], in each of the rows, of which there are about 1.5 for a position.

    Attributes:
      of_input: float [n_rows, length].
      of_kernel: float [n_rows, kernel_size].
      after: float [n_rows, length].
    """

    of_input: Any
    of_kernel: Any
    after: Any


def transforms(length: Any, kernel_size: int, xp: Any) -> Transforms:
    """Returns the matrices of a convolution with stride 1 and padding "same".

    Args:
      length: Positions of a site; a number or, for `keras.ops`, a tensor.
      kernel_size: Positions of the kernel.
      xp: `numpy` or `keras.ops`.
    """
    before = (kernel_size - 1) // 2  # as padding="same" has it
    # The transform is periodic: as many positions as a site, and the larger padding,
    # which both of its ends may read.
    period = (length + max(before, kernel_size - 1 - before) + 1) // 2 * 2
    frequencies = xp.arange(period // 2 + 1)

    def waves(places: Any) -> tuple[Any, Any]:
        # Whole turns are left out while numbers are whole: float32 would lose digits.
        turns = xp.outer(frequencies, places) % period
        angles = xp.multiply(xp.divide(turns, period), 2 * math.pi)
        return xp.cos(angles), xp.sin(angles)

    # All but the first and the last frequency stand for two. These two have no sine,
    # and need one row.
    inner = (frequencies > 0) & (frequencies < period // 2)
    weights = xp.divide(xp.where(inner, 2, 1), period)[:, None]
    cos, sin = waves(xp.arange(length))
    kernel_cos, kernel_sin = waves(xp.arange(kernel_size) - before)
    of_kernel = [kernel_cos, (kernel_sin - kernel_cos)[1:-1]]
    of_kernel.append((kernel_sin + kernel_cos)[1:-1])
    after = [weights * (cos - sin), -(weights * sin)[1:-1], (weights * cos)[1:-1]]
    return Transforms(
        xp.concatenate([cos - sin, cos[1:-1], sin[1:-1]]),
        xp.concatenate(of_kernel),
        xp.concatenate(after),
    )
