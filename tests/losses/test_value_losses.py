"""Regression losses of value learning: numbers by hand, conserved mass, optima."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.losses import value


def test_huber_by_hand():
    """Half a square up to the threshold, then a line of that slope."""
    np.testing.assert_allclose(value.huber(jnp.array([0.0, 0.5, -1.0, 3.0, -3.0]), 1.0), [0, 0.125, 0.5, 2.5, 2.5])
    np.testing.assert_allclose(value.huber(jnp.array([1.0, -5.0]), 2.0), [0.5, 8.0])
    slope = jax.vmap(jax.grad(lambda e: value.huber(e, 1.0)))(jnp.array([-7.0, -0.5, 0.0, 0.25, 7.0]))
    np.testing.assert_allclose(slope, [-1, -0.5, 0, 0.25, 1], atol=1e-6)


def test_quantile_huber_by_hand():
    """Levels 1/4 and 3/4; predictions 0 and 2; samples 1 and 4, threshold 1.

    Errors 1 and 4 of the first cost 1/4 (0.5 + 3.5) / 2; errors -1 and 2 of the second (1/4 0.5 + 3/4 1.5) / 2.
    """
    got = value.quantile_huber(jnp.array([[0.0, 2.0]]), jnp.array([[1.0, 4.0]]), 1.0)
    np.testing.assert_allclose(got, [0.5 + 0.625], rtol=1e-6)


def test_quantile_regression_finds_the_quantiles():
    """With a small threshold, of a sample whose quantiles are known."""
    sample = jnp.linspace(-1.0, 3.0, 401)
    slope = jax.jit(jax.grad(lambda q: value.quantile_huber(q, sample, 1e-3)))
    found = jnp.zeros(4)
    for i in range(600):
        found = found - 2.0 / (1 + 0.02 * i) * slope(found)
    np.testing.assert_allclose(found, -1 + 4 * np.array([0.125, 0.375, 0.625, 0.875]), atol=0.03)


def test_one_quantile_is_half_of_huber():
    predicted, target = (2 * jax.random.normal(jax.random.key(i), (7, 1)) for i in (0, 1))
    got = value.quantile_huber(predicted, target, 1.0)
    np.testing.assert_allclose(got, 0.5 * value.huber(predicted - target, 1.0)[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([-1.0, 0.0, 1.0], [0.2, 0.5, 0.3]),
        ([-0.5, 0.5, 0.5], [0.1, 0.5, 0.4]),
        ([-9.0, 0.25, 9.0], [0.2, 0.375, 0.425]),
    ],
    ids=["on the atoms", "between them", "beyond the ends"],
)
def test_projection_by_hand(values, wanted):
    got = value.categorical_projection(jnp.array(values), jnp.array([0.2, 0.5, 0.3]), -1.0, 1.0)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_projection_keeps_the_mass_and_within_the_ends_the_mean():
    low, high, count = -3.0, 5.0, 51
    places = jax.random.uniform(jax.random.key(0), (20, count), minval=-6.0, maxval=9.0)
    mass = jax.nn.softmax(jax.random.normal(jax.random.key(1), (20, count)))
    got = value.categorical_projection(places, mass, low, high)
    np.testing.assert_allclose(got.sum(-1), 1.0, rtol=1e-5)
    assert float(got.min()) >= 0
    mean = (got * value.atoms(low, high, count)[None]).sum(-1)
    np.testing.assert_allclose(mean, (mass * jnp.clip(places, low, high)).sum(-1), atol=1e-4)


def test_projection_of_the_atoms_themselves_is_exact_and_the_ends_may_be_traced():
    mass = jax.nn.softmax(jax.random.normal(jax.random.key(1), (51,)))
    project = lambda low, high: value.categorical_projection(value.atoms(low, high, 51), mass, low, high)
    got = jax.vmap(project)(jnp.array([-10.0, -100.0]), jnp.array([10.0, 0.0]))
    np.testing.assert_allclose(got, jnp.stack([mass] * 2), atol=2e-6)
