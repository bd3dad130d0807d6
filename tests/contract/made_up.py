"""Made-up specs and batches for the contract tests, and how their results are compared."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.types import Spec, Transition

ROWS = 8


def spec_of(kind):
    """Three observations, two actions of that kind."""
    return Spec("made up", 3, 2, 10, kind == "discrete", () if kind == "discrete" else (-1.0, -1.0), (1.0, 1.0))


def batch_of(spec, seed=0, rows=ROWS):
    """Random steps [rows]; every fourth ends an episode."""
    keys = iter(jax.random.split(jax.random.key(seed), 8))
    draw = lambda *shape: jax.random.normal(next(keys), shape)
    if spec.discrete:
        action = lambda: jax.random.randint(next(keys), (rows,), 0, spec.action)
    else:
        action = lambda: jnp.tanh(draw(rows, spec.action))
    obs, a, reward, next_obs, next_a = draw(rows, spec.obs), action(), draw(rows), draw(rows, spec.obs), action()
    flag = (jnp.arange(rows) % 4 == 3).astype(jnp.float32)
    return Transition(obs, a, reward, next_obs, next_a, flag, jnp.zeros(rows), jnp.ones(rows))


def same(a, b):
    """Equal to the last bit."""
    return all(bool((x == y).all()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def close(a, b, **tolerance):
    """Equal within a tolerance."""
    return all(np.allclose(x, y, **tolerance) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def shape_of(tree):
    """Shapes and types of all leaves."""
    return jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)
