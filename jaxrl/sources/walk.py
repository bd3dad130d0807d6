"""Policies walking in environments side by side, starting over where an episode ends."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Env, Policy, Timestep, Transition, Tree


class Walkers(NamedTuple):
    """N environments under way: their states and what they show; leaves [N, ...]."""

    state: Tree
    timestep: Timestep


def start(key, env: Env, count: int) -> Walkers:
    """`count` environments after their resets."""
    return Walkers(*jax.vmap(env.reset, (0, None))(jax.random.split(key, count), env.params))


def step(key, env: Env, policy: Policy, walkers: Walkers, densities: bool = False) -> tuple[Walkers, Transition]:
    """One step of every walker, and what was seen; transition leaves [N, ...].

    Where an episode is over the walker stands at a new start, while the transition holds the true successor. The
    environment is given actions within [-1, 1]; the transition holds the action as proposed, whose density is known.
    `next_action` repeats the action. Policies that act here have no memory. densities: whether the transition carries
    the action's log-probability as the extra "log_prob"; InputError for a policy that has none.
    """
    k_act, k_step, k_reset = jax.random.split(key, 3)
    seen = walkers.timestep
    count = seen.reward.shape[0]
    action, _ = policy.act(k_act, seen, ())
    played = action if env.spec.discrete else jnp.clip(action, -1.0, 1.0)
    each = jax.vmap(env.step, (0, None, 0, 0))
    state, after = each(jax.random.split(k_step, count), env.params, walkers.state, played)
    over = after.terminated + after.truncated > 0
    fresh = start(k_reset, env, count)
    walkers = jax.tree.map(lambda new, old: jnp.where(_beside(over, old), new, old), fresh, Walkers(state, after))
    steps = Transition(
        seen.obs, action, after.reward, after.obs, action, after.terminated, after.truncated, jnp.ones(count)
    )
    if densities:
        steps = steps._replace(extras={"log_prob": density(policy)(seen.obs, action)})
    return walkers, steps


def density(policy: Policy):
    """The policy's `log_prob`; InputError where it has none."""
    if policy.log_prob is None:
        raise InputError("densities=true, but the exploring policy has no density; use a card with a stochastic one")
    return policy.log_prob


def _beside(flag, leaf):
    """A flag [N] with as many axes as the leaf [N, ...]."""
    return flag.reshape(flag.shape + (1,) * (leaf.ndim - 1))
