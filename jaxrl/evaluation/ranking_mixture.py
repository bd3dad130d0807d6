"""A ranking from comparisons over tasks of unknown kinds: each kind has a difficulty and suits some policies better.

A comparison is of a hidden type t, drawn with probability share_t. Policy p succeeds in it with log-odds
ability_p + offset_pt - difficulty_t, both policies independently; it wins where it succeeds and the other fails, and
both succeeding or both failing is a tie. Ability, offset and difficulty have normal priors.

Departures from the paper: success and failure of the tied pairs are hidden variables as well, so that the M step is a
logistic regression with a unique maximum; few types rather than a hundred, chosen by the caller; comparisons that are
known to be of one task may share their type. The offsets' mean over types is counted into the ability, as only priors
tell them apart.

Source: Atreya et al., arXiv:2506.18123 (RoboArena).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import positive
from jaxrl.evaluation.ranking import PRIOR, Comparisons, Ranking, connected, redrawn

OFFSET, DIFFICULTY = 1.0, 2.0
"""Standard deviations of offsets and difficulties beforehand, in log-odds."""
SHARE = 2.0
"""Concentration of the Dirichlet prior of the shares: one comparison of each type more than there are."""


class Parameters(NamedTuple):
    """ability [P], offset [P, T], difficulty [T], share [T] as logarithms."""

    ability: jax.Array
    offset: jax.Array
    difficulty: jax.Array
    share: jax.Array


class Data(NamedTuple):
    """Comparisons as arrays [C]: policies, outcome, task, how often each counts within its task, and each task [G].

    A comparison of an unknown task that is drawn twice is two tasks: `repeat` counts those.
    """

    first: jax.Array
    second: jax.Array
    outcome: jax.Array
    task: jax.Array
    weight: jax.Array
    repeat: jax.Array


class Mixture(NamedTuple):
    """ranking: abilities with their covariance over resamples (nan without). offset: [P, T], their mean over types 0.

    difficulty, share: [T], the most frequent type first. belief: [C, T], the type of each comparison, given all.
    evidence: logarithm of the posterior density at the maximum, less a constant; for each restart.
    """

    ranking: Ranking
    offset: np.ndarray
    difficulty: np.ndarray
    share: np.ndarray
    belief: np.ndarray
    evidence: np.ndarray


def mixture(
    key,
    found: Comparisons,
    *,
    types: int = 3,
    restarts: int = 8,
    iterations: int = 200,
    resamples: int = 0,
    prior: float = PRIOR,
    offset: float = OFFSET,
    difficulty: float = DIFFICULTY,
) -> Mixture:
    """The most probable parameters by expectation maximisation, the best of `restarts` random starts.

    prior, offset, difficulty: standard deviations beforehand. resamples: bootstrap resamples of sessions for the
    covariance of abilities, each fitted from the solution. Raises InputError where policies were never compared.
    """
    connected(found)
    for what, value in (("types", types), ("restarts", restarts), ("iterations", iterations)):
        positive(what, value)
    k_start, k_draw = jax.random.split(key)
    scales = (float(prior), float(offset), float(difficulty))
    with jax.enable_x64(True):
        data = arrays(found)
        sizes = {"policies": len(found.names), "types": types, "restarts": restarts, "iterations": iterations}
        best, *answers = _solved(k_start, data, scales, **sizes)
        shown, belief, evidence = jax.tree.map(np.asarray, tuple(answers))
        covariance = np.full((len(found.names),) * 2, np.nan)
        if resamples:
            again = _resampled(best, data, *_redrawn(k_draw, found, resamples), scales, iterations // 2)
            covariance = np.atleast_2d(np.cov(np.asarray(again), rowvar=False))
    order = np.argsort(-shown.share, kind="stable")
    ranking = Ranking(found.names, shown.ability, covariance, float("nan"), "mixture")
    ordered = (shown.offset[:, order], shown.difficulty[order], np.exp(shown.share[order]), belief[:, order])
    return Mixture(ranking, *ordered, evidence)


def arrays(found: Comparisons) -> Data:
    """Comparisons as they are fitted, each counting once."""
    numbers = found.first, found.second, found.outcome, found.task
    return Data(*numbers, np.ones(len(found.first)), np.ones(int(found.task.max()) + 1))


def fresh(key, policies: int, types: int) -> Parameters:
    """A random start: offsets tell the types apart."""
    k_ability, k_offset, k_difficulty = jax.random.split(key, 3)
    return Parameters(
        0.1 * jax.random.normal(k_ability, (policies,)),
        jax.random.normal(k_offset, (policies, types)),
        jax.random.normal(k_difficulty, (types,)),
        jnp.full(types, -jnp.log(types)),
    )


def reported(found: Parameters) -> Parameters:
    """The same model with abilities that sum to zero and offsets whose mean over types is zero."""
    mean = (found.offset * jnp.exp(found.share)[None]).sum(1)
    ability = found.ability + mean
    return Parameters(
        ability - ability.mean(), found.offset - mean[:, None], found.difficulty - ability.mean(), found.share
    )


def odds(found: Parameters) -> jax.Array:
    """Log-odds of each policy's success in each type: [P, T]."""
    return found.ability[:, None] + found.offset - found.difficulty[None]


def likelihood(first: jax.Array, second: jax.Array, outcome: jax.Array) -> jax.Array:
    """Logarithm of the probability of outcomes, from log-odds of both policies' success; all of one shape."""
    win, loss = (jax.nn.log_sigmoid(a) + jax.nn.log_sigmoid(-b) for a, b in ((first, second), (second, first)))
    both, none = (jax.nn.log_sigmoid(s * first) + jax.nn.log_sigmoid(s * second) for s in (1, -1))
    return jnp.where(outcome == 1, win, jnp.where(outcome == 0, loss, jnp.logaddexp(both, none)))


def expected(found: Parameters, data: Data):
    """The E step: (belief in each task's type [G, T], log evidence of the tasks [G], successes of both [C, T] each)."""
    table = odds(found)
    first, second = table[data.first], table[data.second]
    outcome = jnp.broadcast_to(data.outcome[:, None], first.shape)
    each = likelihood(first, second, outcome) * data.weight[:, None]
    tasks = jax.ops.segment_sum(each, data.task, data.repeat.shape[0]) + found.share[None]
    evidence = jax.nn.logsumexp(tasks, axis=1)
    both = jax.nn.sigmoid(first + second)
    # A tie is two successes with odds exp(a + b), or two failures.
    successes = (jnp.where(outcome == 0.5, both, outcome), jnp.where(outcome == 0.5, both, 1 - outcome))
    return jnp.exp(tasks - evidence[:, None]), evidence, successes


def density(found: Parameters, data: Data, scales) -> jax.Array:
    """Logarithm of the posterior density, less a constant."""
    prior, offset, difficulty = scales
    penalty = (found.ability**2).sum() / prior**2 + (found.offset**2).sum() / offset**2
    penalty = penalty + (found.difficulty**2).sum() / difficulty**2
    return (expected(found, data)[1] * data.repeat).sum() - penalty / 2 + (SHARE - 1) * found.share.sum()


def improved(found: Parameters, data: Data, scales) -> Parameters:
    """One round: the E step, then conditional maximisation over (abilities, offsets) and over difficulties."""
    belief, _, (one, two) = expected(found, data)
    part = (belief * data.repeat[:, None])[data.task] * data.weight[:, None]
    sums = lambda left, right: (
        jax.ops.segment_sum(left, data.first, found.ability.shape[0])
        + jax.ops.segment_sum(right, data.second, found.ability.shape[0])
    )
    tried, succeeded = sums(part, part), sums(part * one, part * two)
    found = _difficulties(_abilities(found, tried, succeeded, scales), tried, succeeded, scales)
    types = (belief * data.repeat[:, None]).sum(0) + SHARE - 1
    return found._replace(share=jnp.log(types / types.sum()))


def _abilities(found: Parameters, tried, succeeded, scales) -> Parameters:
    """Newton's step of each policy's ability and offsets together: their curvature is an arrow, solved by hand."""
    prior, offset, _ = scales
    chance = jax.nn.sigmoid(odds(found))
    slope, curve = succeeded - tried * chance, tried * chance * (1 - chance)
    of_offset, of_ability = slope - found.offset / offset**2, slope.sum(1) - found.ability / prior**2
    steep = curve + offset**-2
    rest = curve.sum(1) + prior**-2 - (curve**2 / steep).sum(1)
    step = _held((of_ability - (curve * of_offset / steep).sum(1)) / rest)
    return found._replace(
        ability=found.ability + step, offset=found.offset + _held((of_offset - curve * step[:, None]) / steep)
    )


def _difficulties(found: Parameters, tried, succeeded, scales) -> Parameters:
    """Newton's step of each type's difficulty."""
    chance = jax.nn.sigmoid(odds(found))
    slope = (tried * chance - succeeded).sum(0) - found.difficulty / scales[2] ** 2
    curve = (tried * chance * (1 - chance)).sum(0) + scales[2] ** -2
    return found._replace(difficulty=found.difficulty + _held(slope / curve))


def _held(step):
    """Steps of at most 1."""
    return jnp.clip(step, -1.0, 1.0)


def _maximum(start: Parameters, data: Data, scales, iterations: int) -> Parameters:
    return jax.lax.fori_loop(0, iterations, lambda _, found: improved(found, data, scales), start)


@functools.partial(jax.jit, static_argnames=("policies", "types", "restarts", "iterations"))
def _solved(key, data: Data, scales, *, policies: int, types: int, restarts: int, iterations: int):
    """(the best solution, the same as reported, beliefs [C, T], log densities of all solutions [restarts])."""
    starts = jax.vmap(lambda one: fresh(one, policies, types))(jax.random.split(key, restarts))
    many = jax.vmap(lambda start: _maximum(start, data, scales, iterations))(starts)
    evidence = jax.vmap(lambda one: density(one, data, scales))(many)
    best = jax.tree.map(lambda leaf: leaf[jnp.argmax(evidence)], many)
    return best, reported(best), expected(best, data)[0][data.task], evidence


@functools.partial(jax.jit, static_argnames="iterations")
def _resampled(start: Parameters, data: Data, weight, repeat, scales, iterations: int) -> jax.Array:
    """Abilities [R, P] for other weights [R, C] and repeats [R, G], all from one start."""
    one = lambda w, r: _maximum(start, data._replace(weight=w, repeat=r), scales, iterations)
    return jax.vmap(lambda w, r: reported(one(w, r)).ability)(weight, repeat)


def _redrawn(key, found: Comparisons, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [R, C] and repeats [R, G] of resamples: where each comparison is a task, tasks are repeated instead."""
    times = redrawn(key, found, resamples)
    tasks = int(found.task.max()) + 1
    if tasks == len(found.task):
        repeat = np.zeros_like(times)
        repeat[:, found.task] = times
        return np.ones_like(times), repeat
    return times, np.ones((resamples, tasks))
