"""Policies at work outside of training: their returns in an environment, and as plain functions of raw observations."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import tasks
from jaxrl.core.check import InputError, positive
from jaxrl.core.types import Algorithm, Env, HostEnv, Policy, Spec, Task, Tree, first_steps
from jaxrl.evaluation import host, rollout
from jaxrl.train.driver import Compiled


@functools.lru_cache(maxsize=16)
def _returns(policy: Policy, functions: tuple, spec: Spec, episodes: int) -> Compiled:
    return Compiled(lambda key, params: rollout.evaluate(key, Env(spec, params, *functions), policy, episodes))


def evaluate(policy: Policy, env: Env | HostEnv | str, key, episodes: int = 10) -> np.ndarray:
    """Undiscounted returns [episodes] of a policy, in one compiled call where the environment is in JAX.

    policy: of an algorithm (`algorithm.policy(hyper, state)`), or `core.types.reactive(act)`; actions in [-1, 1] or
    classes. env: of `jaxrl.environment`, or its name. Episode i depends on (key, i) only. A second call with the same
    policy and number of episodes compiles nothing. Raises InputError for unknown names and bad counts.
    """
    env = tasks.environment(env) if isinstance(env, str) else env
    positive("episodes", episodes)
    check_policy(policy, env.spec)
    if isinstance(env, Env):
        return np.asarray(_returns(policy, (env.reset, env.step), env.spec, episodes)(key, env.params))
    act = jax.jit(lambda key, obs: policy.act(key, first_steps(obs), policy.start())[0])
    times = itertools.count()
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
    return host.evaluate(env, lambda obs: act(jax.random.fold_in(key, next(times)), obs), [seed], episodes)[0]


def check_policy(policy: Policy, spec: Spec) -> None:
    """InputError where a policy is not made for observations and actions of these sizes."""
    wanted = () if spec.discrete else (spec.action,)
    try:
        act = lambda: policy.act(jax.random.key(0), first_steps(jnp.zeros(spec.obs)), policy.start())[0]
        action = jax.eval_shape(act)
    except Exception as error:  # Flax, JAX and the user's own code each raise their own
        reason = str(error).splitlines()[0][:120]
        raise InputError(
            f"the policy does not take the {spec.obs} numbers that {spec.name} shows ({reason}); use one made for it"
        ) from error
    if action.shape != wanted:
        raise InputError(
            f"the policy's actions have shape {action.shape}, but {spec.name} takes {wanted}; use one made for it"
        )


def actor(algorithm: Algorithm, hyper, state: Tree, task: Task) -> Callable[[Any], np.ndarray]:
    """A deterministic policy on raw observations, in the environment's own action units, for use outside the suite."""
    spec, scaler = task.env.spec, task.scaler

    @jax.jit
    def act(state, obs):
        obs = obs if scaler is None else scaler(obs)
        action, _ = algorithm.policy(hyper, state).act(jax.random.key(0), first_steps(obs), ())
        return action if spec.discrete else unscale(spec, action)

    def policy(obs) -> np.ndarray:
        obs = np.asarray(obs, np.float32)
        if obs.shape[-1:] != (spec.obs,):
            raise InputError(
                f"observation of shape {obs.shape} for {spec.name}, which has {spec.obs} numbers in its last axis"
            )
        return np.asarray(act(state, obs))

    return policy


def unscale(spec: Spec, action):
    """Actions in [-1, 1] -> the environment's own units."""
    axes = (1,) * (action.ndim - 1) + (-1,)
    low, high = (jnp.asarray(bound).reshape(axes) for bound in (spec.low, spec.high))
    return low + (action + 1) / 2 * (high - low)
