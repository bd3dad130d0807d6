"""An environment whose episodes can be told from its observations."""

import jax
import jax.numpy as jnp

from jaxrl.core.types import Spec, reactive
from jaxrl.envs.control import timed

STARTS = (0.0, 10.0)
TERMINAL, CUT = 2.0, 13.0
"""The last observation of an episode that starts at 0, and of one that starts at 10."""


def counting():
    """Counts up by one a step, from 0 until it terminates at 2, or from 10 until it is cut at 13; the reward is the
    new number."""
    spec = Spec("Counting-v0", obs=1, action=2, horizon=3, discrete=True)
    draw = lambda key, params: 10.0 * jax.random.bernoulli(key, 0.5, (1,))
    move = lambda key, params, values, action: (values + 1, values[0] + 1, values[0] + 1 == TERMINAL)
    return timed(spec, (), draw, move, lambda values: values)


def always(action):
    """A policy that does nothing else; its density is 1."""
    action = jnp.asarray(action)
    act = lambda key, obs: jnp.broadcast_to(
        action.reshape((1,) * (obs.ndim - 1) + action.shape), (*obs.shape[:-1], *action.shape)
    )
    return reactive(act, lambda obs, action: jnp.zeros(obs.shape[:-1]))


def check_steps(steps):
    """Asserts that a batch [T, N] holds true successors, flags and new starts."""
    obs, after = steps.obs[..., 0], steps.next_obs[..., 0]
    assert bool((after == obs + 1).all()) and bool((steps.reward == after).all())
    assert bool((steps.terminated == (after == TERMINAL)).all()) and bool((steps.truncated == (after == CUT)).all())
    over = (steps.terminated + steps.truncated > 0)[:-1]
    assert bool(jnp.where(over, jnp.isin(obs[1:], jnp.asarray(STARTS)), obs[1:] == after[:-1]).all())
