"""One network with a head for each experiment: what RBPs have in common, learned once.

The network is that of a preset up to its last dense layer; each experiment has an
output of its own on it. A site teaches only the output of the experiment it is of.
Each experiment's network then starts from the trunk and its own head, and is trained on
its own sites (`deeprke_tf.fleets.fleet`).

Held-out sites must stay unseen: a site of any experiment that shares `SHARED` k-mers in
a row with a validation or test site of any experiment is left out of the trunk's
training.
"""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers

from deeprke_tf.config import RunConfig
from deeprke_tf.data.kmers import UNKNOWN_ID
from deeprke_tf.fleets.data import LabelledIds, Splits
from deeprke_tf.fleets.steps import Member, network_of
from deeprke_tf.training import objective

SHARED = 24  # k-mers in a row

_STRIDE = 8  # of the pieces of training sites that are looked for


@dataclasses.dataclass(frozen=True)
class TrunkSettings:
    """How a trunk is trained."""

    epochs: int = 8
    """Passes over the sites of all experiments."""
    batch_size: int = 1024
    """Sites in a batch."""
    learning_rate: float = 2e-3
    """Largest step size of Adam; it rises in the first tenth and falls as a cosine."""
    seed: int = 1
    """Settles first weights, order and dropout."""


def train(
    config: RunConfig,
    datasets: Sequence[Splits],
    vectors: dict[str, np.ndarray],
    said: Callable[[str], None] = print,
) -> tuple[list[list[np.ndarray]], dict[str, Any]]:
    """Trains a trunk on the sites of all experiments that share nothing held-out.

    Args:
      config: Settings of the network and its seed.
      datasets: Sites of each experiment, by split.
      vectors: k-mer vectors by view, the same for all experiments.
      said: Takes a line of text for each epoch.

    Returns:
      For each experiment the weights that its network starts from (`Member.start`);
      and how the trunk was trained.
    """
    usable = unseen(datasets)
    n_sites = int(sum(map(np.sum, usable)))
    said(
        f"trunk: {n_sites:,} of {sum(map(len, usable)):,} sites share nothing held out"
    )
    settings = TrunkSettings(seed=config.train.seed)
    starts = train_trunk(config, settings, datasets, usable, vectors, said)
    facts = dataclasses.asdict(settings) | {
        "n_experiments": len(datasets),
        "n_sites": n_sites,
        "n_sites_that_share_held_out_letters": sum(map(len, usable)) - n_sites,
    }
    return starts, facts


def unseen(datasets: Sequence[Splits]) -> list[np.ndarray]:
    """Finds the training sites that share nothing with held-out ones.

    Pieces of training sites, every `_STRIDE` letters, are looked for in all held-out
    sites: a stretch of `SHARED` 3-mers in common holds such a piece.

    Args:
      datasets: k-mer ids by split, of each experiment.

    Returns:
      For each dataset bool [n_train].
    """
    n_kmers = SHARED - _STRIDE + 1
    # Threads: NumPy lets others work while it hashes and sorts.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        held_out_pieces = pool.map(
            lambda splits: np.unique(
                np.concatenate(
                    [
                        _pieces(splits[split], n_kmers, stride=1).ravel()
                        for split in ("validation", "test")
                        if split in splits
                    ]
                )
            ),
            datasets,
        )
        held_out = np.unique(np.concatenate(list(held_out_pieces)))

        def is_unseen(splits: Splits) -> np.ndarray:
            pieces = _pieces(splits["train"], n_kmers, _STRIDE)
            places = np.searchsorted(held_out, pieces).clip(max=len(held_out) - 1)
            # 0 stands for pieces with padding or an unknown letter.
            return ~((held_out[places] == pieces) & (pieces != 0)).any(axis=1)

        return list(pool.map(is_unseen, datasets))


def _pieces(sites: LabelledIds, n_kmers: int, stride: int) -> np.ndarray:
    """Hashes stretches of k-mers, uint64 [n_sites, n_pieces]; 0: one is unknown."""
    ids = sites.ids["sequence_kmers"]
    starts = np.arange(0, max(ids.shape[1] - n_kmers + 1, 1), stride)
    hashes = np.zeros((len(ids), len(starts)), np.uint64)
    known = np.ones(hashes.shape, bool)
    for offset in range(min(n_kmers, ids.shape[1])):
        some = ids[:, starts + offset]
        known &= some > UNKNOWN_ID
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + some.astype(np.uint64)
    return np.where(known, hashes | np.uint64(1), np.uint64(0))


def train_trunk(
    config: RunConfig,
    settings: TrunkSettings,
    datasets: Sequence[Splits],
    usable: Sequence[np.ndarray],
    vectors: dict[str, np.ndarray],
    said: Callable[[str], None] = print,
) -> list[list[np.ndarray]]:
    """Trains a trunk with a head for each experiment.

    Args:
      config: Settings of the network.
      settings: Of this training.
      datasets: Sites of each experiment; their train splits are read.
      usable: Of `unseen`.
      vectors: k-mer vectors by view, the same for all experiments.
      said: Takes a line of text for each epoch.

    Returns:
      For each experiment the weights that its network starts from (`Member.start`).
    """
    sites = [
        LabelledIds(
            {view: of[mask] for view, of in splits["train"].ids.items()},
            splits["train"].labels[mask],
        )
        for splits, mask in zip(datasets, usable, strict=True)
    ]
    together = LabelledIds(
        {
            view: np.concatenate([one.ids[view] for one in sites])
            for view in config.model.views
        },
        np.concatenate([one.labels for one in sites]),
    )
    experiments = np.repeat(np.arange(len(sites)), [len(one.labels) for one in sites])
    keras.utils.set_random_seed(settings.seed)
    network = network_of(config, Member({"train": together}, vectors, settings.seed))
    heads = layers.Dense(len(sites), activation="sigmoid", name="heads")
    trunk = keras.Model(network.inputs, heads(network.get_layer("log_odds").input))
    trained = _Training(trunk, together, experiments, settings).run(said)
    *body, kernel, bias = (np.asarray(value) for value in trained)
    return [[*body, kernel[:, i : i + 1], bias[i : i + 1]] for i in range(len(sites))]


class _Training:
    """The training of one trunk."""

    def __init__(
        self,
        trunk: keras.Model,
        sites: LabelledIds,
        experiments: np.ndarray,
        settings: TrunkSettings,
    ):
        self._trunk = trunk
        self._settings = settings
        self._data = jax.tree.map(
            jnp.asarray,
            (sites.ids, sites.labels.astype(np.float32), experiments.astype(np.int32)),
        )
        self._batch_size = min(settings.batch_size, len(experiments))
        self._n_steps = len(experiments) // self._batch_size
        n_all = self._n_steps * settings.epochs
        self._optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                0.0,
                n_all - n_all // 10,
                alpha=0.01,
                warmup_target=settings.learning_rate,
                warmup_steps=n_all // 10,
            ),
            clipnorm=1.0,
        )
        self._optimizer.build(trunk.trainable_variables)
        self._epoch = jax.jit(self._steps, donate_argnums=0)

    def run(self, said: Callable[[str], None]) -> list[Any]:
        """Takes all epochs; returns the trained weights."""
        state = tuple(
            [variable.value for variable in variables]
            for variables in (
                self._trunk.trainable_variables,
                self._trunk.non_trainable_variables,
                self._optimizer.variables,
            )
        )
        n_sites = len(self._data[1])
        for epoch in range(1, self._settings.epochs + 1):
            seed = objective.epoch_seed(self._settings.seed, epoch)
            order = np.random.default_rng(seed).permutation(n_sites)
            order = order[: self._n_steps * self._batch_size]
            batches = order.reshape(self._n_steps, -1).astype(np.int32)
            state, losses = self._epoch(state, self._data, batches)
            said(
                f"trunk epoch {epoch}/{self._settings.epochs}  "
                f"loss {np.asarray(losses).mean():.4f}"
            )
        return state[0]

    def _steps(self, state: Any, data: Any, batches: Any) -> Any:
        def loss_of(trained: list, other: list, batch: Any) -> Any:
            ids, labels, experiments = jax.tree.map(lambda array: array[batch], data)
            ids = {view: of.astype("int32") for view, of in ids.items()}
            all_heads, other = self._trunk.stateless_call(
                trained, other, ids, training=True
            )
            probability = jnp.take_along_axis(all_heads, experiments[:, None], axis=1)
            losses = keras.losses.binary_crossentropy(labels[:, None], probability)
            return losses.mean(), other

        def step(state: Any, batch: Any) -> Any:
            trained, other, variables = state
            gradient_of = jax.value_and_grad(loss_of, has_aux=True)
            (loss, other), gradients = gradient_of(trained, other, batch)
            trained, variables = self._optimizer.stateless_apply(
                variables, gradients, trained
            )
            return (list(trained), list(other), list(variables)), loss

        return jax.lax.scan(step, state, batches)
