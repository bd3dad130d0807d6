"""MAGIC: a blend of estimates that trust importance weights for some steps and given values after them.

Source: Thomas and Brunskill (arXiv:1604.00923, section 7 and Algorithm 1).
Departures: covariances are of linearised contributions; the quadratic program on the simplex is solved by accelerated
projected gradients, so that the whole estimate compiles.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError
from jaxrl.ope.doubly_robust import doubly_robust
from jaxrl.ope.importance_sampling import cumulative
from jaxrl.ope.intervals import bootstrap
from jaxrl.ope.log import Log, averages, fitting, powers, weighed

ITERATIONS = 2000
"""Steps of the quadratic program's solver."""


class Blend(NamedTuple):
    """value, contributions [N]: as an Estimate's. shares: [J] of the blended estimates, which are parts: [J]."""

    value: Any
    contributions: Any
    shares: Any
    parts: Any


def magic(
    key, log: Log, q, v, discount, *, lengths: tuple[int, ...] = (), resamples: int = 200, confidence: float = 0.9
) -> Blend:
    """The blend of partial estimates with the least estimated squared error.

    q, v: [N, T] values as in `doubly_robust`. lengths: numbers of steps that use importance weights, from 0 (the direct
    method) to T (weighted doubly robust); all where empty. The bias of each is its distance to the bootstrap interval
    of the last. InputError for lengths beyond T, values of another shape, or no behaviour probabilities.
    """
    fitting("magic", log.reward, q=q, v=v)
    steps = log.reward.shape[1]
    chosen = tuple(lengths) or tuple(range(steps + 1))
    if min(chosen) < 0 or max(chosen) > steps:
        raise InputError(f"magic got lengths={chosen}; they must lie between 0 and the log's {steps} steps")
    values, contributions = partial(log, q, v, discount)
    parts, contributions = values[jnp.asarray(chosen)], contributions[:, jnp.asarray(chosen)]
    whole = lambda logs: doubly_robust(logs[0], logs[1], logs[2], discount, weighted=True).value
    low, high = bootstrap(key, whole, (log, q, v), resamples=resamples, confidence=confidence)
    low, high = jnp.minimum(low, values[-1]), jnp.maximum(high, values[-1])
    bias = parts - jnp.clip(parts, low, high)
    centred = contributions - contributions.mean(0, keepdims=True)
    covariance = centred.T @ centred / (len(centred) * max(len(centred) - 1, 1))
    shares = on_simplex(covariance + bias[:, None] * bias[None])
    return Blend((shares * parts).sum(), (shares[None] * contributions).sum(1), shares, parts)


def partial(log: Log, q, v, discount) -> tuple[Float[Array, "J"], Float[Array, "N J"]]:
    """(values, contributions) of estimates that use weights for j = 0, 1, ..., T steps and values from there on."""
    weight = weighed(cumulative(log, "magic"), weighted=True)
    before = jnp.concatenate([jnp.ones_like(weight[:, :1]), weight[:, :-1]], 1)
    scale = powers(discount, log.reward.shape[1])
    gains = averages(weight, log.there * (log.reward - q), weighted=True)
    values = averages(before, log.there * v, weighted=True)
    upto = [jnp.pad(jnp.cumsum(scale * x, 1), ((0, 0), (1, 0))) for x in gains]
    ahead = [jnp.cumsum(jnp.pad(scale * x, ((0, 0), (0, 1))), 1) for x in values]
    mean, each = (x + y for x, y in zip(upto, ahead, strict=True))
    return mean[0], each


def on_simplex(matrix: Float[Array, "J J"]) -> Float[Array, "J"]:
    """The x >= 0 with sum 1 that minimises x' matrix x, for a matrix without negative eigenvalues."""
    size = matrix.shape[0]
    matrix = matrix / jnp.maximum(jnp.trace(matrix), 1e-30)
    rate = 1 / (2 * jnp.maximum(jnp.linalg.eigvalsh(matrix)[-1], 1e-12))

    def step(_, now):
        x, ahead, time = now
        new = _nearest(ahead - rate * 2 * matrix @ ahead)
        later = (1 + jnp.sqrt(1 + 4 * time**2)) / 2
        return new, new + (time - 1) / later * (new - x), later

    even = jnp.full((size,), 1 / size, matrix.dtype)
    return jax.lax.fori_loop(0, ITERATIONS, step, (even, even, jnp.ones((), matrix.dtype)))[0]


def _nearest(x: Float[Array, "J"]) -> Float[Array, "J"]:
    """The nearest point of the simplex."""
    down = -jnp.sort(-x)
    excess = (jnp.cumsum(down) - 1) / jnp.arange(1, x.shape[0] + 1)
    return jnp.maximum(x - excess[jnp.maximum((down > excess).sum() - 1, 0)], 0)


CARD = Procedure(
    "magic",
    "estimator",
    (magic, partial),
    Paper(
        "arXiv:1604.00923",
        "Data-Efficient Off-Policy Policy Evaluation for Reinforcement Learning",
        "Philip S. Thomas and Emma Brunskill",
        2016,
    ),
)
