"""Demonstrations with controlled noise, and how far a policy's actions are from an expert's where it goes itself.

After arXiv:2306.02437: noise of the system changes what an action does and is not recorded, noise of the demonstrator
changes the action and is.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Dataset, Env, Policy, first_steps
from jaxrl.data.dataset import Arrays, from_arrays


def demonstrate(key, env: Env, expert: Policy, episodes: int, system: float = 0.0, policy: float = 0.0) -> Dataset:
    """Episodes of an expert in a continuous environment under Gaussian noise.

    system: deviation of what is added to the action that is executed, not to the one that is recorded. policy: of what
    is added to both. Recorded actions are clipped to [-1, 1].
    """
    *columns, alive = jax.jit(lambda key: _rolled(key, env, expert, episodes, system, policy))(key)
    kept = np.asarray(alive).reshape(-1) > 0
    obs, action, reward, following, terminated, truncated = (
        np.asarray(column).reshape(-1, *column.shape[2:])[kept] for column in columns
    )
    ends = terminated > 0, truncated > 0
    return from_arrays(Arrays(obs, action, reward, following, *ends, ends[0] | ends[1]))


def action_divergence(key, env: Env, learner: Policy, expert: Policy, episodes: int) -> float:
    """Mean squared distance of the learner's actions from the expert's at states that the learner visits."""

    def apart(key):
        k_roll, k_expert = jax.random.split(key)
        obs, action, *_, alive = _rolled(k_roll, env, learner, episodes, 0.0, 0.0)
        wanted, _ = expert.act(k_expert, first_steps(obs), expert.start())
        return (jnp.square(action - wanted).sum(-1) * alive).sum() / alive.sum()

    return float(jax.jit(apart)(key))


def _rolled(key, env: Env, policy: Policy, episodes: int, system, noise):
    """Columns of `Arrays` without the last, and whether the episode still ran; [episodes, T, ...] each."""

    def episode(key):
        k_reset, k_steps = jax.random.split(key)
        state, timestep = env.reset(k_reset, env.params)

        def step(carry, key):
            state, timestep, memory, alive = carry
            k_act, k_noise, k_system, k_step = jax.random.split(key, 4)
            action, memory = policy.act(k_act, timestep, memory)
            action = jnp.clip(action + noise * jax.random.normal(k_noise, action.shape), -1, 1)
            executed = action + system * jax.random.normal(k_system, action.shape)
            state, after = env.step(k_step, env.params, state, executed)
            row = timestep.obs, action, after.reward, after.obs, after.terminated, after.truncated, alive
            ended = jnp.maximum(after.terminated, after.truncated)
            return (state, after, memory, alive * (1 - ended)), row

        first = state, timestep, policy.start(), jnp.ones(())
        return jax.lax.scan(step, first, jax.random.split(k_steps, env.spec.horizon))[1]

    return jax.vmap(episode)(jax.random.split(key, episodes))
