"""Dataset from arrays or episodes, its invariants, and numbers per episode."""

import hashlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Transition


class Arrays(NamedTuple):
    """Logged steps on the host, in episode order, actions in the environment's own units.

    obs, next_obs: [n, D]; action: [n, A] or [n]; reward: [n]; terminated, truncated: [n] bool;
    last: [n] bool, true at the final step of each episode, whatever ended it.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_obs: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    last: np.ndarray


def from_arrays(arrays: Arrays) -> Dataset:
    """Device-resident Dataset; actions must already lie in [-1, 1] or be class indices.

    `next_action` is the logged next action inside an episode, and at its end the action itself.
    """
    count = len(arrays.reward)
    ends = np.flatnonzero(arrays.last)
    if count == 0 or len(ends) == 0:
        raise InputError(
            f"the dataset holds {count} steps and {len(ends)} full episodes; it needs at least one episode"
        )
    ends_of = ends[np.searchsorted(ends, np.arange(count))]
    following = np.minimum(np.arange(count) + 1, ends_of)
    discrete = np.issubdtype(arrays.action.dtype, np.integer)
    action = arrays.action.astype(np.int32 if discrete else np.float32)
    number = lambda x: jnp.asarray(np.asarray(x, np.float32))
    steps = Transition(
        obs=number(arrays.obs),
        action=jnp.asarray(action),
        reward=number(arrays.reward),
        next_obs=number(arrays.next_obs),
        next_action=jnp.asarray(action[following]),
        terminated=number(arrays.terminated),
        truncated=number(arrays.truncated),
        weight=jnp.ones((count,), jnp.float32),
    )
    return Dataset(steps, jnp.asarray(ends_of.astype(np.int32)))


def size(dataset: Dataset) -> int:
    """Number of steps."""
    return dataset.last.shape[0]


def episode_ends(dataset: Dataset) -> np.ndarray:
    """Index of each episode's final step, on the host; [episodes]."""
    return np.unique(np.asarray(dataset.last))


def episode_returns(dataset: Dataset) -> np.ndarray:
    """Undiscounted return of each episode, on the host; [episodes]."""
    ends = episode_ends(dataset)
    total = np.cumsum(np.asarray(dataset.steps.reward, np.float64))[ends]
    return np.diff(total, prepend=0.0)


def check(dataset: Dataset) -> Dataset:
    """The dataset, if its invariants hold; else an AssertionError naming the broken one. For tests and importers."""
    last, steps = np.asarray(dataset.last), dataset.steps
    index = np.arange(len(last))
    assert (np.diff(last) >= 0).all() and (last >= index).all() and (last[last] == last).all(), (
        "episodes are not in order"
    )
    terminated, truncated = np.asarray(steps.terminated), np.asarray(steps.truncated)
    assert (index == last)[terminated > 0].all(), "a step inside an episode is marked as its end"
    assert ((terminated + truncated)[np.unique(last)] > 0).all(), "an episode's end carries no flag"
    weight = np.asarray(steps.weight)
    assert (weight >= 0).all() and abs(weight.mean() - 1) < 1e-3, "weights must be non-negative with mean one"
    if jnp.issubdtype(steps.action.dtype, jnp.inexact):
        assert float(jnp.abs(steps.action).max()) <= 1, "actions must lie in [-1, 1]"
    return dataset


def fingerprint(dataset: Dataset) -> str:
    """Twelve hex digits of the SHA-256 of all arrays, in field order."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(dataset):
        digest.update(np.ascontiguousarray(np.asarray(leaf)).data)
    return digest.hexdigest()[:12]
