"""Densities against numerical integrals, modes, shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.types import Spec
from jaxrl.networks import critics, heads

ONE = Spec("made up", 3, 1, 10, False, (-1.0,), (1.0,))
CLASSES = Spec("made up", 3, 4, 10, True)


@pytest.mark.parametrize("head", [heads.tanh_gaussian, heads.gaussian])
def test_a_density_integrates_to_one(head):
    pi = head(ONE, width=8)
    params, obs = pi.init(jax.random.key(0)), jnp.array([0.3, -1.0, 2.0])
    edge = 1.0 if head is heads.tanh_gaussian else 8.0
    grid = jnp.linspace(-edge, edge, 20_001)[1:-1, None]
    density = jnp.exp(pi.log_prob(params, jnp.broadcast_to(obs, (len(grid), 3)), grid))
    assert float(density.sum() * (grid[1, 0] - grid[0, 0])) == pytest.approx(1.0, abs=2e-3)


def test_a_proposal_knows_its_own_density():
    pi = heads.tanh_gaussian(ONE, width=8)
    params, obs = pi.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (50, 3))
    action, log_prob = pi.propose(params, jax.random.key(2), obs)
    np.testing.assert_allclose(pi.log_prob(params, obs, action), log_prob, atol=2e-2)


def test_a_categorical_head_sums_to_one_and_its_mode_is_likeliest():
    pi = heads.categorical(CLASSES, width=8)
    params, obs = pi.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (6, 3))
    table = jnp.stack([pi.log_prob(params, obs, jnp.full(6, a)) for a in range(4)])
    np.testing.assert_allclose(jnp.exp(table).sum(0), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(table.argmax(0), pi.mode(params, obs))


@pytest.mark.parametrize("spec", [ONE, CLASSES], ids=["continuous", "discrete"])
def test_critics_have_members_in_front_and_differ(spec):
    q = critics.q(spec, width=8, members=3)
    params = q.init(jax.random.key(0))
    action = jnp.zeros((2, 5), jnp.int32) if spec.discrete else jnp.zeros((2, 5, 1))
    values = q.apply(params, jnp.ones((2, 5, 3)), action)
    assert values.shape == (3, 2, 5) and len(set(np.asarray(values[:, 0, 0]).tolist())) == 3


def test_layer_norm_follows_each_hidden_layer_of_a_normalised_critic():
    params = critics.q(ONE, width=8, depth=2, norm=True).init(jax.random.key(0))
    assert sorted(params) == ["Dense_0", "Dense_1", "Dense_2", "LayerNorm_0", "LayerNorm_1"]
