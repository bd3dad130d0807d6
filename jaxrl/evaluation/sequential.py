"""Comparing two policies while results come in, with the probability of a false verdict bounded at every stop.

Each pair of outcomes is a bet on "first is better" and one on "second is better". While a bet is on a falsehood, the
bettor's wealth is a non-negative supermartingale from 1, and ever reaches 1 / e with probability at most e (Ville). One
may therefore look after every pair, stop when one likes, and go on later.

Sources: Waudby-Smith and Ramdas, arXiv 2010.09686 (betting on bounded means, mixtures of bets); Shekhar and Ramdas,
arXiv 2112.09162 (two samples, paired). Purpose: policy comparison as in TRI's study of large behaviour models,
arXiv 2507.05331, with a test of our own choice in place of theirs.
"""

from typing import Literal, NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.evaluation import aggregate

BETS = (np.arange(40) + 0.5) / 40
"""Shares of the wealth that are bet, all with equal capital: some are near the best one whatever the difference is."""


class Verdict(NamedTuple):
    """What the pairs so far say. "undecided" is no evidence of equality.

    pairs: looked at until the verdict, or all. p_first, p_second: anytime-valid p-values of "first is not better" and
    "second is not better"; several comparisons may be corrected by `compare.holm`.
    """

    better: Literal["first", "second", "undecided"]
    pairs: int
    p_first: float
    p_second: float


def wealth(differences: np.ndarray) -> np.ndarray:
    """Log wealth after each pair of betting on a mean difference above 0: [..., pairs] in [-1, 1] -> [..., pairs].

    Depends on the differences seen, not on their order.
    """
    steps = np.log1p(np.asarray(differences, np.float64)[..., None] * BETS)
    paths = np.cumsum(steps, axis=-2)
    top = paths.max(-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(paths - top).mean(-1))


def judge(
    first: np.ndarray, second: np.ndarray, *, error: float = 0.05, low: float = 0.0, high: float = 1.0
) -> Verdict:
    """Which policy has the higher mean, from outcomes in order: two of [pairs], successes (0 or 1) or bounded scores.

    Pair i of the two must be drawn alike (the same starts, or independent ones), and policies must not change.
    error: probability of calling either better when it is not, over all looks together; each side gets half.
    low, high: bounds of an outcome, known beforehand. Raises InputError for outcomes outside them or missing.
    """
    aggregate.share("error", error)
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise InputError(
            f"first is {list(first.shape)} and second {list(second.shape)}; give outcomes in pairs, two of [pairs]"
        )
    for name, outcomes in (("first", first), ("second", second)):
        wrong = np.flatnonzero(~((outcomes >= low) & (outcomes <= high)))
        if wrong.size:
            raise InputError(
                f"outcome {wrong[0] + 1} of {name} is {outcomes[wrong[0]]}; it must lie between {low} and {high}: "
                "give the bounds with low and high"
            )
    differences = (first - second) / (high - low)
    gains = np.stack([wealth(differences), wealth(-differences)])
    return _verdict(gains, np.log(2 / error))


def _verdict(gains: np.ndarray, needed: float) -> Verdict:
    """gains: log wealth of [first, second] after each pair."""
    reached = (gains >= needed).any(0)
    pairs = int(reached.argmax()) + 1 if reached.any() else gains.shape[1]
    p_first, p_second = np.exp(-np.maximum(gains[:, :pairs].max(1, initial=0.0), 0.0))
    if not reached.any():
        return Verdict("undecided", pairs, float(p_first), float(p_second))
    return Verdict("first" if p_first < p_second else "second", pairs, float(p_first), float(p_second))
