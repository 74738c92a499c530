"""Learned vectors of where in its site a position lies."""

from typing import Any

import keras
from keras import layers, ops

# Beyond this distance from an end, in k-mers, positions share a vector.
_FARTHEST = 255


@keras.saving.register_keras_serializable("deeprke_tf")
class AddPositions(layers.Layer):
    """Adds to each position of a site what was learned about its place.

    A place is the distance to the 5' end and to the 3' end of the site, however far its
    batch is padded. Each distance has a vector; their sum, mapped to the channels, is
    added to them. After a convolution and before its ReLU, this lets a motif count in
    one part of the site and not in another.

    Args:
      size: Numbers in the vector of a distance.
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = size

    def build(
        self, x_shape: tuple[int | None, ...], inside_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the weights."""
        self.from_start, self.from_end = (
            self.add_weight(
                name=name,
                shape=(_FARTHEST + 1, self.size),
                initializer=keras.initializers.RandomNormal(stddev=0.05),
            )
            for name in ("from_start", "from_end")
        )
        self.kernel = self.add_weight(name="kernel", shape=(self.size, x_shape[-1]))
        self.built = True

    def call(self, x: Any, inside: Any) -> Any:
        """Returns float [batch, length, channels].

        Args:
          x: float [batch, length, channels].
          inside: bool [batch, length], True where the site is.
        """
        places = ops.cumsum(ops.cast(inside, "int32"), axis=1) - 1  # [batch, length]
        to_end = ops.max(places, axis=1, keepdims=True) - places
        vectors = ops.take(self.from_start, _clipped(places), axis=0)
        vectors += ops.take(self.from_end, _clipped(to_end), axis=0)
        return x + ops.cast(ops.matmul(vectors, self.kernel), x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return super().get_config() | {"size": self.size}


def _clipped(distances: Any) -> Any:
    return ops.clip(distances, 0, _FARTHEST)
