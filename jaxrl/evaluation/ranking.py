"""Ranking policies from pairwise, double-blind comparisons: abilities with standard errors, and whom to compare next.

Both models are multinomial logits whose posterior is concave, so Newton's steps from zero find its only maximum. A
normal prior keeps abilities finite where a policy won all its comparisons, and makes them sum to zero.

Sources: Atreya et al., arXiv:2506.18123 (RoboArena: comparisons in place of fixed tasks; the mixture of its section on
ranking is in `ranking_mixture`); Bradley and Terry 1952; Davidson 1970 (ties); Li et al., arXiv:2405.05941 (MMRV).
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError, positive
from jaxrl.evaluation.runs import complete, labels, runs, sound
from jaxrl.evaluation.scores import Score

STEPS = 50
"""Newton's steps; from zero some eight are needed."""
PRIOR = 1.0
"""Standard deviation of abilities beforehand, in log-odds."""
TIE_PRIOR = 2.0
"""Standard deviation beforehand of the logarithm of Davidson's tie parameter."""
LOST = -1e300
"""What a diverged run scored."""


class Comparisons(NamedTuple):
    """Which of two policies was better, again and again. names: of the policies [P].

    first, second: [C] indices into names. outcome: [C], 1 where the first was better, 0 where the second was, 0.5 for a
    tie. session: [C], comparisons of one session depend on one another and are drawn again together in a bootstrap.
    task: [C], comparisons with one number are known to be of the same task; all different where nothing is known.
    """

    names: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    outcome: np.ndarray
    session: np.ndarray
    task: np.ndarray


class Ranking(NamedTuple):
    """Abilities [P] in log-odds, which sum to 0, and the covariance [P, P] of their errors. names: as compared.

    tie: the tie parameter, nan for a model without ties. method: the model's name.
    """

    names: tuple[str, ...]
    ability: np.ndarray
    covariance: np.ndarray
    tie: float
    method: str

    @property
    def error(self) -> np.ndarray:
        """Standard errors of the abilities, [P]."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))

    @property
    def order(self) -> list[str]:
        """Names, the best one first."""
        return [self.names[i] for i in np.argsort(-self.ability, kind="stable")]


def compared(names: Sequence[str], first, second, outcome, *, session=None, task=None) -> Comparisons:
    """Comparisons from arrays [C]; each its own session and of an unknown task where nothing is said.

    Raises InputError for indices that no name belongs to, a policy beside itself, and other outcomes than 0, 0.5, 1.
    """
    first, second = np.asarray(first, int), np.asarray(second, int)
    outcome = np.asarray(outcome, np.float64)
    if not first.shape == second.shape == outcome.shape or first.ndim != 1 or not first.size:
        shapes = f"{list(first.shape)}, {list(second.shape)} and {list(outcome.shape)}"
        raise InputError(f"first, second and outcome are {shapes}; give three of [comparisons], at least one")
    wrong = np.flatnonzero((np.minimum(first, second) < 0) | (np.maximum(first, second) >= len(names)))
    if wrong.size:
        raise InputError(
            f"comparison {wrong[0] + 1} is of policies {first[wrong[0]]} and {second[wrong[0]]}; there are "
            f"{len(names)} names, counted from 0"
        )
    alone = np.flatnonzero(first == second)
    if alone.size:
        raise InputError(
            f"comparison {alone[0] + 1} is of {names[first[alone[0]]]!r} with itself; compare two policies"
        )
    strange = np.flatnonzero(~np.isin(outcome, (0.0, 0.5, 1.0)))
    if strange.size:
        raise InputError(
            f"outcome {strange[0] + 1} is {outcome[strange[0]]}; give 1 (first better), 0 (second better) or 0.5 (tie)"
        )
    number = np.arange(len(first))
    kinds = (number if kind is None else np.unique(kind, return_inverse=True)[1] for kind in (session, task))
    return Comparisons(tuple(names), first, second, outcome, *kinds)


def judged(first, second, margin: float = 0.0) -> np.ndarray:
    """Outcomes [C] from how far each of both came, success or partial progress [C]: a tie within the margin."""
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return np.where(difference > margin, 1.0, np.where(difference < -margin, 0.0, 0.5))


def comparisons(rows: Iterable[Score], margin: float = 0.0) -> Comparisons:
    """Every pair of runs with the same task and seed, compared by their last scores (returns where there is no score).

    margin: what two runs may differ by and still be a tie, in the scores' units. A diverged run loses to a sound one.
    The comparisons of one task and seed are a session. Raises InputError for rows of several suites, and where no two
    methods share a task and a seed.
    """
    kept, _ = complete(runs(rows))
    names = labels(kept)
    known = sorted(set(names.values()))
    scored = all(run.last.score is not None for run in kept)
    places: dict[tuple[str, int], dict[int, float]] = {}
    for run in kept:
        score = run.last.score
        value = score if scored and score is not None else run.last.return_mean
        method = known.index(names[run.key[2], run.key[3]])
        places.setdefault((run.key[1], run.key[4]), {})[method] = value if sound(run.last) else LOST
    pairs = [
        (one, two, found[one], found[two], place, place[0])
        for place, found in places.items()
        for one, two in itertools.combinations(sorted(found), 2)
    ]
    if not pairs:
        raise InputError("no two methods were run with the same task and seed, so there is nothing to compare")
    first, second, left, right, place, task = zip(*pairs, strict=True)
    outcome = judged(left, right, margin)
    sessions = {one: number for number, one in enumerate(dict.fromkeys(place))}
    return compared(known, first, second, outcome, session=[sessions[one] for one in place], task=list(task))


def bradley_terry(found: Comparisons, prior: float = PRIOR) -> Ranking:
    """P(i better than j) = 1 / (1 + exp(ability_j - ability_i)), a tie counting as half a win for each.

    prior: standard deviation of the normal prior of abilities. Errors are Laplace's, of the curvature at the maximum.
    Raises InputError where policies fall into parts that were never compared.
    """
    connected(found)
    wins, ties = counts(found)
    ability, _, covariance = fit(wins + ties / 2, None, prior)
    return Ranking(found.names, ability, covariance, float("nan"), "bradley_terry")


def davidson(found: Comparisons, prior: float = PRIOR) -> Ranking:
    """Bradley and Terry with ties: wins and ties of i and j are as exp(a_i) : exp(a_j) : tie exp((a_i + a_j) / 2).

    As `bradley_terry` otherwise. Two equal policies tie with probability tie / (2 + tie).
    """
    connected(found)
    wins, ties = counts(found)
    ability, tie, covariance = fit(wins, ties, prior)
    return Ranking(found.names, ability, covariance, float(tie), "davidson")


def counts(found: Comparisons, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(wins, ties), [..., P, P] each: how often the row's policy beat the column's; a tie is at one place only.

    weight: [..., C], how often each comparison counts.
    """
    weight = np.ones(found.outcome.shape) if weight is None else np.asarray(weight, np.float64)
    size = len(found.names)
    tied = found.outcome == 0.5
    rows = np.where(found.outcome == 0.0, found.second, found.first)
    columns = np.where(found.outcome == 0.0, found.first, found.second)
    out = np.zeros((2, *weight.shape[:-1], size * size))
    for place, chosen in ((0, ~tied), (1, tied)):
        cell = np.zeros((int(chosen.sum()), size * size))
        cell[np.arange(len(cell)), (rows * size + columns)[chosen]] = 1.0
        out[place] = weight[..., chosen] @ cell
    return tuple(part.reshape(*weight.shape[:-1], size, size) for part in out)


def fit(wins: np.ndarray, ties: np.ndarray | None, prior: float = PRIOR):
    """(ability [..., P], tie [...], covariance [..., P, P] of the abilities), from wins and ties [..., P, P].

    ties None: no ties in the model (Bradley and Terry), and the tie parameter is nan. Leading axes are fitted side by
    side, as in a bootstrap.
    """
    if not prior > 0:
        raise InputError(f"prior is {prior}; it must be above 0: it keeps abilities finite")
    size, tied = wins.shape[-1], ties is not None
    upper, lower = np.triu_indices(size, 1)
    ahead, behind = wins[..., upper, lower], wins[..., lower, upper]
    level = (ties + np.swapaxes(ties, -1, -2))[..., upper, lower] if tied else np.zeros_like(ahead)
    seen = np.stack([ahead, behind, level], -1)
    pairs = len(upper)
    features = np.zeros((pairs, 3, size + tied))
    at = np.arange(pairs)
    features[at, 0, upper] = features[at, 1, lower] = 1.0
    features[at, 2, upper] = features[at, 2, lower] = 0.5
    if tied:
        features[:, 2, size] = 1.0
    allowed = np.array([0.0, 0.0, 0.0 if tied else -np.inf])
    precision = np.concatenate([np.full(size, prior**-2), np.full(int(tied), TIE_PRIOR**-2)])
    x = np.zeros((*wins.shape[:-2], size + tied))
    for _ in range(STEPS):
        gradient, curvature = _slope(x, seen, features, allowed, precision)
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        x = x + step / np.maximum(np.abs(step).max(-1, keepdims=True), 1.0)
        if np.abs(step).max() < 1e-10:
            break
    spread = np.linalg.inv(_slope(x, seen, features, allowed, precision)[1])[..., :size, :size]
    centre = np.eye(size) - 1 / size
    ability = x[..., :size] - x[..., :size].mean(-1, keepdims=True)
    return ability, np.exp(x[..., size]) if tied else np.full(x.shape[:-1], np.nan), centre @ spread @ centre


def _slope(x, seen, features, allowed, precision):
    """Gradient and negative curvature of the log posterior at x [..., D]; seen [..., pairs, 3]."""
    logits = np.einsum("pkd,...d->...pk", features, x) + allowed
    share = np.exp(logits - logits.max(-1, keepdims=True))
    share = share / share.sum(-1, keepdims=True)
    number = seen.sum(-1, keepdims=True)
    gradient = np.einsum("...pk,pkd->...d", seen - number * share, features) - precision * x
    middle = np.einsum("...pk,pkd->...pd", share, features)
    squares = np.einsum("...pk,pkd,pke->...de", number * share, features, features, optimize=True)
    squares = squares - np.einsum("...p,...pd,...pe->...de", number[..., 0], middle, middle, optimize=True)
    return gradient, squares + np.diag(precision)


def bootstrap(key, found: Comparisons, model=bradley_terry, resamples: int = 1000, prior: float = PRIOR) -> np.ndarray:
    """Abilities [resamples, P] after drawing sessions again; model: `bradley_terry` or `davidson`.

    The prior holds policies that a resample left out, or cut off from the others.
    """
    weight = redrawn(key, found, resamples)
    wins, ties = counts(found, weight)
    return fit(wins, ties, prior)[0] if model is davidson else fit(wins + ties / 2, None, prior)[0]


def redrawn(key, found: Comparisons, resamples: int) -> np.ndarray:
    """How often each comparison counts in each resample of sessions: [resamples, C]."""
    import jax

    positive("resamples", resamples)
    number = int(found.session.max()) + 1
    drawn = np.asarray(jax.random.randint(key, (resamples, number), 0, number))
    times = np.apply_along_axis(np.bincount, 1, drawn, minlength=number)
    return times[:, found.session].astype(np.float64)


def connected(found: Comparisons) -> Comparisons:
    """The comparisons; InputError where their policies fall into parts with no comparison between them."""
    part = np.arange(len(found.names))
    for one, two in zip(found.first, found.second, strict=True):
        part[part == part[two]] = part[one]
    parts = [[found.names[i] for i in np.flatnonzero(part == number)] for number in dict.fromkeys(part.tolist())]
    if len(parts) > 1:
        named = " and ".join("{" + ", ".join(one) + "}" for one in parts)
        raise InputError(
            f"policies fall into {len(parts)} parts that were never compared with each other: {named}; "
            "compare policies of different parts, or rank the parts apart"
        )
    return found


def active_pair(ranking: Ranking) -> tuple[str, str]:
    """The pair to compare next: the one whose difference in ability is known least."""
    variance = difference_variance(ranking.covariance)
    one, two = np.unravel_index(int(np.argmax(np.triu(variance, 1))), variance.shape)
    return ranking.names[one], ranking.names[two]


def difference_variance(covariance: np.ndarray) -> np.ndarray:
    """Variance of the difference of each two abilities, [P, P]."""
    own = np.diagonal(covariance)
    return np.maximum(own[:, None] + own[None] - 2 * covariance, 0.0)


def superiority(ranking: Ranking) -> np.ndarray:
    """Probability [P, P] that the row's ability exceeds the column's, by the normal approximation; 0.5 on itself."""
    from scipy.special import ndtr

    spread = np.sqrt(difference_variance(ranking.covariance))
    gap = ranking.ability[:, None] - ranking.ability[None]
    return np.where(spread > 0, ndtr(gap / np.where(spread > 0, spread, 1.0)), 0.5)


def mmrv(estimate, truth) -> float:
    """Mean maximum rank violation: how far apart in truth [P] the farthest policy is that each is ordered wrongly with.

    In the truth's units; 0 for the right order. A pair is ordered wrongly where "greater than" differs.
    """
    estimate, truth = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    if estimate.shape != truth.shape or estimate.ndim != 1 or not estimate.size:
        raise InputError(
            f"estimate is {list(estimate.shape)} and truth {list(truth.shape)}; give both [policies], at least one"
        )
    wrong = (estimate[:, None] > estimate[None]) != (truth[:, None] > truth[None])
    return float(np.where(wrong, np.abs(truth[:, None] - truth[None]), 0.0).max(1).mean())
