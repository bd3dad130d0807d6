"""VSDR: which of several policies trained in simulation to take to the real system, without running them there.

Validate on sim, detect on real: the return in simulation less how foreign a fixed set of real observations looks to the
policy's own features, both standardised over the policies. Return alone favours a policy that knows nothing but its
simulator; familiarity alone favours one that ignores its inputs.

A detector is a function (features in the policy's own simulator [N, F], features of real data [M, F]) -> a number that
is higher for stranger data.

Source: Leibovich et al., arXiv:2111.00765. Its detectors are of image networks; ours are Mahalanobis distance as there
(without classes), distances to neighbours (Sun et al., arXiv:2204.06507) and what principal directions leave over.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, known, positive

RIDGE = 1e-3
"""Added to each variance of the features, as a share of their mean variance: some directions are never used."""
MOST = 1_000
"""Rows that distances between pairs are computed from: evenly spaced ones, where there are more."""

Detector = Callable[[np.ndarray, np.ndarray], float]


class Selection(NamedTuple):
    """Scores of P policies, [P] each: score = sim - weight strange, both standardised over the policies."""

    score: np.ndarray
    sim: np.ndarray
    strange: np.ndarray


class Agreement(NamedTuple):
    """How well scores rank by true returns: correlations of ranks, and what the top-scored policy lacks to the best."""

    spearman: float
    kendall: float
    regret: float


def penultimate(params, obs, activation: Callable = jnp.tanh):
    """What the last layer of a multilayer perceptron sees: obs [..., D] -> [..., F].

    params: a tree with `Dense_0`, `Dense_1`, ..., as actors here have (of PPO's, the part `mean`; its observations as
    standardised by the learner). Raises InputError for another tree.
    """
    layers = sorted((name for name in params if name.startswith("Dense_")), key=lambda name: int(name[6:]))
    if len(layers) < 2 or len(layers) != len(params):
        raise InputError(f"features need parameters Dense_0, Dense_1, ...; these are {', '.join(sorted(params))}")
    for name in layers[:-1]:
        obs = activation(dense(params[name], obs))
    return obs


def dense(layer, x):
    """x [..., D] @ kernel [D, F] + bias."""
    return x @ layer["kernel"] + layer["bias"].reshape((1,) * (x.ndim - 1) + (-1,))


def mahalanobis(sim: np.ndarray, real: np.ndarray) -> float:
    """Mean Mahalanobis distance of real features from the mean of those in simulation."""
    centre, covariance = sim.mean(0), np.atleast_2d(np.cov(sim, rowvar=False))
    covariance = covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    gap = real - centre
    return float(np.sqrt(np.maximum((gap * np.linalg.solve(covariance, gap.T).T).sum(1), 0.0)).mean())


def neighbours(sim: np.ndarray, real: np.ndarray, k: int = 10) -> float:
    """Mean distance to the k-th nearest features in simulation, relative to what is usual there."""
    sim, real = thinned(sim), thinned(real)
    if positive("k", k) >= len(sim):
        raise InputError(f"k is {k}, but there are {len(sim)} rows of features in simulation; take a smaller k")
    usual = np.partition(_distances(sim, sim), k, axis=1)[:, k].mean()
    return float(np.partition(_distances(real, sim), k - 1, axis=1)[:, k - 1].mean() / np.maximum(usual, 1e-12))


def residual(sim: np.ndarray, real: np.ndarray, share: float = 0.95) -> float:
    """Mean squared length outside the principal directions with that share of the variance, relative to simulation."""
    centre = sim.mean(0)
    _, scale, directions = np.linalg.svd(sim - centre, full_matrices=False)
    upto = np.cumsum(scale**2) / np.maximum((scale**2).sum(), 1e-30)
    kept = directions[: int(np.searchsorted(upto, share) + 1)]
    left = [(((x - centre) - (x - centre) @ kept.T @ kept) ** 2).sum(1).mean() for x in (real, sim)]
    return float(left[0] / np.maximum(left[1], 1e-12))


DETECTORS = MappingProxyType({"mahalanobis": mahalanobis, "neighbours": neighbours, "residual": residual})


def thinned(rows: np.ndarray, most: int = MOST) -> np.ndarray:
    """At most that many rows, evenly spaced."""
    return rows[:: -(-len(rows) // most)]


def _distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Euclidean distances [N, M]."""
    squares = (one**2).sum(1)[:, None] + (two**2).sum(1) - 2 * one @ two.T
    return np.sqrt(np.maximum(squares, 0.0))


def strangeness(
    features: Callable, policies, sim_obs, real_obs, detector: str | Detector = "mahalanobis"
) -> np.ndarray:
    """How foreign real data is to each policy: [P].

    features(params, obs [..., D]) -> [..., F]; policies: params with leaves [P, ...]; sim_obs: [P, N, D], seen by each
    policy in its own simulator; real_obs: [M, D], the same for all. Raises InputError for an unknown detector, and for
    features that are not finite.
    """
    detect = DETECTORS[known("detector", detector, DETECTORS)] if isinstance(detector, str) else detector
    both = jax.vmap(lambda own, seen: (features(own, seen), features(own, real_obs)))(policies, sim_obs)
    sim, real = (np.asarray(x, np.float64) for x in both)
    wrong = np.flatnonzero(~np.isfinite(sim).all((1, 2)) | ~np.isfinite(real).all((1, 2)))
    if wrong.size:
        raise InputError(f"features of policy {wrong[0] + 1} are not finite; leave diverged policies out")
    return np.array([detect(one, two) for one, two in zip(sim, real, strict=True)])


def standardised(values) -> np.ndarray:
    """Values [P] with mean 0 and deviation 1; zeros where all are equal."""
    values = np.asarray(values, np.float64)
    spread = values.std()
    centred = values - values.mean()
    return centred / spread if spread > 1e-12 * np.maximum(np.abs(values).max(), 1e-30) else np.zeros_like(centred)


def vsdr(returns, strange, weight: float = 1.0) -> Selection:
    """Scores of policies from their returns in simulation [P] and the strangeness of real data to them [P].

    Raises InputError for lists that do not fit or fewer than two policies.
    """
    returns, strange = np.asarray(returns, np.float64), np.asarray(strange, np.float64)
    if returns.shape != strange.shape or returns.ndim != 1 or len(returns) < 2:
        raise InputError(
            f"returns are {list(returns.shape)}, strangeness {list(strange.shape)}; give both [policies], at least two"
        )
    sim, foreign = standardised(returns), standardised(strange)
    return Selection(sim - weight * foreign, sim, foreign)


def combined(returns, detectors: Sequence, weight: float = 1.0) -> Selection:
    """The same with several detectors' strangeness [P] each: their standardised values are averaged."""
    return vsdr(returns, np.mean([standardised(one) for one in detectors], 0), weight)


def agreement(score, real) -> Agreement:
    """Of scores [P] with true returns [P], both higher for better."""
    from scipy.stats import kendalltau, spearmanr

    score, real = np.asarray(score, np.float64), np.asarray(real, np.float64)
    regret = float(real.max() - real[score.argmax()])
    return Agreement(float(spearmanr(score, real).statistic), float(kendalltau(score, real).statistic), regret)
