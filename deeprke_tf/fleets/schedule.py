"""The steps of an epoch of each network of a fleet."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deeprke_tf.config import TrainConfig
from deeprke_tf.training import objective


class Steps(NamedTuple):
    """The steps of an epoch, each array [n_members, n_steps, ...].

    Attributes:
      sites: Places of a batch's sites in their split, int32 [.., batch].
      weights: Of the sites in the loss, float32 [.., batch]; the batch's sum to 1.
      step_sizes: Of Adam, float32; 0 for a step that a smaller dataset does not have.
    """

    sites: Any
    weights: Any
    step_sizes: Any


def steps_of(labels: np.ndarray, settings: TrainConfig, epoch: int | None) -> Steps:
    """Returns the steps of one network in an epoch; none without an epoch."""
    n_sites, batch = len(labels), settings.batch_size
    n_steps = -(-n_sites // batch)
    if epoch is None:
        none = np.zeros((0, batch))
        return Steps(none.astype(np.int32), none.astype(np.float32), none[:, 0])
    seed = objective.epoch_seed(settings.seed, epoch)
    order = np.random.default_rng(seed).permutation(n_sites)
    by_class = objective.class_weights(settings, n_sites, int(labels.sum()))
    weights = np.zeros(n_steps * batch, np.float32)
    weights[:n_sites] = np.array(by_class, np.float32)[labels[order]]
    by_step = weights.reshape(n_steps, batch)
    n_in_batch = np.full((n_steps, 1), batch, np.float32)
    n_in_batch[-1] = n_sites - batch * (n_steps - 1)
    sites = np.resize(order, n_steps * batch).reshape(n_steps, batch)
    sizes = _step_sizes(settings, n_sites, (epoch - 1) * n_steps, n_steps)
    return Steps(sites.astype(np.int32), by_step / n_in_batch, sizes)


def extended(array: np.ndarray, n_steps: int) -> np.ndarray:
    """Adds steps without any weight and of size 0."""
    missing = [(0, n_steps - len(array)), *((0, 0) for _axis in array.shape[1:])]
    return np.pad(array, missing)


def _step_sizes(
    settings: TrainConfig, n_sites: int, first: int, n_steps: int
) -> np.ndarray:
    """Returns the step sizes of an epoch, float32 [n_steps]."""
    size = objective.learning_rate(settings, n_sites)
    if isinstance(size, float):
        return np.full(n_steps, size, np.float32)
    return np.asarray(jax.vmap(size)(first + jnp.arange(n_steps)), np.float32)
