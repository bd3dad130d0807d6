"""Random corruption of logged steps, each kind of a share of them (RIQL, arXiv:2310.12955, appendix D.1).

What is added to observations and actions is uniform within one standard deviation of each dimension, to rewards within
30 in the environment's units. Departures: actions are clipped to their bounds afterwards, because nothing else could
have been logged; a corrupted observation is not also the successor of the step before it, as in the authors' code.
"""

import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset
from jaxrl.data.dataset import size

REWARD_RANGE = 30.0
"""Largest change of a reward."""


def corrupt_reward(dataset: Dataset, level: float, draw) -> Dataset:
    """Rewards of a random share `level` of the steps, moved by up to 30."""
    rows = chosen(dataset, level, draw)
    moved = draw.uniform(-REWARD_RANGE, REWARD_RANGE, len(rows))
    return _added(dataset, rows, reward=moved)


def corrupt_action(dataset: Dataset, level: float, draw) -> Dataset:
    """Actions of a random share of the steps, moved by up to a standard deviation; InputError for discrete ones."""
    if not jnp.issubdtype(dataset.steps.action.dtype, jnp.inexact):
        raise InputError("corrupt_action moves continuous actions and this dataset's are discrete; corrupt its rewards")
    rows = chosen(dataset, level, draw)
    changed = _added(dataset, rows, action=_noise(dataset.steps.action, rows, draw))
    action = jnp.clip(changed.steps.action, -1, 1)
    following = jnp.minimum(jnp.arange(size(dataset)) + 1, dataset.last)
    return changed._replace(steps=changed.steps._replace(action=action, next_action=action[following]))


def corrupt_obs(dataset: Dataset, level: float, draw) -> Dataset:
    """Observations of a random share of the steps, moved by up to a standard deviation; successors stay."""
    rows = chosen(dataset, level, draw)
    return _added(dataset, rows, obs=_noise(dataset.steps.obs, rows, draw))


def corrupt_dynamics(dataset: Dataset, level: float, draw) -> Dataset:
    """Successors of a random share of the steps, moved by up to a standard deviation."""
    rows = chosen(dataset, level, draw)
    return _added(dataset, rows, next_obs=_noise(dataset.steps.next_obs, rows, draw))


def chosen(dataset: Dataset, level: float, draw) -> np.ndarray:
    """Indices of a random share of the steps, at least one; none twice."""
    count = size(dataset)
    return draw.permutation(count)[: max(1, round(level * count))]


def _noise(values, rows: np.ndarray, draw) -> np.ndarray:
    """Uniform numbers within a standard deviation of each column of `values`, for the rows."""
    std = np.asarray(values, np.float64).std(0)
    return draw.uniform(-1.0, 1.0, (len(rows), len(std))) * std


def _added(dataset: Dataset, rows: np.ndarray, **changes: np.ndarray) -> Dataset:
    """The dataset with numbers added to the rows of some fields."""
    steps = dataset.steps
    moved = {name: getattr(steps, name).at[rows].add(change.astype(np.float32)) for name, change in changes.items()}
    return dataset._replace(steps=steps._replace(**moved))


KINDS = {kind.__name__: kind for kind in (corrupt_reward, corrupt_action, corrupt_obs, corrupt_dynamics)}
"""By name: (dataset, share of the steps, generator of NumPy) -> Dataset."""
