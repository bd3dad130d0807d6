"""Undiscounted returns of a policy in a JAX environment, inside the compiled program."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrl.core.check import positive
from jaxrl.core.types import Env, Policy


def episode(key: PRNGKeyArray, env: Env, policy: Policy) -> Float[Array, ""]:
    """Undiscounted return of one episode of at most `env.spec.horizon` steps.

    Always scans the whole horizon; what follows the end counts nothing, even where it is not a number.
    """
    state, timestep = env.reset(jax.random.fold_in(key, 0), env.params)

    def step(carry, time):
        state, timestep, memory, alive, total = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(key, time + 1))
        action, memory = policy.act(k_act, timestep, memory)
        state, timestep = env.step(k_step, env.params, state, action)
        total = total + jnp.where(alive, timestep.reward, 0.0)
        over = (timestep.terminated > 0) | (timestep.truncated > 0)
        return (state, timestep, memory, alive & ~over, total), None

    start = state, timestep, policy.start(), jnp.asarray(True), jnp.float32(0)
    (_, _, _, _, total), _ = jax.lax.scan(step, start, jnp.arange(env.spec.horizon))
    return total


def evaluate(key: PRNGKeyArray, env: Env, policy: Policy, episodes: int) -> Float[Array, "episodes"]:
    """Undiscounted returns of independent episodes; episode i depends on (key, i) only, not on how many there are."""
    positive(f"horizon of {env.spec.name}", env.spec.horizon)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(positive("episodes", episodes)))
    return jax.vmap(lambda k: episode(k, env, policy))(keys)
