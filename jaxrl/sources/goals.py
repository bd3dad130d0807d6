"""Batches of logged steps with goals drawn in hindsight."""

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Source
from jaxrl.data import goals as hindsight


def goals(dataset: Dataset, batch: int, *, current: float = 0.0, future: float = 1.0, discount: float = 0.99) -> Source:
    """Steps drawn evenly, with observations [state, goal]: obs and next_obs [B, 2 D].

    The reward is 0 where the step's own observation is the goal, and terminated 1; else they are -1 and 0. current,
    future, discount: see `data.goals.drawn`. InputError for shares that are none.
    """
    if min(current, future) < 0 or current + future > 1:
        raise InputError(f"shares of goals are current={current}, future={future}; make them 0 to 1 with a sum up to 1")
    if not 0 <= discount < 1:
        raise InputError(f"discount={discount} of future goals; make it at least 0 and less than 1")

    def next(key, feed, policy):
        k_step, k_goal = jax.random.split(key)
        index = jax.random.randint(k_step, (batch,), 0, dataset.last.shape[0])
        chosen = hindsight.drawn(k_goal, dataset, index, current=current, future=future, discount=discount)
        found, goal = take(dataset.steps, index), dataset.steps.obs[chosen]
        reached = (index == chosen).astype(jnp.float32)
        beside = lambda obs: jnp.concatenate([obs, goal], -1)
        told = {"obs": beside(found.obs), "next_obs": beside(found.next_obs)}
        return feed, found._replace(reward=reached - 1, terminated=reached, **told)

    return Source(lambda key: (), next)
