"""Policies at work outside of training: their returns in an environment, and as plain functions of raw observations."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import tasks
from jaxrl.core.check import InputError, positive
from jaxrl.core.types import Algorithm, Env, HostEnv, Policy, Spec, Task, Timestep, Tree, first_steps
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
    act = jax.jit(lambda key, obs, reward, memory: policy.act(key, shown(obs, reward), memory))
    times = itertools.count()
    player = host.Player(
        lambda: spread(policy.start(), (1, episodes)),
        lambda obs, reward, memory: act(jax.random.fold_in(key, next(times)), obs, reward, memory),
    )
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
    return host.evaluate(env, player, [seed], episodes)[0]


def shown(obs, reward) -> Timestep:
    """What a policy is told on the host: observations [..., D] and the rewards of the last step [...]."""
    return first_steps(obs)._replace(reward=reward)


def spread(memory: Tree, lead: tuple[int, ...]) -> Tree:
    """A policy's first memory for `lead` episodes side by side."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (*lead, *jnp.shape(x))), memory)


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


class Actor:
    """A deterministic policy on raw observations, in the environment's own action units, for use outside the suite.

    Call it with observations [D], or [N, D] of N episodes side by side. A policy with memory has to be called at every
    step, with the reward of the step before ([N], 0 at first) where it reads rewards, and be told which episodes
    begin: by `start()` for all, or by `first` [N]. A change of N begins all.
    """

    def __init__(self, algorithm: Algorithm, hyper, state: Tree, task: Task):
        self._spec, scaler = task.env.spec, task.scaler
        self._state, self._memory, self._lead, self._steps = state, (), None, 0
        self._policy = lambda state: algorithm.policy(hyper, state)

        @jax.jit
        def act(state, obs, reward, memory, first, time):
            obs = obs if scaler is None else scaler(obs)
            policy = self._policy(state)
            begun = lambda x: first.reshape(first.shape + (1,) * (x.ndim - first.ndim))
            fresh = spread(policy.start(), obs.shape[:-1])
            memory = jax.tree.map(lambda new, old: jnp.where(begun(new), new, old), fresh, memory)
            action, memory = policy.act(jax.random.fold_in(jax.random.key(0), time), shown(obs, reward), memory)
            return (action if task.env.spec.discrete else unscale(task.env.spec, action)), memory

        self._act = act

    def start(self) -> None:
        """Forget: the next call is the first step of every episode."""
        self._lead = None

    def __call__(self, obs, reward=0.0, first=False) -> np.ndarray:
        """Actions [A] or [N, A], or classes; InputError for observations of another length."""
        obs = np.asarray(obs, np.float32)
        if obs.shape[-1:] != (self._spec.obs,):
            raise InputError(
                f"observation of shape {obs.shape} for {self._spec.name}, which has {self._spec.obs} numbers in its "
                "last axis"
            )
        lead = obs.shape[:-1]
        if lead != self._lead:
            self._memory = spread(self._policy(self._state).start(), lead)
        reward, first = np.broadcast_to(np.float32(reward), lead), np.broadcast_to(np.bool_(first), lead)
        action, self._memory = self._act(self._state, obs, reward, self._memory, first, np.int32(self._steps))
        self._lead, self._steps = lead, self._steps + 1
        return np.asarray(action)


def unscale(spec: Spec, action):
    """Actions in [-1, 1] -> the environment's own units."""
    axes = (1,) * (action.ndim - 1) + (-1,)
    low, high = (jnp.asarray(bound).reshape(axes) for bound in (spec.low, spec.high))
    return low + (action + 1) / 2 * (high - low)
