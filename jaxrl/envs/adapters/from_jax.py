"""Our environments as Gymnasium environments. Imported only where Gymnasium is used; see `adapters.gymnasium`."""

from functools import cache

import gymnasium
import jax
import numpy as np
from gymnasium import spaces

from jaxrl.core.types import Env
from jaxrl.envs import suites


@cache
def compiled(name: str) -> tuple[Env, object, object]:
    """(environment, reset, step) of that name, compiled once however many copies are made."""
    env = suites.environment(name)

    def step(key, params, state, action):
        key = jax.random.fold_in(key, state.time)
        if env.spec.discrete:
            return env.step(key, params, state, action)
        low, high = np.asarray(env.spec.low, np.float32), np.asarray(env.spec.high, np.float32)
        return env.step(key, params, state, 2 * (action - low) / (high - low) - 1)

    return env, jax.jit(env.reset), jax.jit(step)


class FromJax(gymnasium.Env):
    """The environment of that name in `suites`, taking actions in physical units. Episodes are cut at its horizon."""

    metadata = {"render_modes": []}

    def __init__(self, name: str, render_mode: str | None = None):
        self.environment, self._reset, self._step = compiled(name)
        spec = self.environment.spec
        self.render_mode = render_mode
        self.observation_space = spaces.Box(-np.inf, np.inf, (spec.obs,), np.float32)
        if spec.discrete:
            self.action_space = spaces.Discrete(spec.action)
        else:
            self.action_space = spaces.Box(np.array(spec.low, np.float32), np.array(spec.high, np.float32))

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        k_reset, self._key = jax.random.split(jax.random.key(int(self.np_random.integers(2**31))))
        self._state, timestep = self._reset(k_reset, self.environment.params)
        return np.array(timestep.obs), {}

    def step(self, action):
        action = np.asarray(action, np.int32 if self.environment.spec.discrete else np.float32)
        self._state, timestep = self._step(self._key, self.environment.params, self._state, action)
        timestep = jax.device_get(timestep)
        flags = bool(timestep.terminated), bool(timestep.truncated)
        return np.array(timestep.obs), float(timestep.reward), *flags, {}
