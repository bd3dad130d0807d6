import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.losses import gaussian_mixture


def clusters(count: int = 200):
    """Two narrow groups of points, a quarter of them in the first."""
    first, second = np.random.default_rng(0).normal(size=(2, count, 2))
    few = count // 4
    return jnp.asarray(np.concatenate([0.05 * first[:few] + 1, 0.1 * second[few:] - 1]), jnp.float32)


def test_density_is_that_of_a_normal():
    factor = jnp.array([[[2.0, 0.0], [1.0, 0.5]]])
    mixture = gaussian_mixture.Mixture(jnp.ones(1), jnp.array([[1.0, -1.0]]), factor)
    point = jnp.array([[0.3, 0.4]])
    exact = jax.scipy.stats.multivariate_normal.logpdf(point[0], mixture.mean[0], factor[0] @ factor[0].T)
    np.testing.assert_allclose(gaussian_mixture.log_joint(mixture, point)[0, 0], exact, rtol=1e-5)


def test_fit_finds_weights_means_and_spreads():
    mixture, likelihood = gaussian_mixture.fit(jax.random.key(0), clusters(), jnp.array([1.0, 1.0, 0.0]))
    order = np.argsort(mixture.mean[:2, 0])
    np.testing.assert_allclose(mixture.weight[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(mixture.mean[order], [[-1, -1], [1, 1]], atol=0.03)
    np.testing.assert_allclose(mixture.factor[order, 0, 0], [0.1, 0.05], rtol=0.2)
    assert mixture.weight[2] == 0 and jnp.isfinite(likelihood)


@pytest.mark.slow
def test_best_takes_as_many_components_as_pay():
    mixture = gaussian_mixture.best(jax.random.key(0), clusters(), 1, 6)
    assert 2 <= (mixture.weight > 0).sum() <= 4
    single = gaussian_mixture.best(jax.random.key(0), jax.random.normal(jax.random.key(1), (400, 2)), 1, 6)
    assert (single.weight > 0).sum() <= 2
