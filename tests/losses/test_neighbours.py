"""Nearest neighbours against brute force in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.losses import neighbours


def brute_force(queries, rows, weights=1.0):
    """Squared distances [B, N] in float64."""
    queries, rows = np.asarray(queries, np.float64), np.asarray(rows, np.float64)
    return np.stack([(weights * (rows - query) ** 2).sum(-1) for query in queries])


@pytest.mark.parametrize("count", [1, 63, 64, 65, 5_000, 40_000])
def test_a_thousand_queries_find_what_brute_force_finds(count):
    k_rows, k_queries = jax.random.split(jax.random.key(count))
    rows, queries = jax.random.normal(k_rows, (count, 7)), jax.random.normal(k_queries, (1_000, 7))
    found = jax.jit(neighbours.nearest)(queries, neighbours.bank(rows))
    np.testing.assert_array_equal(found, brute_force(queries, rows).argmin(-1))


def test_weights_scale_the_dimensions():
    k_rows, k_queries = jax.random.split(jax.random.key(0))
    rows, queries = jax.random.normal(k_rows, (3_000, 5)), jax.random.normal(k_queries, (200, 5))
    weights = jnp.array([4.0, 4.0, 4.0, 1.0, 0.0])
    found = neighbours.nearest(queries, neighbours.bank(rows), weights)
    np.testing.assert_array_equal(found, brute_force(queries, rows, np.asarray(weights)).argmin(-1))


def test_rows_close_to_each_other_and_far_from_their_mean_keep_their_digits():
    """Two clusters 1,000 apart whose rows differ by 0.01: |b|^2 - 2 q.b alone is off by about 0.06."""
    k_rows, k_queries = jax.random.split(jax.random.key(1))
    side = jnp.where(jnp.arange(4_000) % 2 == 0, 500.0, -500.0)[:, None]
    rows = side + 0.01 * jax.random.normal(k_rows, (4_000, 3))
    queries = side[:300] + 0.01 * jax.random.normal(k_queries, (300, 3))
    distance = brute_force(queries, rows)
    found = neighbours.nearest(queries, neighbours.bank(rows))
    np.testing.assert_array_equal(found, distance.argmin(-1))


def test_a_row_finds_itself_and_members_share_the_bank():
    rows = jax.random.normal(jax.random.key(2), (700, 4))
    bank = neighbours.bank(rows)
    np.testing.assert_array_equal(neighbours.nearest(rows, bank), np.arange(700))
    scales = jnp.array([[1.0] * 4, [9.0, 1.0, 1.0, 0.0]])
    many = jax.vmap(neighbours.nearest, (None, None, 0))(rows[:50] + 0.3, bank, scales)
    one = neighbours.nearest(rows[:50] + 0.3, bank, scales[1])
    np.testing.assert_array_equal(many[1], one)


def test_it_carries_no_gradient():
    rows = jax.random.normal(jax.random.key(3), (100, 2))
    bank = neighbours.bank(rows)
    slope = jax.grad(lambda query: rows[neighbours.nearest(query, bank)].sum())(rows[:5] + 0.1)
    np.testing.assert_array_equal(slope, 0.0)
