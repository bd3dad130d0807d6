"""Scalers: fitted to a dataset, applied to it and to the environment alike, so that networks never normalise."""

import functools

import jax.numpy as jnp

from jaxrl.core.types import Dataset, Env, HostEnv, Scaler, Task


def standard(dataset: Dataset, epsilon: float = 1e-3) -> Scaler:
    """Mean and standard deviation (plus epsilon) of the logged observations."""
    obs = dataset.steps.obs
    return Scaler(obs.mean(0), obs.std(0) + epsilon)


def scale_dataset(dataset: Dataset, scaler: Scaler) -> Dataset:
    """The dataset with scaled observations."""
    steps = dataset.steps
    return dataset._replace(steps=steps._replace(obs=scaler(steps.obs), next_obs=scaler(steps.next_obs)))


def scale_env(env: Env | HostEnv, scaler: Scaler) -> Env | HostEnv:
    """The environment with scaled observations; in a JAX environment the scaler is part of the traced params."""
    if isinstance(env, HostEnv):
        return env._replace(observe=lambda obs: scaler(env.observe(obs)))

    reset, step = scaled_functions(env.reset, env.step)
    return Env(env.spec, {"env": env.params, "scaler": scaler}, reset, step)


@functools.cache
def scaled_functions(reset, step):
    """(reset, step) whose params are {"env", "scaler"}; cached, so that programs are reused."""

    def seen(params, result):
        state, timestep = result
        return state, timestep._replace(obs=params["scaler"](timestep.obs))

    def scaled_reset(key, params):
        return seen(params, reset(key, params["env"]))

    def scaled_step(key, params, state, action):
        return seen(params, step(key, params["env"], state, action))

    return scaled_reset, scaled_step


def standardise(task: Task) -> Task:
    """The task with observations of mean zero and standard deviation one on its own data."""
    if task.dataset is None or task.scaler is not None:
        return task
    scaler = Scaler(*(jnp.asarray(x) for x in standard(task.dataset)))
    return task._replace(env=scale_env(task.env, scaler), dataset=scale_dataset(task.dataset, scaler), scaler=scaler)
