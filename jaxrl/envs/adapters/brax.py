"""Brax's environments as ours. Brax is imported when one is made; its physics is no longer maintained (MJX's is)."""

from typing import Any

import jax.numpy as jnp

from jaxrl.core.check import known
from jaxrl.core.types import Env, Spec
from jaxrl.envs.adapters.counted import counted, making, width
from jaxrl.envs.adapters.extras import imported

HORIZON = 1000
"""Steps after which an episode is cut, Brax's own default: its environments have no limit of theirs."""


def environment(name: str, horizon: int = HORIZON, **settings: Any) -> Env:
    """Brax's environment of that name, such as "ant", with `settings` for its class (`backend="positional"`).

    Taken raw: without Brax's wrappers, whose `done` mixes time limits with falls and which reset by themselves.
    Rewards and bodies are Brax's own, not comparable with Gymnasium's tasks of like names. InputError for an unknown
    name, and for one that cannot be made. Brax 0.14.2's `swimmer` is made but cannot be stepped with JAX 0.10: that is
    a call in Brax which JAX has dropped.
    """
    envs = imported("brax.envs", "", f"environment 'brax/{name}'")
    known("Brax environment", name, envs._envs)
    with making(f"brax/{name}"):
        return wrapped(envs.get_environment(name, **settings), f"brax/{name}", horizon)


def wrapped(env: Any, name: str, horizon: int) -> Env:
    """A raw environment with Brax's interface, that is reset(key) -> state and step(state, action) -> state.

    Its state's `done` counts as termination. Actions go in clipped to [-1, 1], the library's own convention.
    """

    def reset(key, params):
        state = env.reset(key)
        return state, state.obs

    def move(key, params, state, action):
        state = env.step(state, jnp.clip(action, -1.0, 1.0))
        return state, state.obs, state.reward, state.done

    size = int(env.action_size)
    spec = Spec(name, width(reset, ()), size, horizon, low=(-1.0,) * size, high=(1.0,) * size)
    return counted(spec, (), reset, move)
