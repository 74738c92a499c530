"""A convolution of windows of one length, by Fourier transforms, in NumPy.

A kernel of 16 positions takes 16 products an output directly. The transform of a few
dozen positions is a small matrix, and in between there is one product a frequency: for
the networks of this package a quarter of the operations. Rounding is that of float32.
"""

import numpy as np

from deeprke_tf.networks.workspace import Workspace


class FourierConv1D:
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
        size = len(kernel)
        before = (size - 1) // 2  # as padding="same" has it
        # The transform is periodic: as many positions as a window, and the larger
        # padding, which both of its ends may read.
        period = length + max(before, size - 1 - before)
        period += period % 2
        frequencies = np.arange(period // 2 + 1)
        angles = 2 * np.pi * np.outer(frequencies, np.arange(length)) / period
        waves = np.concatenate([np.cos(angles), -np.sin(angles)])
        # All but the first and the last frequency stand for two.
        twice = np.full(len(frequencies), 2.0)
        twice[[0, -1]] = 1
        self._forward = waves.astype(np.float32)  # [2 n_frequencies, length]
        weights = np.tile(twice / period, 2)
        self._backward = (waves.T * weights).astype(np.float32)
        shifts = np.arange(size) - before
        turns = np.exp(2j * np.pi * np.outer(frequencies, shifts) / period)
        transformed = np.einsum("fj,jco->fco", turns, kernel.astype(np.float64))
        self._real = transformed.real.astype(np.float32)
        self._imaginary = transformed.imag.astype(np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns float32 [pooled_length, batch, filters], valid until the next call.

        Args:
          x: float32 [length, batch, channels].
        """
        length, batch, channels = x.shape
        n_filters, half = len(self._bias), len(self._forward) // 2
        array = self._workspace.array
        waves = array("waves", 2 * half, batch, channels)
        np.matmul(self._forward, x.reshape(length, -1), out=waves.reshape(2 * half, -1))
        real, imaginary = waves[:half], waves[half:]
        y = array("products", 2 * half, batch, n_filters)
        product = array("product", half, batch, n_filters)
        np.matmul(real, self._real, out=y[:half])
        y[:half] -= np.matmul(imaginary, self._imaginary, out=product)
        np.matmul(real, self._imaginary, out=y[half:])
        y[half:] += np.matmul(imaginary, self._real, out=product)
        whole = array("whole", length, batch, n_filters)
        np.matmul(
            self._backward, y.reshape(2 * half, -1), out=whole.reshape(length, -1)
        )
        pooled = array("pooled", self.pooled_length, batch, n_filters)
        n_pairs = length // 2
        np.maximum(whole[: 2 * n_pairs : 2], whole[1::2], out=pooled[:n_pairs])
        pooled[n_pairs:] = whole[2 * n_pairs :]
        pooled += self._bias
        return np.maximum(pooled, 0, out=pooled)
