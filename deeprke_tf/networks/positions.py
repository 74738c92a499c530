"""A learned embedding of where in its site a position lies."""

from typing import Any

import keras
from keras import layers, ops

# Farther from an end than this, in k-mers, all positions have one vector.
_LARGEST_DISTANCE = 255


@keras.saving.register_keras_serializable("deeprke_tf")
class PositionalEmbedding(layers.Layer):
    """Adds to each position a learned vector of its distance to both ends of the site.

    Each distance to the 5' end and each to the 3' end has a vector; their sum is mapped
    to the channels and added to them. Padding does not change the distances. After a
    convolution and before its ReLU, this lets a motif count in one part of the site and
    not in another.

    Args:
      size: Size of the vector of a distance.
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = size

    def build(
        self, x_shape: tuple[int | None, ...], inside_shape: tuple[int | None, ...]
    ) -> None:
        """Makes the weights: two of [256, size], and the kernel [size, channels]."""
        self.from_start, self.from_end = (
            self.add_weight(
                name=name,
                shape=(_LARGEST_DISTANCE + 1, self.size),
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
          inside: bool [batch, length], True inside the site.
        """
        places = ops.cumsum(ops.cast(inside, "int32"), axis=1) - 1  # [batch, length]
        to_end = ops.max(places, axis=1, keepdims=True) - places
        vectors = ops.take(self.from_start, _clipped(places), axis=0)
        vectors += ops.take(self.from_end, _clipped(to_end), axis=0)
        return x + ops.cast(ops.matmul(vectors, self.kernel), x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return super().get_config() | {"size": self.size}


@keras.saving.register_keras_serializable("deeprke_tf")
class AddPositions(PositionalEmbedding):
    """The same layer, as models saved by version 0.1.0 name it.

    A class of its own, since Keras derives the names of saved weights from the class.
    """


def _clipped(distances: Any) -> Any:
    return ops.clip(distances, 0, _LARGEST_DISTANCE)
