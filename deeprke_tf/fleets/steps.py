"""The networks of a fleet on the device: their weights, data, and steps of training."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.errors import UserError
from deeprke_tf.fleets.data import LabelledIds, Splits
from deeprke_tf.fleets.schedule import Steps, extended, steps_of
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.training import objective

# Most steps that one call of the device takes.
_STEPS_AT_ONCE = 32

# Sites of one network that are scored at once.
_SCORED_AT_ONCE = 256

Views = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """One network of a fleet.

    Attributes:
      splits: Its sites: train, validation and, where they are to be scored, test.
      vectors: Its k-mer vectors by view, float32 [n_ids, size], and, under
        "kmer_weights", what `kmer_regression.fit` gave, where its output reads them.
      seed: Of its training.
    """

    splits: dict[str, LabelledIds]
    vectors: dict[str, np.ndarray]
    seed: int


class _State(NamedTuple):
    """All that training changes, each array with the networks as its first axis."""

    trained: list[Any]
    other: list[Any]
    optimizer: list[Any]


class Fleet:
    """Networks of one shape with their data on the device."""

    def __init__(self, config: RunConfig, members: Sequence[Member]):
        self._members = members
        for one in members:
            _require_long_epochs(config.train, len(one.splits["train"].labels))
        self.settings = [
            objective.for_sites(
                dataclasses.replace(config.train, seed=one.seed),
                len(one.splits["train"].labels),
            )
            for one in members
        ]
        self._views = config.model.views
        self._network, self._optimizer, self.state = _built(config, members)
        datasets = list({id(one.splits): one.splits for one in members}.values())
        places = {id(splits): place for place, splits in enumerate(datasets)}
        self._dataset = jnp.array([places[id(one.splits)] for one in members])
        self._data = {
            split: _stacked([splits[split] for splits in datasets], self._views)
            for split in members[0].splits
        }
        ids, labels = self._data["train"]
        self._data["train"] = ids, _targets(config.train, datasets, labels)
        longest = max(
            -(-len(one.splits["train"].labels) // self.settings[0].batch_size)
            for one in members
        )
        # Pieces of one size: a shorter epoch needs no compilation of its own.
        self._steps_at_once = -(-longest // -(-longest // _STEPS_AT_ONCE))
        self._train = jax.jit(
            functools.partial(_train_steps, self._network, self._optimizer),
            donate_argnums=0,
        )
        self._score = jax.jit(functools.partial(_scored, self._network))

    def train_epoch(self, epoch: int, running: np.ndarray) -> np.ndarray:
        """Passes over the training sites of the networks that are running, once.

        Returns:
          The mean loss of each network; NaN of those that are not running.
        """
        steps = [
            steps_of(
                member.splits["train"].labels,
                settings,
                epoch if is_running else None,
            )
            for member, settings, is_running in zip(
                self._members, self.settings, running, strict=True
            )
        ]
        n_done = np.array([len(one.step_sizes) for one in steps])
        size = self._steps_at_once
        n_steps = -(-int(n_done.max()) // size) * size
        stacked = Steps(
            *(
                np.stack([extended(array, n_steps) for array in arrays])
                for arrays in zip(*steps, strict=True)
            )
        )
        total = np.zeros(len(steps))
        for start in range(0, n_steps, size):
            piece = Steps(*(array[:, start : start + size] for array in stacked))
            self.state, losses = self._train(
                self.state, self._data["train"], self._dataset, piece
            )
            total += np.asarray(losses).sum(axis=1)
        return np.divide(
            total, n_done, out=np.full(len(total), np.nan), where=n_done > 0
        )

    def score(self, split: str, trained: list, other: list) -> list[np.ndarray]:
        """Returns the probabilities of the sites of a split, network by network."""
        ids, _labels = self._data[split]
        n_sites = next(iter(ids.values())).shape[1]
        parts = [
            self._score(trained, other, ids, self._dataset, start)
            for start in range(0, n_sites, _SCORED_AT_ONCE)
        ]
        scored = np.concatenate([np.asarray(part) for part in parts], axis=1)
        counts = [len(one.splits[split].labels) for one in self._members]
        return [row[:n] for row, n in zip(scored, counts, strict=True)]


def _require_long_epochs(settings: TrainConfig, n_sites: int) -> None:
    if objective.passes_per_epoch(settings, n_sites) > 1:
        raise UserError(
            f"A fleet needs more than {n_sites} training sites for epochs of one pass "
            "over them; train with `deeprke train`."
        )


def _built(
    config: RunConfig, members: Sequence[Member]
) -> tuple[keras.Model, keras.optimizers.Optimizer, _State]:
    """Returns a network and its optimizer, and the first state of all networks."""
    states = []
    before = keras.config.dtype_policy()
    if config.train.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        # First weights are many small computations: no work for a GPU.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            for member in members:
                keras.utils.set_random_seed(member.seed % 2**32)
                network = _network_of(config, member)
                optimizer = keras.optimizers.Adam(
                    config.train.learning_rate, clipnorm=config.train.clip_norm
                )
                optimizer.build(network.trainable_variables)
                states.append(
                    [
                        [np.asarray(variable.value) for variable in variables]
                        for variables in (
                            network.trainable_variables,
                            network.non_trainable_variables,
                            optimizer.variables,
                        )
                    ]
                )
    finally:
        keras.config.set_dtype_policy(before)
    stacked = (
        [jnp.asarray(np.stack(values)) for values in zip(*parts, strict=True)]
        for parts in zip(*states, strict=True)
    )
    return network, optimizer, _State(*stacked)


def _network_of(config: RunConfig, member: Member) -> keras.Model:
    """Builds the network of a member, with random first weights."""
    labels = member.splits["train"].labels
    fraction = objective.bound_fraction(config.train, len(labels), int(labels.sum()))
    return build_model(
        config.model,
        member.vectors["sequence"],
        member.vectors.get("structure"),
        fraction,
        member.vectors.get("kmer_weights"),
    )


def _stacked(
    datasets: Sequence[LabelledIds], views: Sequence[str]
) -> tuple[Views, Any]:
    """Puts the sites of several datasets on the device.

    Returns:
      Ids by view, [n_datasets, n_sites, n_kmers], and labels, float32 [n_datasets,
      n_sites]; smaller datasets repeat their first sites.
    """
    n_sites = max(len(one.labels) for one in datasets)
    n_sites = -(-n_sites // _SCORED_AT_ONCE) * _SCORED_AT_ONCE
    n_kmers = max(one.ids[views[0]].shape[1] for one in datasets)
    ids = {}
    for view in views:
        stacked = np.full(
            (len(datasets), n_sites, n_kmers), PAD_ID, datasets[0].ids[view].dtype
        )
        for row, one in zip(stacked, datasets, strict=True):
            places = np.arange(n_sites) % len(one.labels)
            row[:, : one.ids[view].shape[1]] = one.ids[view][places]
        ids[view] = jnp.asarray(stacked)
    labels = [np.resize(one.labels, n_sites) for one in datasets]
    return ids, jnp.asarray(np.stack(labels).astype(np.float32))


def _targets(settings: TrainConfig, datasets: Sequence[Splits], labels: Any) -> Any:
    """Returns what is asked of each training site, float32 [n_datasets, n_sites]."""
    of_datasets = [splits["train"].labels for splits in datasets]
    low, high = np.array(
        [objective.targets(settings, len(of), int(of.sum())) for of in of_datasets],
        np.float32,
    ).T[:, :, np.newaxis]
    return jnp.where(labels > 0, high, low)


def _train_steps(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    state: _State,
    data: tuple[Views, Any],
    dataset: Any,
    steps: Steps,
) -> tuple[_State, Any]:
    """Takes the steps of an epoch; returns state and losses [n_members, n_steps]."""
    names = [variable.name for variable in optimizer.variables]
    size_place = names.index("learning_rate")

    def loss_of(trained: list, other: list, ids: Views, labels: Any, weights: Any):
        probability, other = network.stateless_call(trained, other, ids, training=True)
        losses = keras.losses.binary_crossentropy(labels[:, None], probability)
        return (losses * weights).sum(), other

    def step_of_one(state: _State, dataset: Any, step: Steps) -> tuple[_State, Any]:
        ids = _gathered(data[0], dataset, step.sites)
        labels = data[1][dataset, step.sites]
        gradient_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, other), gradients = gradient_of(
            state.trained, state.other, ids, labels, step.weights
        )
        variables = list(state.optimizer)
        variables[size_place] = step.step_sizes
        trained, variables = optimizer.stateless_apply(
            variables, gradients, state.trained
        )
        after = _State(list(trained), list(other), list(variables))
        # A network whose epoch is over waits for the others.
        takes_part = step.weights.sum() > 0
        return jax.tree.map(
            lambda new, old: jnp.where(takes_part, new, old), after, state
        ), loss

    def step_of_all(state: _State, step: Steps) -> tuple[_State, Any]:
        return jax.vmap(step_of_one)(state, dataset, step)

    by_step = jax.tree.map(lambda array: jnp.moveaxis(array, 0, 1), steps)
    state, losses = jax.lax.scan(step_of_all, state, by_step)
    return state, losses.T


def _scored(
    network: keras.Model,
    trained: list,
    other: list,
    ids: Views,
    dataset: Any,
    start: Any,
) -> Any:
    """Returns probabilities of some sites, float32 [n_members, _SCORED_AT_ONCE]."""
    sites = start + jnp.arange(_SCORED_AT_ONCE)

    def score_one(trained: list, other: list, dataset: Any) -> Any:
        inputs = _gathered(ids, dataset, sites)
        return network.stateless_call(trained, other, inputs)[0][:, 0]

    return jax.vmap(score_one)(trained, other, dataset)


def _gathered(ids: Views, dataset: Any, sites: Any) -> Views:
    return {view: of[dataset, sites].astype("int32") for view, of in ids.items()}
