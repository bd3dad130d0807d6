"""Pointwise scores from criteria that were learned on comparisons of reference policies (PC²).

A judge compares rollouts of a few reference policies; the features of rollouts that tell winners from losers become
criteria with weights. Any further policy is then scored by its own rollouts alone: n policies cost no comparisons more,
where comparing all pairs costs n (n - 1) / 2. Criteria must not see what they score, so references are refused.

Source: pre-comparison-derived criteria of Feedbacker ("From Rankings to Insights"); a logistic regression on features
takes the place of a language model that writes criteria down.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.evaluation.compare import holm

STEPS = 30
"""Newton's steps of the regression; some six are needed."""


class Criteria(NamedTuple):
    """names, weight: of the features that separate the references, [K]; chosen: their places among all features.

    centre, scale: of each chosen feature over the references' rollouts, [K]. references: policies that were compared.
    """

    names: tuple[str, ...]
    weight: np.ndarray
    chosen: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    references: frozenset[str]


def criteria(
    names: Sequence[str], references: Sequence[str], first, second, outcome, *, error: float = 0.05, prior: float = 3.0
) -> Criteria:
    """Criteria from compared rollouts of references: features first, second [C, F], outcome [C] (1, 0, or 0.5).

    A logistic regression of the outcomes on all features' differences comes first. The feature that the fit misses
    least is left out, and so on, until every one left is missed: likelihood ratios after Holm's correction. prior:
    standard deviation of weights beforehand. Comparisons of one rollout with several are taken as independent.
    Raises InputError where shapes do not fit and where no feature separates the references.
    """
    from scipy.special import chdtrc

    first, second, outcome = (np.asarray(x, np.float64) for x in (first, second, outcome))
    if first.shape != second.shape or first.shape != (len(outcome), len(names)) or len(outcome) < 3:
        raise InputError(
            f"features are {list(first.shape)} and {list(second.shape)}, outcomes {list(outcome.shape)}; give both "
            f"[comparisons, {len(names)}], at least three comparisons"
        )
    both = np.concatenate([first, second])
    centre, scale = both.mean(0), np.maximum(both.std(0), 1e-12)
    gap = (first - second) / scale
    chosen = np.arange(len(names))
    while chosen.size:
        whole = _logistic(gap[:, chosen], outcome, prior)[1]
        without = [_logistic(gap[:, chosen[chosen != i]], outcome, prior)[1] for i in chosen]
        adjusted = holm(chdtrc(1, np.maximum(2 * (whole - np.array(without)), 0.0)))
        if adjusted.max() <= error:
            break
        chosen = np.delete(chosen, adjusted.argmax() if adjusted.max() < 1 else np.argmax(without))
    if not chosen.size:
        raise InputError(
            f"none of the features {', '.join(names)} separates the references {', '.join(sorted(set(references)))}; "
            "compare more rollouts, or references that differ more"
        )
    weight, _ = _logistic(gap[:, chosen], outcome, prior)
    kept = tuple(names[i] for i in chosen.tolist())
    return Criteria(kept, weight, chosen, centre[chosen], scale[chosen], frozenset(references))


def _logistic(gap: np.ndarray, outcome: np.ndarray, prior: float) -> tuple[np.ndarray, float]:
    """(weights [K] with P(first better) = sigmoid(gap [C, K] @ weights), log posterior density), by Newton's steps."""
    from scipy.special import expit, log_expit

    weight = np.zeros(gap.shape[1])
    for _ in range(STEPS):
        chance = expit(gap @ weight)
        slope = gap.T @ (outcome - chance) - weight / prior**2
        curve = (gap.T * (chance * (1 - chance))) @ gap + np.eye(len(weight)) / prior**2
        step = np.linalg.solve(curve, slope)
        weight = weight + step / max(1.0, np.abs(step).max(initial=0.0))
    value = outcome @ log_expit(gap @ weight) + (1 - outcome) @ log_expit(-gap @ weight)
    return weight, float(value - (weight**2).sum() / prior**2 / 2)


def pointwise(found: Criteria, rollouts: Mapping[str, np.ndarray]) -> dict[str, float]:
    """{policy: mean score of its rollouts}, from features [rollouts, F] each; in log-odds of being preferred.

    Raises InputError for a policy that helped to make the criteria.
    """
    own = sorted(found.references & rollouts.keys())
    if own:
        raise InputError(f"policy {own[0]!r} helped to make the criteria; score other policies with them")
    scores = {}
    for name, features in rollouts.items():
        chosen = np.asarray(features, np.float64)[:, found.chosen]
        scores[name] = float((((chosen - found.centre) / found.scale) @ found.weight).mean())
    return scores
