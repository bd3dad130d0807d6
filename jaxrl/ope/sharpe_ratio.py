"""How good estimates of several policies' values are: errors, ranking, regret, and SharpeRatio@k.

Sources: Kiyohara and others (arXiv:2311.18207), SharpeRatio@k; Fu and others (arXiv:2103.16596), rank correlation and
regret@k. NumPy in float64; P policies, with any axes before.
Departures: none. SharpeRatio@k is not cut off at 100, as the authors' code can do.
"""

from typing import NamedTuple

import numpy as np

from jaxrl.core.card import Paper, Procedure
from jaxrl.core.check import InputError


class TopK(NamedTuple):
    """True values of the k policies that were estimated to be the best; each [...].

    std: with ddof = 1. unsafe: share below the threshold. sharpe: SharpeRatio@k, NaN for k = 1.
    """

    best: np.ndarray
    worst: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    unsafe: np.ndarray
    sharpe: np.ndarray


def top_k(estimated, true, k: int, baseline, threshold=-np.inf) -> TopK:
    """The portfolio of the k policies with the largest estimates [..., P]; equal ones in the order given.

    baseline: the behaviour policy's value [...]; sharpe is max(0, best - baseline) / std. Where all k are worth the
    same it is infinite, or 0 if none is above the baseline. InputError for k beyond P.
    """
    estimated, true = _paired(estimated, true)
    chosen = np.take_along_axis(true, _first(estimated, k), -1)
    best, gain = chosen.max(-1), np.maximum(chosen.max(-1) - np.asarray(baseline, np.float64), 0)
    std = chosen.std(-1, ddof=1) if k > 1 else np.full(best.shape, np.nan)
    infinite = np.where(gain > 0, np.inf, 0.0)
    sharpe = np.where(std == 0, infinite, gain / np.where(std == 0, 1, std))
    return TopK(best, chosen.min(-1), chosen.mean(-1), std, (chosen < threshold).mean(-1), sharpe)


def regret(estimated, true, k: int = 1) -> np.ndarray:
    """regret@k: best true value less the best among the k policies with the largest estimates; [..., P] -> [...].

    In the values' own units. InputError for k beyond the number of policies.
    """
    estimated, true = _paired(estimated, true)
    return true.max(-1) - np.take_along_axis(true, _first(estimated, k), -1).max(-1)


def rank_correlation(estimated, true) -> np.ndarray:
    """Spearman's correlation, equal values sharing their mean rank; [..., P] -> [...]. NaN where all are equal."""
    ranks = [_ranks(x) for x in _paired(estimated, true)]
    one, other = (x - x.mean(-1, keepdims=True) for x in ranks)
    scale = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    return np.where(scale > 0, (one * other).sum(-1) / np.where(scale > 0, scale, 1), np.nan)


def mean_squared_error(estimated, true, *, normalised: bool = False) -> np.ndarray:
    """Mean squared error over policies; [..., P] -> [...]. normalised: divided by the true values' squared range."""
    estimated, true = _paired(estimated, true)
    error = ((estimated - true) ** 2).mean(-1)
    return error / np.ptp(true, -1) ** 2 if normalised else error


def type_errors(estimated, true, threshold) -> tuple[np.ndarray, np.ndarray]:
    """(type I, type II) [...] of calling a policy good where its estimate is at least the threshold.

    Type I: share of policies as good as the threshold that are rejected; type II: share of worse ones that are called
    good, the dangerous error. 0 where there are none of that sort. These are the names of Kiyohara and others.
    """
    estimated, true = _paired(estimated, true)
    good, called = true >= threshold, estimated >= threshold
    share = lambda wrong, of: wrong.sum(-1) / np.maximum(of.sum(-1), 1)
    return share(good & ~called, good), share(~good & called, ~good)


def _paired(estimated, true) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64; InputError where they do not fit or are not finite."""
    estimated, true = np.asarray(estimated, np.float64), np.asarray(true, np.float64)
    if estimated.ndim == 0 or estimated.shape[-1] != true.shape[-1] or true.shape[-1] == 0:
        raise InputError(
            f"estimates have shape {estimated.shape} and true values {true.shape}; give a number for each policy"
        )
    for name, x in {"estimates": estimated, "true values": true}.items():
        if not np.isfinite(x).all():
            raise InputError(f"{int((~np.isfinite(x)).sum())} {name} are not finite; leave those policies out")
    return tuple(np.broadcast_arrays(estimated, true))


def _first(estimated: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest."""
    if not 1 <= k <= estimated.shape[-1]:
        raise InputError(f"k is {k}, but there are {estimated.shape[-1]} policies; k must lie between 1 and that")
    return np.argsort(-estimated, axis=-1, kind="stable")[..., :k]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing their mean."""
    one, other = values[..., :, None], values[..., None, :]
    return (other < one).sum(-1) + ((other == one).sum(-1) - 1) / 2


CARD = Procedure(
    "sharpe_ratio",
    "estimator",
    (top_k, regret, rank_correlation, mean_squared_error, type_errors),
    Paper(
        "arXiv:2311.18207",
        "Towards Assessing and Benchmarking Risk-Return Tradeoff of Off-Policy Evaluation",
        "Haruka Kiyohara and Ren Kishimoto and Kosuke Kawakami and Ken Kobayashi and Kazuhide Nakata and Yuta Saito",
        2024,
    ),
)
