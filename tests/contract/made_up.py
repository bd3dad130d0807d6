"""Made-up specs and batches for the contract tests, and how their results are compared."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Spec, Transition, first_steps

ROWS = 8


def spec_of(kind):
    """Three observations, two actions of that kind."""
    return Spec("made up", 3, 2, 10, kind == "discrete", () if kind == "discrete" else (-1.0, -1.0), (1.0, 1.0))


def batch_of(spec, seed=0, rows=ROWS):
    """Random steps [rows]; every fourth ends an episode. Drawn by NumPy: nothing is compiled for it."""
    source = np.random.default_rng(seed)
    draw = lambda *shape: source.normal(size=shape).astype(np.float32)
    if spec.discrete:
        action = lambda: source.integers(spec.action, size=rows).astype(np.int32)
    else:
        action = lambda: np.tanh(draw(rows, spec.action))
    obs, a, reward, next_obs, next_a = draw(rows, spec.obs), action(), draw(rows), draw(rows, spec.obs), action()
    flag = (np.arange(rows) % 4 == 3).astype(np.float32)
    zeros, ones = np.zeros(rows, np.float32), np.ones(rows, np.float32)
    return jax.tree.map(jnp.asarray, Transition(obs, a, reward, next_obs, next_a, flag, zeros, ones))


def moved(values, row, change):
    """A copy of an array with `change` added to one row; nothing is compiled for it."""
    copy = np.array(values)
    copy[row] += change
    return jnp.asarray(copy)


class Acts:
    """What a learner's policies do, compiled once for all tests."""

    def __init__(self, algo):
        def act(choose):
            return jax.jit(lambda key, hyper, state, obs: choose(hyper, state).act(key, first_steps(obs), ())[0])

        self.policy, self.explore = act(algo.policy), act(algo.explore)


def same(a, b):
    """Equal to the last bit."""
    return all(np.array_equal(plain(x), plain(y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def plain(x):
    """The array on the host; keys as their numbers."""
    keys = jnp.issubdtype(jnp.result_type(x), jax.dtypes.prng_key) if hasattr(x, "dtype") else False
    return np.asarray(jax.random.key_data(x) if keys else x)


def close(a, b, **tolerance):
    """Equal within a tolerance."""
    return all(np.allclose(x, y, **tolerance) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def shape_of(tree):
    """Shapes and types of all leaves."""
    return jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)
