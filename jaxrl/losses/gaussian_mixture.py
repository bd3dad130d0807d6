"""Mixtures of Gaussians with full covariances, by expectation maximisation of fixed shape."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Mixture(NamedTuple):
    """weight: [K], zero for components not in use; mean: [K, D]; factor: [K, D, D], Cholesky factor of covariances."""

    weight: Array
    mean: Array
    factor: Array


def log_joint(mixture: Mixture, points: Float[Array, "B D"]) -> Float[Array, "B K"]:
    """Logarithm of weight times density of each component at each point."""

    def one(weight, mean, factor):
        whitened = jax.scipy.linalg.solve_triangular(factor, (points - mean[None]).T, lower=True)
        scale = jnp.log(jnp.diagonal(factor)).sum() + 0.5 * len(mean) * jnp.log(2 * jnp.pi)
        return jnp.log(weight) - 0.5 * jnp.square(whitened).sum(axis=0) - scale

    return jax.vmap(one, out_axes=1)(*mixture)


def _maximise(points, share: Float[Array, "B K"], ridge) -> Mixture:
    total = share.sum(axis=0)
    mean = share.T @ points / jnp.maximum(total, 1e-10)[:, None]

    def factor(mean, own, size):
        off = points - mean[None]
        return jnp.linalg.cholesky((own * off.T) @ off / jnp.maximum(size, 1e-10) + ridge * jnp.eye(len(mean)))

    spread = jax.vmap(lambda m, own, size: factor(m, own[None], size), in_axes=(0, 1, 0))(mean, share, total)
    return Mixture(total / len(points), mean, spread)


def _clustered(key, points, used: Float[Array, "K"], iterations: int):
    """One-hot shares [B, K] by k-means, from points drawn in proportion to their squared distance to those before."""

    def choose(i, carry):
        centres, nearest = carry
        pick = jax.random.categorical(jax.random.fold_in(key, i), jnp.log(nearest + 1e-12))
        away = jnp.square(points - points[pick][None]).sum(axis=1)
        return centres.at[i].set(points[pick]), jnp.minimum(nearest, away)

    blank = jnp.zeros((len(used), points.shape[1]))
    centres, _ = jax.lax.fori_loop(0, len(used), choose, (blank, jnp.ones(len(points))))
    unused = jnp.where(used > 0, 0.0, jnp.inf)[None]

    def shares(centres):
        away = jnp.square(points[:, None] - centres[None]).sum(axis=2) + unused
        return jax.nn.one_hot(away.argmin(axis=1), len(used))

    def settle(_, centres):
        own = shares(centres)
        size = own.sum(axis=0)[:, None]
        return jnp.where(size > 0, own.T @ points / jnp.maximum(size, 1), centres)

    return shares(jax.lax.fori_loop(0, iterations, settle, centres))


def fit(
    key, points: Float[Array, "B D"], used: Float[Array, "K"], iterations: int = 100, ridge: float = 1e-6,
    tolerance: float = 1e-3,
):  # fmt: skip
    """(mixture, log-likelihood of all points), with the components where `used` is 1.

    Begins from k-means; stops improving once a step gains less than `tolerance` per point, before it collapses onto
    single points; `ridge` is added to every covariance's diagonal.
    """

    def step(_, now):
        mixture, likelihood, going = now
        better = _maximise(points, jax.nn.softmax(log_joint(mixture, points), axis=1) * used[None], ridge)
        gained = jax.nn.logsumexp(log_joint(better, points), axis=1).sum()
        mixture = jax.tree.map(lambda new, old: jnp.where(going, new, old), better, mixture)
        more = gained - likelihood >= tolerance * len(points)
        return mixture, jnp.where(going, gained, likelihood), going & more

    start = _maximise(points, _clustered(key, points, used, 10), ridge)
    first = jax.nn.logsumexp(log_joint(start, points), axis=1).sum()
    return jax.lax.fori_loop(0, iterations, step, (start, first, jnp.bool_(True)))[:2]


def best(key, points: Float[Array, "B D"], least: int, most: int, iterations: int = 100) -> Mixture:
    """The mixture of `least` to `most` components with the lowest Akaike criterion, 2 parameters - 2 log-likelihood."""
    counts = jnp.arange(least, most + 1)
    used = (jnp.arange(most)[None] < counts[:, None]).astype(points.dtype)
    keys = jax.random.split(key, len(counts))
    mixtures, likelihood = jax.vmap(lambda key, used: fit(key, points, used, iterations))(keys, used)
    size = points.shape[1]
    criterion = 2 * (counts * (1 + size + size * (size + 1) / 2) - 1) - 2 * likelihood
    pick = jnp.where(jnp.isfinite(criterion), criterion, jnp.inf).argmin()
    return jax.tree.map(lambda x: x[pick], mixtures)
