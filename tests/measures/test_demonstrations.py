"""Diversity of demonstrations under controlled noise, and its parts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import reactive
from jaxrl.data.dataset import check, from_arrays
from jaxrl.envs import small
from jaxrl.measures import demonstrations, rolled
from tests import made

SIGMA = 0.1


def expert(slow: float = 0.5):
    """Brings the point mass to the middle, gently."""
    return reactive(lambda key, obs: -slow * obs[..., :2] - 0.5 * obs[..., 2:])


def noise(**kinds):
    """(noise of actions, noise of transitions) as measured in twenty demonstrations."""
    data = check(rolled.demonstrate(jax.random.key(1), small.point_mass(), expert(), 20, **kinds))
    obs = np.asarray(data.steps.obs)
    states = demonstrations.clusters(jax.random.key(2), obs)
    pairs = demonstrations.clusters(jax.random.key(3), np.concatenate([obs, data.steps.action], 1))
    return (
        demonstrations.action_variance(data, states, linear=True),
        demonstrations.transition_diversity(data, pairs, linear=True),
    )


def test_noise_of_the_system_is_in_the_transitions_alone():
    actions, transitions = noise(system=SIGMA)
    # A push changes the velocity by force x dt = 0.2 of it, and the position by dt times that.
    assert transitions == pytest.approx(SIGMA**2 * 0.2**2 * (1 + 0.1**2) / 2, rel=0.1)
    assert actions < 1e-3 * SIGMA**2


def test_noise_of_the_demonstrator_is_in_the_actions_alone():
    actions, transitions = noise(policy=SIGMA)
    assert actions == pytest.approx(SIGMA**2, rel=0.1)
    assert transitions < 1e-9


def test_divergence_from_the_expert():
    env, key = small.point_mass(), jax.random.key(0)
    assert rolled.action_divergence(key, env, expert(), expert(), 4) == 0
    shifted = reactive(lambda key, obs: expert().act(key, rolled.first_steps(obs), ())[0] + jnp.array([0.3, 0.4]))
    assert rolled.action_divergence(key, env, shifted, expert(), 4) == pytest.approx(0.25, rel=1e-4)


def test_variance_within_clusters_by_hand():
    values, label = np.array([[0.0], [2.0], [10.0], [10.0], [13.0]]), np.array([0, 0, 1, 1, 1])
    # Squares 1 + 1 and 1 + 1 + 4, over five rows less two means.
    np.testing.assert_allclose(demonstrations.variance_within(values, label), [8 / 3])


def test_a_line_is_no_noise():
    draw = np.random.default_rng(0)
    features, label = draw.normal(size=(400, 3)), np.repeat([1, 0, 2, 3], 100)
    slopes = draw.normal(size=(4, 3))
    values = np.einsum("nf,nf->n", features, slopes[label])[:, None]
    assert demonstrations.variance_within(values, label, features) < 1e-12
    noisy = values + draw.normal(size=values.shape)
    assert demonstrations.variance_within(noisy, label, features)[0] == pytest.approx(1, rel=0.15)
    assert demonstrations.variance_within(noisy, label)[0] > 2


def test_clusters_of_far_groups_do_not_mix():
    groups = np.repeat(np.arange(4), 50)
    rows = np.random.default_rng(0).normal(size=(200, 2)) * 0.01 + groups[:, None] * np.array([1, -7])
    found = demonstrations.clusters(jax.random.key(0), rows)
    assert len(found) == 200 and len(np.unique(found)) <= 4
    assert demonstrations.variance_within(rows, found).max() < rows.var()


def test_classes_differ_as_often_as_two_draws():
    data = from_arrays(made.arrays(episodes=10, action=2, discrete=True))
    share = np.bincount(data.steps.action) / 200
    found = demonstrations.action_variance(data, np.zeros(200, int))
    assert found == pytest.approx(2 * share[0] * share[1] * 200 / 199)


def test_near_states_are_counted_exactly():
    rows = np.random.default_rng(0).normal(size=(300, 2))
    scaled = (rows - rows.mean(0)) / rows.std(0)
    apart = np.sqrt(np.square(scaled[:, None] - scaled[None]).mean(-1))
    expected = ((apart <= 0.1).sum() - 300) / (300 * 299)
    assert demonstrations.state_similarity(rows) == pytest.approx(expected)
    assert demonstrations.state_similarity(np.ones((5, 2))) == 1


def test_too_few_steps_are_refused():
    with pytest.raises(InputError, match="2 steps are too few"):
        demonstrations.variance_within(np.ones((2, 1)), np.arange(2))
    with pytest.raises(InputError, match="similarity of 1 states"):
        demonstrations.state_similarity(np.ones((1, 2)))
