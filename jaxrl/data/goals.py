"""Goals for logged steps, drawn in hindsight, and tasks whose observations show a goal."""

import functools

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Env, Scaler, Task
from jaxrl.data import scaling


def drawn(key, dataset: Dataset, index, *, current: float, future: float, discount: float):
    """Indices of the steps whose observations are the goals of the steps `index` [B].

    With probability `current` the step itself; with `future` one later in the episode, k steps ahead with probability
    (1 - discount) discount^(k - 1) and cut at its end; else any step of the data. Source: HILP's released code
    (arXiv:2402.15567), there 0, 0.625 and 0.375.
    """
    k_kind, k_ahead, k_any = jax.random.split(key, 3)
    shape = index.shape
    ahead = jax.random.geometric(k_ahead, 1 - discount, shape)
    later = jnp.minimum(index + ahead.astype(jnp.int32), dataset.last[index])
    anywhere = jax.random.randint(k_any, shape, 0, dataset.last.shape[0])
    kind = jax.random.uniform(k_kind, shape)
    return jnp.where(kind < current, index, jnp.where(kind < current + future, later, anywhere))


def asked(task: Task, *, standardise: bool = True) -> Task:
    """The task with observations [state, goal], each standardised alike; the data's observations stay states.

    An environment that already shows twice the data's numbers keeps its own goals. Any other shows one: the mean
    successor of the logged steps of the largest reward. InputError where the sizes fit neither way.
    """
    if task.dataset is None:
        return task
    size, found = task.dataset.steps.obs.shape[-1], task.env.spec.obs
    if found not in (size, 2 * size):
        raise InputError(
            f"{task.env.spec.name} shows {found} numbers and the data of {task.name} {size}; a task with goals shows "
            "the data's numbers, or a state and a goal of that length each"
        )
    if found == size:
        best = task.dataset.steps.reward == task.dataset.steps.reward.max()
        goal = (best[:, None] * task.dataset.steps.next_obs).sum(0) / best.sum()
        task = task._replace(env=showing(task.env, goal))
    if not standardise or task.scaler is not None:
        return task
    one = scaling.standard(task.dataset)
    both = Scaler(*(jnp.concatenate([x, x]) for x in one))
    return task._replace(
        env=scaling.scale_env(task.env, both), dataset=scaling.scale_dataset(task.dataset, one), scaler=both
    )


def showing(env, goal):
    """The environment with a goal [D] after each observation [D]; in JAX it is part of the traced params."""
    spec = env.spec._replace(obs=2 * env.spec.obs)
    if not isinstance(env, Env):
        beside = lambda obs: jnp.concatenate([obs, jnp.broadcast_to(goal, obs.shape)], -1)
        return env._replace(spec=spec, observe=lambda obs: beside(env.observe(obs)))
    reset, step = shown_functions(env.reset, env.step)
    return Env(spec, {"env": env.params, "goal": goal}, reset, step)


@functools.cache
def shown_functions(reset, step):
    """(reset, step) whose params are {"env", "goal"}; cached, so that programs are reused."""

    def seen(params, result):
        state, timestep = result
        return state, timestep._replace(obs=jnp.concatenate([timestep.obs, params["goal"]], -1))

    def asked_reset(key, params):
        return seen(params, reset(key, params["env"]))

    def asked_step(key, params, state, action):
        return seen(params, step(key, params["env"], state, action))

    return asked_reset, asked_step
