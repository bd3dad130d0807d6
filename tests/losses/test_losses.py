"""Numbers by hand, gradients against differences, invariances, limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.losses import distance, policy, value
from jaxrl.returns import to_go


@pytest.mark.parametrize(("level", "expected"), [(0.5, 0.0), (0.7, 0.33), (0.9, 0.86), (0.99, 1.73)])
def test_expectiles_of_a_standard_normal(level, expected):
    """Fixed points known from the literature (specs 2.5)."""
    draws = jax.random.normal(jax.random.key(0), (200_000,))
    slope = jax.jit(jax.grad(lambda v: value.expectile(draws - v, level).mean()))
    low, high = -1.0, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    assert low == pytest.approx(expected, abs=0.02)


def test_expectile_by_hand_and_its_gradient():
    gaps = jnp.array([2.0, -2.0])
    np.testing.assert_allclose(value.expectile(gaps, 0.7), [2.8, 1.2], rtol=1e-6)
    slope = jax.grad(lambda g: value.expectile(g, 0.7))(2.0)
    assert slope == pytest.approx(float(value.expectile(2.01, 0.7) - value.expectile(1.99, 0.7)) / 0.02, rel=1e-3)


def test_only_termination_stops_the_target():
    got = value.td_target(jnp.array([1.0, 1.0]), 0.9, jnp.array([0.0, 1.0]), jnp.array([10.0, 10.0]))
    np.testing.assert_allclose(got, [10.0, 1.0])


def test_advantage_weights_are_clipped_and_carry_no_gradient():
    got = policy.advantage_weight(jnp.array([0.0, 1.0, 100.0]), 3.0, 100.0)
    np.testing.assert_allclose(got, [1.0, np.exp(3.0), 100.0], rtol=1e-6)
    assert jax.grad(lambda a: policy.advantage_weight(a, 3.0, 100.0))(0.5) == 0.0


def test_pairwise_cosine_of_identical_orthogonal_and_opposed_vectors():
    """Divided by members - 1 this is N for N identical critics, 0 for orthogonal ones (specs 2.8)."""
    members = 3
    same = jnp.broadcast_to(jnp.array([1.0, 2.0, 2.0]), (members, 5, 3))
    np.testing.assert_allclose(distance.pairwise_cosine(same) / (members - 1), members, rtol=1e-5)
    np.testing.assert_allclose(distance.pairwise_cosine(jnp.eye(3)), 0.0, atol=1e-6)
    np.testing.assert_allclose(distance.pairwise_cosine(jnp.array([[1.0, 0.0], [-5.0, 0.0]])), -2.0, rtol=1e-5)


def test_pairwise_cosine_ignores_length_and_has_a_finite_gradient_at_zero():
    vectors = jax.random.normal(jax.random.key(0), (4, 2, 3))
    np.testing.assert_allclose(distance.pairwise_cosine(vectors), distance.pairwise_cosine(7 * vectors), rtol=1e-4)
    slope = jax.grad(lambda x: distance.pairwise_cosine(x).sum())(jnp.zeros((3, 2, 2)))
    assert bool(jnp.isfinite(slope).all())


def test_squared_distance_sums_over_the_last_axis():
    np.testing.assert_allclose(distance.squared(jnp.array([[1.0, 2.0]]), jnp.array([[0.0, 0.0]])), [5.0])


def test_returns_to_go_stop_at_episode_ends():
    got = to_go(jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([0, 1, 0, 1]), 0.5)
    np.testing.assert_allclose(got, [2.0, 2.0, 5.0, 4.0])


def test_a_weighted_mean_counts_multiplicities():
    assert policy.weighted_mean(jnp.array([1.0, 3.0]), jnp.array([0.5, 1.5])) == 2.5
