"""A PyTorch network of the original's shape: what one would use in place of deeprke_tf.

The only import of torch, which no part of the package needs:

    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu

Two passes of a CNN over the 100-d vectors of k-mers, one for each view; a CNN of the
same shape on both outputs together; a dense layer of 32; the logit. The original trains
its vectors, too; here they are frozen, as in deeprke_tf, which spares PyTorch work.
Convolutions are padded by half a kernel, for which PyTorch need not copy its input.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

try:
    import torch
except ImportError:
    sys.exit(f"This benchmark compares with PyTorch, which is missing.\n{__doc__}")
from torch import nn

FILTERS = (128, 64, 32)
KERNEL_SIZES = (8, 16, 32)
VIEWS = ("sequence_kmers", "structure_kmers")


class OriginalNetwork(nn.Module):
    """From the k-mer ids of both views to the logit of each site.

    Args:
      vectors: float32 [n_ids, size] of each view, in the order of `VIEWS`.
      n_kmers: k-mers of every site: the dense layer sees all positions.
    """

    def __init__(self, vectors: list[np.ndarray], n_kmers: int):
        super().__init__()
        self.vectors = nn.ModuleList(
            nn.Embedding.from_pretrained(torch.from_numpy(table), freeze=True)
            for table in vectors
        )
        self.views = nn.ModuleList(_cnn(table.shape[1]) for table in vectors)
        self.union = _cnn(FILTERS[-1] * len(vectors))
        with torch.no_grad():
            n_left = self._features([torch.zeros(1, n_kmers, dtype=torch.int64)] * 2)
        self.dense = nn.Linear(n_left.shape[1], 32)
        self.logit = nn.Linear(32, 1)

    def forward(self, views: list[torch.Tensor]) -> torch.Tensor:
        """Returns float32 [batch] of int64 [batch, n_kmers] for each view."""
        return self.logit(torch.relu(self.dense(self._features(views))))[:, 0]

    def _features(self, views: list[torch.Tensor]) -> torch.Tensor:
        outputs = [
            cnn(vectors(ids).transpose(1, 2))  # [batch, filters, n_kmers / 8]
            for ids, vectors, cnn in zip(views, self.vectors, self.views, strict=True)
        ]
        return self.union(torch.cat(outputs, dim=1)).flatten(1)


def _cnn(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for filters, kernel_size in zip(FILTERS, KERNEL_SIZES, strict=True):
        layers += [
            nn.Conv1d(channels, filters, kernel_size, padding=kernel_size // 2),
            nn.ReLU(),
            nn.MaxPool1d(2),
        ]
        channels = filters
    return nn.Sequential(*layers)


def training(
    ids_file: Path,
    vectors: list[np.ndarray],
    batch_size: int,
    n_threads: int,
    bfloat16: bool,
) -> Callable[[], float]:
    """Sets training up, for a process of its own.

    Args:
      ids_file: Of `synthetic.write_dataset`; held in memory.
      vectors: Of each view.
      batch_size: Sites in a batch.
      n_threads: Threads of PyTorch.
      bfloat16: Compute in bfloat16 where PyTorch's autocast does.

    Returns:
      A function that trains for one epoch and returns its sites/s.
    """
    torch.set_num_threads(n_threads)
    torch.manual_seed(1)
    arrays = np.load(ids_file)
    views = [torch.from_numpy(arrays[view]) for view in VIEWS]
    labels = torch.from_numpy(arrays["label"])
    network = OriginalNetwork(vectors, views[0].shape[1]).train()
    optimizer = torch.optim.Adam(
        [weight for weight in network.parameters() if weight.requires_grad], lr=1e-3
    )
    loss_of = nn.BCEWithLogitsLoss()

    def epoch() -> float:
        started = time.monotonic()
        for some in torch.randperm(len(labels)).split(batch_size):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                logits = network([ids[some] for ids in views])
            loss_of(logits.float(), labels[some]).backward()
            optimizer.step()
        return len(labels) / (time.monotonic() - started)

    epoch()  # The first steps also choose algorithms and allocate.
    return epoch


def scoring(
    ids_file: Path, vectors: list[np.ndarray], batch_size: int, n_threads: int
) -> Callable[[], float]:
    """Sets the forward pass up; returns a function that scores all sites, in sites/s.

    The arguments are those of `training`.
    """
    torch.set_num_threads(n_threads)
    arrays = np.load(ids_file)
    views = [torch.from_numpy(arrays[view]) for view in VIEWS]
    n_sites = len(views[0])
    network = OriginalNetwork(vectors, views[0].shape[1]).eval()

    def score_all() -> float:
        started = time.monotonic()
        with torch.inference_mode():
            for start in range(0, n_sites, batch_size):
                some = [ids[start : start + batch_size] for ids in views]
                torch.sigmoid(network(some)).numpy()
        return n_sites / (time.monotonic() - started)

    score_all()
    return score_all
