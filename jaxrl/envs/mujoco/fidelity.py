"""How far a control step in JAX is from Gymnasium's, from the same states, warm starts and actions."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.mujoco import mjx
from jaxrl.envs.mujoco.tasks import TASKS


class Differences(NamedTuple):
    """For every state the largest absolute difference in an array, [N] each; `ended` [N, 2]: Gymnasium's, ours."""

    qpos: np.ndarray
    qvel: np.ndarray
    obs: np.ndarray
    reward: np.ndarray
    ended: np.ndarray

    @property
    def disagreements(self) -> int:
        """States in which one side terminated and the other did not."""
        return int((self.ended[:, 0] != self.ended[:, 1]).sum())


class Moment(NamedTuple):
    """A state, the action taken there (in [-1, 1], uniform), and what Gymnasium made of it."""

    state: mjx.State
    action: np.ndarray
    qpos: np.ndarray
    qvel: np.ndarray
    obs: np.ndarray
    reward: float
    terminated: bool


@functools.cache
def many(name: str) -> Callable:
    """The compiled step of many environments: (bodies, states, actions) -> (states, timesteps), all [N, ...]."""
    env = mjx.environment(name)
    return jax.jit(jax.vmap(functools.partial(env.step, jax.random.key(0))))


def differences(name: str, states: int, seed: int = 0) -> Differences:
    """Differences in `states` control steps of a task, reached from Gymnasium's resets by random actions.

    One compiled call over all of them, with JAX's default floats: float32 unless `jax_enable_x64` is set.
    """
    moments = stacked(list(walk(name, states, seed)))
    bodies = jax.tree.map(lambda x: jnp.stack([x] * states), mjx.environment(name).params)
    after, seen = many(name)(bodies, *jax.tree.map(jnp.asarray, (moments.state, moments.action)))
    gaps = [
        np.abs(np.asarray(ours, np.float64) - theirs).reshape(states, -1).max(-1)
        for ours, theirs in (
            *((after.qpos, moments.qpos), (after.qvel, moments.qvel)),
            *((seen.obs, moments.obs), (seen.reward, moments.reward)),
        )
    ]
    qpos, qvel, obs, reward = gaps
    return Differences(qpos, qvel, obs, reward, np.stack([moments.terminated, np.asarray(seen.terminated) > 0], 1))


def walk(name: str, states: int, seed: int = 0) -> Iterator[Moment]:
    """Control steps of Gymnasium's environment under uniform random actions, new episodes where they end."""
    from jaxrl.envs.adapters import gymnasium

    env, draws, task, time = gymnasium.host(name).make(), np.random.default_rng(seed), TASKS[name], 0
    space, data = env.action_space, env.unwrapped.data
    env.reset(seed=seed)
    for _ in range(states):
        action = draws.uniform(-1, 1, space.shape).astype(np.float32)
        lagging = {field: getattr(data, field).copy() for field in task.lags}
        state = mjx.State(data.qpos.copy(), data.qvel.copy(), data.qacc_warmstart.copy(), np.int32(time), lagging)
        command = (space.low + space.high) / 2 + (space.high - space.low) / 2 * action
        obs, reward, terminated, truncated, _ = env.step(command)
        yield Moment(state, action, data.qpos.copy(), data.qvel.copy(), obs, reward, terminated)
        time += 1
        if terminated or truncated:
            env.reset()
            time = 0
    env.close()


def stacked(moments: list[Moment]) -> Any:
    """One `Moment` whose arrays have the moments as first axis."""
    return jax.tree.map(lambda *rows: np.stack(rows), *moments)
