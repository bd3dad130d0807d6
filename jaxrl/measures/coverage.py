"""How much of the task a dataset has seen: unique state-action pairs, entropy, what it shares with another."""

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.measures import hyperloglog
from jaxrl.measures.cells import labels


def unique(table, exact: bool = True) -> float:
    """How many different rows there are in table [n, D] of whole numbers: counted, or by HyperLogLog."""
    if exact:
        return float(labels(table).max(initial=-1) + 1)
    return hyperloglog.count(hyperloglog.sketch(table))


def saco(table, replay, exact: bool = True) -> float:
    """SACo of arXiv:2111.04714: unique state-action pairs, as a share of those in the online learner's replay.

    table, replay: [n, D] and [m, D], cells of `pair_cells` by the same bins. Sensible for near-deterministic tasks, and
    for datasets of one size. Raises InputError for an empty replay.
    """
    return unique(table, exact) / _some(unique(replay, exact))


def log_saco(table, replay, exact: bool = True) -> float:
    """The same with logarithms of both counts, for tasks in which nearly every pair is new."""
    found = np.log(_some(unique(replay, exact)))
    if found == 0:
        raise InputError("the replay set holds 1 unique pair, whose logarithm is 0; give a larger replay set")
    return float(np.log(unique(table, exact)) / found)


def shared(table, other) -> float:
    """Share of the unique rows of `other` [m, D] that table [n, D] has too."""
    both = labels(np.concatenate([table, other]))
    ours, theirs = np.unique(both[: len(table)]), np.unique(both[len(table) :])
    return float(np.isin(theirs, ours).mean()) if len(theirs) else _some(0)


def entropy(table) -> float:
    """Entropy in nats of how often each row of table [n, D] occurs; the counts' own, which is below the truth's."""
    counts = np.bincount(labels(table))
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def _some(count: float) -> float:
    if count < 1:
        raise InputError("the replay set holds 0 state-action pairs; give one with at least one episode")
    return count
