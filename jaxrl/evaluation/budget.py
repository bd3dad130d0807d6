"""What tuning brings for a number of evaluations in the environment: expected best of n settings, and a bandit.

Sources: Kurenkov and Kolesnikov (arXiv:2110.04156), expected online performance, as the paper of ReBRAC uses it
(arXiv:2305.09836, table 9); Jackson and others (arXiv:2504.11453), the bandit over trained policies.
Departures of the bandit from its authors' code: equal bounds go to the arm that comes first in the subset's random
order, where they draw again at every pull; an arm that was never pulled is not believed to be the best, where theirs
counts as 0, more than any negative return; the interval is Student's of the mean over subsets, where theirs is a
bootstrap of it; too few policies are refused, where theirs take what there is.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrl.core.check import InputError, known, positive
from jaxrl.evaluation import aggregate, faults
from jaxrl.evaluation.checkpoints import slope
from jaxrl.evaluation.runs import Run, complete, runs, sound
from jaxrl.evaluation.scores import Score

POLICIES, PULLS, REPEATS, ALPHA = 20, 200, 1000, 2.0
"""The authors' settings: arms of a trial, evaluations, trials, and weight of the exploration bonus."""
QUANTILES = 100
"""Episodes that stand for a row of which only mean and spread are known."""


class Bandit(NamedTuple):
    """What is believed best after each pull, T of them.

    mean, low, high: [T], of its true score over the trials, with the mean's 95 % interval. trials: [R, T]. best: the
    mean over trials of the best arm's true score, which no choice can exceed.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    trials: np.ndarray
    best: float


class Arms(NamedTuple):
    """Trained policies of a card on a task. names: [K], settings and seed; scores: [K, E], one an episode."""

    names: tuple[str, ...]
    scores: np.ndarray


def expected_best(scores, counts: Sequence[int]) -> np.ndarray:
    """Expected largest of n scores drawn with replacement: [..., N] -> [..., counts].

    The sum of sorted scores x_i times (i/N)^n - ((i-1)/N)^n, exact. scores: the true score of each of N settings, in
    practice a mean over many episodes and seeds: of noisy ones the largest flatters, see `checkpoints.optimism`.
    Raises InputError for scores that are not finite, none, and counts that are no whole numbers of at least 1.
    """
    scores = np.sort(np.asarray(scores, np.float64), axis=-1)
    if not scores.size or not np.isfinite(scores).all():
        raise InputError(
            f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores of settings are not finite; "
            "give each setting a score, a low one where it diverged"
        )
    draws = np.array([positive("counts", count) for count in counts])
    below = (np.arange(scores.shape[-1] + 1) / scores.shape[-1])[:, None] ** draws
    return scores @ np.diff(below, axis=0)


def bandit(
    key, scores, *, policies: int | None = None, pulls: int = PULLS, repeats: int = REPEATS, alpha: float = ALPHA
) -> Bandit:
    """A bandit looks for the best of trained policies, an episode at a time: scores [K, E] of K policies' episodes.

    Each of `repeats` trials takes `policies` of them (default 20, or all), as if only those had been trained, and pulls
    the one with the largest mean + sqrt(alpha log t / n), those never pulled first; a pull draws one of the episodes
    again. After each pull the policy with the largest mean so far is the one believed best; its true score is the mean
    of all its episodes. The bonus is in the scores' units: alpha = 2 is meant for normalized scores of 0 to 100.
    One compiled program for all trials. Raises InputError for scores that are not finite and counts out of range.
    """
    scores = np.asarray(scores, np.float32)
    if scores.ndim != 2 or not scores.size or not np.isfinite(scores).all():
        raise InputError(f"scores have shape {scores.shape}; give [policies, episodes], all of them finite")
    size = min(POLICIES, len(scores)) if policies is None else positive("policies", policies)
    if size > len(scores):
        raise InputError(f"policies is {size}, but there are scores of {len(scores)}; give at most that many")
    keys = jax.random.split(key, positive("repeats", repeats))
    trials, best = jax.tree.map(np.asarray, _trials(keys, scores, alpha, size, positive("pulls", pulls)))
    trials = trials.astype(np.float64)
    return Bandit(trials.mean(0), *aggregate.mean_interval(trials), trials, float(best.mean()))


@functools.partial(jax.jit, static_argnames=("size", "pulls"))
def _trials(keys, scores: Float[Array, "K E"], alpha, size: int, pulls: int):
    """(true score of what is believed best [R, T], of what is best [R])."""

    def trial(key):
        chosen = scores[jax.random.permutation(jax.random.fold_in(key, pulls), len(scores))[:size]]
        true = chosen.mean(1)

        def pull(carry, time):
            counts, sums = carry
            bonus = jnp.sqrt(alpha * jnp.log(time + 1.0) / jnp.maximum(counts, 1))
            bound = jnp.where(counts > 0, sums / jnp.maximum(counts, 1) + bonus, jnp.inf)
            arm = bound.argmax()
            gain = jax.random.choice(jax.random.fold_in(key, time), chosen[arm])
            counts, sums = counts.at[arm].add(1), sums.at[arm].add(gain)
            believed = jnp.where(counts > 0, sums / jnp.maximum(counts, 1), -jnp.inf).argmax()
            return (counts, sums), true[believed]

        start = jnp.zeros(size), jnp.zeros(size)
        return jax.lax.scan(pull, start, jnp.arange(pulls))[1], true.max()

    return jax.vmap(trial)(keys)


def settings_of(
    rows: Iterable[Score], card: str, task: str, *, lost: float | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """(settings, their scores [N]) of a card on a task: means over seeds of the last checkpoints, for `expected_best`.

    lost: the score of a run that diverged. Raises InputError for an unknown card or task, rows at fault, a row without
    a score, and diverged runs where no `lost` is given.
    """
    found: dict[str, list[float]] = {}
    for run in _of(rows, card, task, lost):
        found.setdefault(run.key[3], []).append(_score(run.last, lost))
    return tuple(found), np.array([np.mean(scores) for scores in found.values()])


def arms_of(rows: Iterable[Score], card: str, task: str, *, lost: float | None = None) -> Arms:
    """Every trained policy of a card on a task as an arm of `bandit`: its settings and seed at the last checkpoint.

    A row keeps mean and spread of its episodes only: 100 normal quantiles with both stand for them. Where single
    episodes are known, as in a sweep's `episode_returns` [H, K, C, E], give them to `bandit` themselves. `lost` and
    errors: as `settings_of`.
    """
    from scipy.special import ndtri

    found = _of(rows, card, task, lost)
    scale = slope([run.last for run in found], lambda row: row.score)
    normal = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
    normal /= normal.std()
    spreads = [run.last.return_std * scale if sound(run.last) and run.last.return_std else 0.0 for run in found]
    if not np.isfinite(spreads).all():
        raise InputError(f"all policies of {card} on {task} have one score; there is nothing to choose")
    scores = np.array([_score(run.last, lost) for run in found])
    names = tuple(f"{run.key[3]} seed {run.key[4]}".strip() for run in found)
    return Arms(names, scores[:, None] + np.array(spreads)[:, None] * normal)


def _of(rows: Iterable[Score], card: str, task: str, lost: float | None) -> list[Run]:
    """Runs of a card on a task; InputError where they cannot be used."""
    rows = list(rows)
    known("card", card, {row.card for row in rows})
    known("task", task, {row.task for row in rows if row.card == card})
    rows = [row for row in rows if (row.card, row.task) == (card, task)]
    wrong = faults.find(rows)
    if wrong.cells or wrong.columns:
        raise InputError(f"{card} on {task}: {wrong.notes[0]}")
    found, _ = complete(runs(rows))
    broken = [run for run in found if not sound(run.last)]
    if broken and lost is None:
        raise InputError(f"{len(broken)} runs of {card} on {task} diverged; say with lost= what score they count as")
    if any(run.last.score is None for run in found if sound(run.last)):
        raise InputError(f"{card} on {task} has no normalized score; name a task with reference returns")
    return found


def _score(row: Score, lost: float | None) -> float:
    score = row.score if sound(row) else lost
    assert score is not None, "`_of` let no such row through"
    return score
