"""A convolution of windows of one length, in NumPy."""

import numpy as np

from deeprke_tf.networks import fourier
from deeprke_tf.networks.workspace import Workspace


class WindowConvolution:
    """A convolution with stride 1 and padding "same", then pooling of pairs and ReLU.

    Args:
      kernel: Of a `Conv1D`, float32 [kernel_size, channels, filters].
      bias: float32 [filters].
      length: Positions of a window.

    Attributes:
      pooled_length: Positions after pooling, the length divided by 2 and rounded up.
    """

    def __init__(self, kernel: np.ndarray, bias: np.ndarray, length: int):
        self._bias, self.pooled_length = bias, (length + 1) // 2
        self._workspace = Workspace()
        matrices = fourier.transforms(length, len(kernel), np)
        kernel = np.einsum("rj,jco->rco", matrices.of_kernel, kernel.astype(np.float64))
        self._kernel = kernel.astype(np.float32)  # [n_rows, channels, filters]
        self._before = matrices.of_input.astype(np.float32)
        self._after = np.ascontiguousarray(matrices.after.T, np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns float32 [pooled_length, batch, filters], valid until the next call.

        Args:
          x: float32 [length, batch, channels].
        """
        length, batch, channels = x.shape
        n_rows, n_filters = len(self._before), len(self._bias)
        array = self._workspace.array
        waves = array("waves", n_rows, batch, channels)
        np.matmul(self._before, x.reshape(length, -1), out=waves.reshape(n_rows, -1))
        products = array("products", n_rows, batch, n_filters)
        np.matmul(waves, self._kernel, out=products)
        whole = array("whole", length, batch, n_filters)
        np.matmul(
            self._after, products.reshape(n_rows, -1), out=whole.reshape(length, -1)
        )
        pooled = array("pooled", self.pooled_length, batch, n_filters)
        n_pairs = length // 2
        np.maximum(whole[: 2 * n_pairs : 2], whole[1::2], out=pooled[:n_pairs])
        pooled[n_pairs:] = whole[2 * n_pairs :]
        pooled += self._bias
        return np.maximum(pooled, 0, out=pooled)
