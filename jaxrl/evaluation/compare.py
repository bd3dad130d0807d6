"""Tests of two algorithms over the same seeds, task by task, corrected for the number of tasks."""

from typing import Literal, NamedTuple

import numpy as np

from jaxrl.core.check import InputError, known
from jaxrl.evaluation import aggregate


class Paired(NamedTuple):
    """A test of each task. All are [tasks].

    difference: mean of first - second over the pairs. pairs: seeds that both have. p: two-sided p-values, NaN for fewer
    than two pairs. adjusted: p-values that may be compared with one error rate for all tasks together (Holm).
    """

    difference: np.ndarray
    pairs: np.ndarray
    p: np.ndarray
    adjusted: np.ndarray


def paired(first: np.ndarray, second: np.ndarray, test: Literal["t", "wilcoxon"] = "t") -> Paired:
    """Whether first and second [runs, tasks] differ, row i of both being the same seed.

    Pairs of which one is missing (NaN) are left out. "t": Student's test of the differences. "wilcoxon": signed ranks,
    which with n pairs never gives less than 2 / 2**n (so at least 6 seeds for 0.05). Raises InputError for unequal
    shapes and where no task has two pairs.
    """
    known("test", test, ["t", "wilcoxon"])
    if first.shape != second.shape:
        raise InputError(
            f"first is {list(first.shape)} and second {list(second.shape)}; give both [runs, tasks] of the same seeds"
        )
    differences = np.where(np.isfinite(first) & np.isfinite(second), first - second, np.nan)
    pairs = aggregate.counts(differences)
    if not (pairs > 1).any():
        raise InputError("no task has two seeds that both sides have; give runs of the same seeds")
    p = np.array([_p(column[np.isfinite(column)], test) for column in differences.T])
    return Paired(aggregate.run_mean(differences), pairs, p, holm(p))


def holm(p: np.ndarray) -> np.ndarray:
    """P-values adjusted for testing all of them at once: [tests] -> [tests]; NaN (no test) stays and does not count.

    Rejecting what is at most e keeps the probability of any false rejection at e, however the tests depend on each
    other. Source: Holm 1979.
    """
    p = np.asarray(p, np.float64)
    there = np.flatnonzero(np.isfinite(p))
    order = there[np.argsort(p[there], kind="stable")]
    out = np.full(p.shape, np.nan)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return out


def _p(differences: np.ndarray, test: str) -> float:
    """Two-sided p-value that the differences [pairs] are centred at zero."""
    from scipy import stats

    if len(differences) < 2:
        return float("nan")
    if not differences.any():
        return 1.0
    if test == "wilcoxon":
        return float(stats.wilcoxon(differences).pvalue)
    spread = differences.std(ddof=1)
    if spread <= 1e-12 * abs(differences.mean()):
        return 0.0
    return float(2 * stats.t.sf(abs(differences.mean()) * len(differences) ** 0.5 / spread, len(differences) - 1))
