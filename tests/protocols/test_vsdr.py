import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.protocols import vsdr as cases
from jaxrl.core.check import InputError
from jaxrl.envs.control import pendulum
from jaxrl.networks import heads
from jaxrl.protocols import vsdr

RANDOM = np.random.default_rng(0)


def test_mahalanobis_by_hand():
    """Independent features with deviations 1 and 10: a point at (3, 40) is five deviations away."""
    sim = np.stack(np.meshgrid([-1.0, 1.0], [-10.0, 10.0]), -1).reshape(-1, 2)
    sim = np.tile(sim, (500, 1))
    assert vsdr.mahalanobis(sim, np.array([[3.0, 40.0]])) == pytest.approx(5.0, rel=0.03)
    assert vsdr.mahalanobis(sim, np.array([[0.0, 0.0], [3.0, 40.0]])) == pytest.approx(2.5, rel=0.03)


def test_neighbours_by_brute_force():
    sim, real = RANDOM.normal(0, 1, (60, 3)), RANDOM.normal(2, 1, (20, 3))
    far = lambda row, rows, k: np.sort(np.linalg.norm(rows - row, axis=1))[k]
    usual = np.mean([far(row, sim, 5) for row in sim])
    assert vsdr.neighbours(sim, real, 5) == pytest.approx(np.mean([far(row, sim, 4) for row in real]) / usual)
    with pytest.raises(InputError, match="k is 60, but there are 60 rows"):
        vsdr.neighbours(sim, real, 60)


def test_residual_sees_what_leaves_the_plane():
    plane = np.concatenate([RANDOM.normal(0, 3, (200, 2)), RANDOM.normal(0, 0.1, (200, 1))], 1)
    assert vsdr.residual(plane, plane) == pytest.approx(1.0)
    assert vsdr.residual(plane, 3 * plane * [1, 1, 0]) < 1
    assert vsdr.residual(plane, plane + [0, 0, 1]) > 50


@pytest.mark.parametrize("name", vsdr.DETECTORS)
def test_stranger_data_score_higher(name):
    sim, shift = RANDOM.normal(0, 1, (400, 6)), np.linspace(0, 1, 6)
    found = [vsdr.DETECTORS[name](sim, RANDOM.normal(0, 1, (300, 6)) + size * shift) for size in (0.0, 2.0, 4.0)]
    assert found[0] < found[1] < found[2]


def test_scores_by_hand():
    found = vsdr.vsdr([1.0, 2.0, 3.0], [0.0, 0.0, 3.0], weight=2.0)
    z = np.array([-1, 0, 1]) * 1.5**0.5
    strange = np.array([-1, -1, 2]) / 2**0.5
    np.testing.assert_allclose(found.score, z - 2 * strange)
    np.testing.assert_allclose(vsdr.combined([1, 2, 3], [[0, 0, 3], [0, 0, 900]]).strange, strange)
    np.testing.assert_allclose(vsdr.vsdr([1, 2], [5.0, 5.0]).score, [-1, 1])
    with pytest.raises(InputError, match="at least two"):
        vsdr.vsdr([1.0], [1.0])


def test_agreement_by_hand():
    found = vsdr.agreement([1, 2, 3, 4], [10, 30, 20, 25])
    assert found.spearman == pytest.approx(0.4) and found.kendall == pytest.approx(1 / 3) and found.regret == 5.0


def test_features_are_those_before_the_last_layer():
    """Of the package's own actor: its last layer on our features gives its action."""
    head = heads.deterministic(pendulum().spec, width=8, depth=2)
    params = head.init(jax.random.key(0))
    obs = jax.random.normal(jax.random.key(1), (5, 3))
    features = vsdr.penultimate(params, obs, jax.nn.relu)
    last = params["Dense_2"]
    np.testing.assert_allclose(jnp.tanh(vsdr.dense(last, features)), head.mode(params, obs), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="features need parameters Dense_0"):
        vsdr.penultimate({"log_std": 1, "mean": params}, obs)


def test_strangeness_is_of_each_policys_own_features():
    """Policy 0 looks at the first number and policy 1 at the second; only the second differs in the real data."""
    looks = jnp.eye(2)[:, None]
    sim = RANDOM.normal(0, 1, (2, 300, 2)).astype(np.float32)
    real = (RANDOM.normal(0, 1, (200, 2)) + [0, 5]).astype(np.float32)
    features = lambda own, obs: jnp.concatenate([obs * own, obs**2 * own], -1)
    found = vsdr.strangeness(features, looks, sim, real, "mahalanobis")
    assert found[1] > 3 * found[0]
    with pytest.raises(InputError, match="unknown detector 'odin'"):
        vsdr.strangeness(features, looks, sim, real, "odin")
    with pytest.raises(InputError, match="features of policy 2 are not finite"):
        vsdr.strangeness(features, looks, np.stack([sim[0], np.full_like(sim[1], np.nan)]), real)


@pytest.mark.slow
def test_the_sum_ranks_better_than_its_parts():
    """Twelve policies trained with twelve ranges of light, five splits; thresholds from other seeds in the study."""
    env = cases.camera(jax.random.key(100))
    found = cases.policies(jax.random.key(5), env, 5)
    world = cases.worlds(jax.random.key(6), env, found, 0.75)
    for detector in ("mahalanobis", "neighbours"):
        sim, familiar, both = cases.agreements(found, world, detector)[:, :, 0].mean(0)
        assert both > max(sim, familiar) + 0.1 and both > 0.6
