"""Integrated gradients from shuffled sites, by nucleotide and loop context.

After Sundararajan, Taly and Yan, ICML 2017. The baseline of a site is the site with its
dinucleotides shuffled, and folded; several of them are averaged. On the way from
baseline to site each k-mer vector moves on a straight line. Its gradients, integrated
along this line, add up to the difference of the log odds.

A k-mer spreads its part over its letters by their Shapley values: what a letter adds
when the letters of the baseline are replaced one by one, averaged over all orders. A
letter that site and baseline share gets nothing.

The k-mer regression of preset `deeprke` has no vectors. It is a sum over stretches of
letters: the difference of each is spread over the letters that differ.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.errors import UserError
from deeprke_tf.explaining.baselines import shuffled
from deeprke_tf.explaining.letters import (
    ALPHABETS,
    ids_of,
    kmer_ids,
    letter_numbers,
    shapley_value,
)
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.regression import regression_attributions
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.networks.kmer_conv import KmerConv1D
from deeprke_tf.networks.kmer_counts import KmerCounts
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.runs.run import Run
from deeprke_tf.runs.scorer import log_odds_network

_SITES_AT_ONCE = 64
_LETTERS_AT_ONCE = 16_000  # pairs of site and baseline times their length

# Of the letters of sites and of their baselines, by view.
_Digits = dict[str, tuple[np.ndarray, np.ndarray]]


class Gradients(NamedTuple):
    """The attributions of one site, averaged over its baselines.

    Attributes:
      log_odds: Of the site, float64 [n_networks].
      baseline: Mean log odds of its baselines, float64 [n_networks].
      sequence: By nucleotide, float32 [n_networks, length].
      structure: By loop context, float32 [n_networks, length]; 0 for networks that do
        not read structure.
    """

    log_odds: np.ndarray
    baseline: np.ndarray
    sequence: np.ndarray
    structure: np.ndarray

    @property
    def completeness_error(self) -> np.ndarray:
        """Sum of all attributions minus log odds over baseline, [n_networks]."""
        total = self.sequence.sum(axis=-1) + self.structure.sum(axis=-1)
        return total - (self.log_odds - self.baseline)


class IntegratedGradients:
    """Attributes the log odds of sites to their nucleotides and loop contexts.

    Args:
      log_odds: The model.
      pool: Folds the baselines; None for a model that does not read structure.
      n_baselines: Shuffled sites to average over.
      n_steps: Nodes of the Gauss-Legendre quadrature.
      seed: Fixes the shuffles, together with the sequence.

    Raises:
      UserError: A network of the run does not begin with k-mer vectors.
    """

    def __init__(
        self,
        log_odds: LogOdds,
        pool: FoldingPool | None,
        *,
        n_baselines: int = 5,
        n_steps: int = 8,
        seed: int = 1,
    ):
        self._log_odds = log_odds
        self._pool = pool
        self._n_baselines, self._n_steps, self._seed = n_baselines, n_steps, seed
        self._networks = [_Path(training) for training in log_odds.run.trainings]

    def __call__(self, sites: Iterable[FoldedSite]) -> Iterator[Gradients]:
        """Yields the attributions of each site, in order."""
        stream = iter(sites)
        while some := list(itertools.islice(stream, _SITES_AT_ONCE)):
            yield from self._of_group(some)

    def _of_group(self, sites: list[FoldedSite]) -> Iterator[Gradients]:
        n = self._n_baselines
        baselines = [
            baseline
            for site in sites
            for baseline in shuffled(site, n, self._seed, self._pool)
        ]
        pairs = [site for site in sites for _ in range(n)]
        each = [network(pairs, baselines, self._n_steps) for network in self._networks]
        own, of_baselines = (
            self._log_odds([s.sequence for s in some], [s.loop_contexts for s in some])
            for some in (sites, baselines)
        )
        for i in range(len(sites)):
            mine = slice(i * n, (i + 1) * n)
            sequence, structure = (
                np.array([np.mean(rows[view][mine], axis=0) for rows in each])
                for view in ALPHABETS
            )
            baseline = of_baselines[:, mine].mean(axis=1)
            yield Gradients(own[:, i], baseline, sequence, structure)


class _Path:
    """The way from baselines to sites through one network."""

    def __init__(self, training: Run):
        self._k = training.encoding.k
        self._views = training.config.model.views
        # Of a copy: a model that begins in the middle of another makes that one's graph
        # unfit to be saved.
        copy = keras.models.clone_model(training.model)
        copy.set_weights(training.model.get_weights())
        network = log_odds_network(copy)
        layers = {layer.name: layer for layer in network.layers}
        names = {v: f"{v.removesuffix('_kmers')}_cnn_conv_1" for v in self._views}
        if not all(isinstance(layers.get(n), KmerConv1D) for n in names.values()):
            raise UserError(
                f"The model {training.directory} does not begin with k-mer vectors; "
                "use `method` 'mutagenesis'."
            )
        self._first = {view: layers[name] for view, name in names.items()}
        counts = (lay for lay in network.layers if isinstance(lay, KmerCounts))
        self._counts = next(counts, None)
        output = layers["log_odds"].output if self._counts else network.output
        ids = next(x for x in network.inputs if x.name == "sequence_kmers")
        # Everything behind the first layer of each view; the ids give the mask.
        rest = keras.Model([ids, *(f.output for f in self._first.values())], output)
        self._gradients = _compiled(rest, list(self._first.values()))

    def __call__(
        self, sites: Sequence[FoldedSite], baselines: Sequence[FoldedSite], n_steps: int
    ) -> dict[str, list[np.ndarray]]:
        """Returns the attributions of each pair by view, float32 [length]."""
        found: dict[str, list[np.ndarray]] = {view: [] for view in ALPHABETS}
        for some in _groups([len(site.sequence) for site in sites]):
            rows = self._of_group(sites[some], baselines[some], n_steps)
            for view, of_view in found.items():
                of_view += rows[view]
        return found

    def _of_group(
        self, sites: Sequence[FoldedSite], baselines: Sequence[FoldedSite], n_steps: int
    ) -> dict[str, list[np.ndarray]]:
        digits = {
            view: (letter_numbers(sites, view), letter_numbers(baselines, view))
            for view in self._views
        }
        total = self._of_network(digits, n_steps)
        if self._counts is not None:
            share = self._counts.share
            total = {view: (1 - share) * rows for view, rows in total.items()}
            total["sequence_kmers"] += share * regression_attributions(
                self._counts, *digits["sequence_kmers"]
            )
        zeros = np.zeros_like(total["sequence_kmers"])
        lengths = [len(site.sequence) for site in sites]
        return {
            view: [
                row[:n].astype(np.float32)
                for row, n in zip(total.get(view, zeros), lengths, strict=True)
            ]
            for view in ALPHABETS
        }

    def _of_network(self, digits: _Digits, n_steps: int) -> dict[str, np.ndarray]:
        """Returns the attributions of a group by view, float64 [n_pairs, length]."""
        ends = [
            [
                first(ids_of(digits[view][end], view, self._k))
                for view, first in self._first.items()
            ]
            for end in (1, 0)
        ]
        ids = ids_of(digits["sequence_kmers"][0], "sequence_kmers", self._k)
        gradients = [0.0] * len(self._first)
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)  # from -1 to 1
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            at_node = self._gradients(ids, *ends, tf.constant(node, tf.float32))
            gradients = [
                g + weight * new for g, new in zip(gradients, at_node, strict=True)
            ]
        return {
            view: _by_letter(first, gradient, *digits[view], view, self._k)
            for (view, first), gradient in zip(
                self._first.items(), gradients, strict=True
            )
        }


def _groups(lengths: Sequence[int]) -> Iterator[slice]:
    """Yields slices of some pairs each, so that memory stays bounded."""
    start = longest = 0
    for end, length in enumerate(lengths):
        longest = max(longest, length)
        if end > start and (end + 1 - start) * longest > _LETTERS_AT_ONCE:
            yield slice(start, end)
            start, longest = end, length
    if start < len(lengths):
        yield slice(start, len(lengths))


def _compiled(rest: keras.Model, first: list[KmerConv1D]) -> Callable[..., list[Any]]:
    """Compiles the gradients with respect to the first layers at one node of the way.

    Args:
      rest: From sequence ids, and the output of the first layer of each view, to log
        odds.
      first: The first layer of each view.
    """
    of_layers = [
        tf.TensorSpec([None, None, layer.convolution.filters], layer.compute_dtype)
        for layer in first
    ]

    # Without a signature, each new batch shape would be traced anew.
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int64),
            *(of_layers, of_layers, tf.TensorSpec([], tf.float32)),
        ]
    )
    def gradients(ids: Any, baseline: Any, site: Any, node: Any) -> list[Any]:
        mixed = [
            a + (b - a) * tf.cast(node, a.dtype)
            for a, b in zip(baseline, site, strict=True)
        ]
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            total = tf.reduce_sum(rest([ids, *mixed], training=False))
        return [tf.cast(g, tf.float32) for g in tape.gradient(total, mixed)]

    return gradients


def _by_letter(
    layer: KmerConv1D,
    gradient: Any,
    site: np.ndarray,
    baseline: np.ndarray,
    view: str,
    k: int,
) -> np.ndarray:
    """Brings the gradient behind a first layer back to the letters it read.

    Args:
      layer: The first layer, k-mer vectors and convolution.
      gradient: Integrated, of its output, float [n_pairs, n_kmers, filters].
      site: `letter_numbers` of the site.
      baseline: The same of the baseline.
      view: Of the letters.
      k: Letters of a k-mer.

    Returns:
      Attributions, float64 [n_pairs, length].
    """
    vectors = np.asarray(layer.vectors.embeddings, np.float32)
    kernel = np.asarray(layer.convolution.kernel, np.float32)
    n_pairs, n_kmers, _filters = gradient.shape
    shape = (n_pairs, n_kmers, vectors.shape[1])
    # The gradient with respect to the vectors that the convolution reads.
    slopes = tf.nn.conv1d_transpose(gradient, kernel, shape, 1, "SAME").numpy()
    values = {}
    for of_site in itertools.product([False, True], repeat=k):
        columns = [
            (site if is_site else baseline)[:, j : j + n_kmers]
            for j, is_site in enumerate(of_site)
        ]
        ids = kmer_ids(columns, view)
        value = np.einsum("pnv,pnv->pn", slopes, vectors[ids])
        values[of_site] = np.where(ids == PAD_ID, 0.0, value)
    total = np.zeros(site.shape)
    for j in range(k):
        total[:, j : j + n_kmers] += shapley_value(values, j)
    return total
