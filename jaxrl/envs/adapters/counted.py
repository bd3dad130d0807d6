"""An environment of another JAX library as ours: time counted, flags honest, observations flat, types fixed."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl.core.check import InputError
from jaxrl.core.types import Env, Spec, Timestep, Tree
from jaxrl.envs.adapters.extras import one_line


class State(NamedTuple):
    """inner: the other library's own state; time: steps taken since the reset."""

    inner: Any
    time: Any


def counted(spec: Spec, params: Tree, reset: Callable, move: Callable) -> Env:
    """Environment that is cut after `spec.horizon` steps and never resets itself.

    reset: (key, params) -> (inner, obs). move: (key, params, inner, action) -> (inner, obs, reward, terminated), where
    `terminated` must not hold time limits. Observations of any shapes are flattened (see `flat`). Both run as in
    `foreign`.
    """

    def start(key, params):
        with foreign():
            inner, obs = reset(key, params)
        zero = jnp.float32(0)
        return State(strong(inner), jnp.int32(0)), Timestep(flat(obs), zero, zero, zero)

    def step(key, params, state, action):
        with foreign():
            inner, obs, reward, terminated = move(key, params, state.inner, action)
        time = state.time + 1
        reward, terminated = (jnp.asarray(x, jnp.float32).reshape(()) for x in (reward, terminated))
        inner = jax.tree.map(like, strong(inner), state.inner)
        truncated = jnp.asarray(time >= spec.horizon, jnp.float32)
        return State(inner, time), Timestep(flat(obs), reward, terminated, truncated)

    return Env(spec, params, start, step)


@contextlib.contextmanager
def foreign() -> Iterator[None]:
    """For tracing another library's code: arrays of unlike ranks may meet, its warnings, meant for its authors, are
    dropped, and matrix products are of the highest precision whatever the default, as less changes physics."""
    with warnings.catch_warnings(), jax.default_matmul_precision("highest"), jax.numpy_rank_promotion("allow"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def making(name: str) -> Iterator[None]:
    """`foreign`, turning whatever another library raises while an environment is made into one InputError."""
    try:
        with foreign():
            yield
    except InputError:
        raise
    except Exception as error:  # theirs may be of any kind, such as the use of what newer JAX has dropped
        told = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"environment {name!r} cannot be made with the versions installed ({told})") from error


def flat(obs: Any) -> Array:
    """One float32 vector [D] of an observation: an array of any shape, or a tree of them in the tree's order.

    Where a mapping holds `state`, as Brax and Playground name what an actor sees, that alone is taken.
    """
    if isinstance(obs, Mapping) and "state" in obs:
        obs = obs["state"]
    return jnp.concatenate([jnp.asarray(leaf, jnp.float32).ravel() for leaf in jax.tree.leaves(obs)])


def width(reset: Callable, params: Tree) -> int:
    """Length of the flat observation that `reset` shows, without running it."""
    with foreign():
        return jax.eval_shape(lambda: flat(reset(jax.random.key(0), params)[1])).shape[0]


def strong(tree: Tree) -> Tree:
    """The same values as arrays without weak types, so that a state keeps its types in loops."""
    return jax.tree.map(lambda x: x if is_key(x) else jax.lax.convert_element_type(x, jnp.result_type(x)), tree)


def like(value: Any, template: Any) -> Any:
    """The value with the template's type."""
    return value if is_key(value) else jax.lax.convert_element_type(value, jnp.result_type(template))


def is_key(x: Any) -> bool:
    """Whether x is an array of typed random keys."""
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
