"""gymnax's environments as ours (extra `gymnax`)."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, known
from jaxrl.core.types import Env, Spec
from jaxrl.envs.adapters.counted import counted, making, width
from jaxrl.envs.adapters.extras import imported

HORIZON = 1000
"""Steps after which an episode is cut where the environment's parameters name no limit."""
ENDLESS = 2**30
"""A time limit that no episode meets."""


def environment(name: str, **settings: Any) -> Env:
    """gymnax's environment of that name, such as "CartPole-v1", with `settings` for its class; its params are traced.

    Episodes are cut at its `max_steps_in_episode`. InputError where the extra is not installed, for an unknown name,
    for one that cannot be made here (MNISTBandit-bsuite reads images, at first use from the network), and for actions
    that are neither discrete nor bounded.
    """
    gymnax = imported("gymnax", "gymnax", f"environment 'gymnax/{name}'")
    known("gymnax environment", name, gymnax.registered_envs)
    with making(f"gymnax/{name}"):
        env, params = gymnax.make(name, **settings)
    horizon = int(getattr(params, "max_steps_in_episode", HORIZON))

    def reset(key, params):
        obs, state = env.reset_env(key, params)
        return state, obs

    with making(f"gymnax/{name}"):
        spec = describe(f"gymnax/{name}", env.action_space(params), width(reset, params), horizon)
    shape = env.action_space(params).shape

    def move(key, params, state, action):
        if not spec.discrete:
            low, high = np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)
            action = (low + (jnp.clip(action, -1.0, 1.0) + 1) / 2 * (high - low)).reshape(shape)
        obs, state, reward, terminated, _ = env.step_env(key, state, action, params)
        return (
            state,
            obs,
            reward,
            terminated if hasattr(env, "is_truncated") else env.is_terminal(state, unlimited(params)),
        )

    return counted(spec, params, reset, move)


def unlimited(params: Any) -> Any:
    """The parameters without a time limit: before version 1, gymnax counts reaching it as a termination."""
    return params.replace(max_steps_in_episode=ENDLESS) if hasattr(params, "max_steps_in_episode") else params


def describe(name: str, space: Any, obs: int, horizon: int) -> Spec:
    """Spec from gymnax's action space; InputError for one that the suite cannot take."""
    if hasattr(space, "n"):
        return Spec(name, obs, int(space.n), horizon, discrete=True)
    if not hasattr(space, "low"):
        raise InputError(f"environment {name!r} has actions {space}; only discrete and bounded continuous ones work")
    low, high = (
        np.broadcast_to(np.asarray(side, float), space.shape).ravel().tolist() for side in (space.low, space.high)
    )
    if not all(map(math.isfinite, low + high)):
        raise InputError(f"environment {name!r} has unbounded actions {space}; only discrete and bounded ones work")
    return Spec(name, obs, len(low), horizon, low=tuple(low), high=tuple(high))
