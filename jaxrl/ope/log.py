"""Logged episodes as estimators read them, and what every estimator returns.

Axis letters: N episodes, T steps, S states, A actions, K features.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrl.core.check import InputError

LARGEST = 60.0
"""Logarithm of the largest importance weight: beyond it, single precision turns products into infinities."""


class Log(NamedTuple):
    """Episodes padded to one length; all [N, T].

    reward: of each step. evaluation: probability, or density, that the policy to be judged gives to the logged action;
    behaviour: that of the policy which logged it, None where nobody wrote it down. there: 1 for steps that took place,
    which come first, else 0. After its end an episode stays where nothing is paid and both policies do the same.
    """

    reward: Any
    evaluation: Any
    behaviour: Any
    there: Any


class Estimate(NamedTuple):
    """value: []; contributions: [N], one an episode, with `value` as their mean.

    For estimators that are no plain mean, such as the self-normalised ones, contributions are linearised: their spread
    is, for many episodes, that of the estimate.
    """

    value: Any
    contributions: Any


def logged(reward, evaluation, behaviour=None, there=None) -> Log:
    """A Log of arrays [N, T] on the host, checked.

    InputError for shapes that differ, no episodes, values that are not finite, negative probabilities, steps after a
    gap, or a logged action that the behaviour policy would never take.
    """
    reward = np.asarray(reward, np.float32)
    there = np.ones_like(reward) if there is None else np.asarray(there, np.float32)
    columns = {"evaluation": evaluation, "behaviour": behaviour, "there": there}
    given = {name: np.asarray(x, np.float32) for name, x in columns.items() if x is not None}
    if reward.ndim != 2 or reward.size == 0:
        raise InputError(f"reward has shape {reward.shape}; it must be [episodes, steps], at least one of each")
    for name, column in given.items():
        if column.shape != reward.shape:
            raise InputError(f"{name} has shape {column.shape} but reward {reward.shape}; give one number a step")
    if not np.isin(there, (0, 1)).all() or (np.diff(there, axis=1) > 0).any() or not there[:, 0].all():
        raise InputError("there must be 1 for an episode's steps, at least one, and 0 after them; sort the padding out")
    for name, column in {"reward": reward, **given}.items():
        _check_column(name, np.where(there > 0, column, 1.0))
    neutral = {name: np.where(there > 0, given[name], 1) for name in ("evaluation", "behaviour") if name in given}
    columns = {"reward": reward * there, **neutral, "there": there}
    arrays = {name: jnp.asarray(x, jnp.float32) for name, x in columns.items()}
    return Log(**{"behaviour": None, **arrays})


def _check_column(name: str, column: np.ndarray) -> None:
    """InputError where the column holds what it must not."""
    if not np.isfinite(column).all():
        raise InputError(f"{name} holds {int((~np.isfinite(column)).sum())} values that are not finite; remove them")
    if name in ("evaluation", "behaviour") and (column < 0).any():
        raise InputError(f"{name} is negative for {int((column < 0).sum())} steps; give probabilities, not their logs")
    if name == "behaviour" and (column == 0).any():
        episode, step = np.argwhere(column == 0)[0]
        raise InputError(
            f"behaviour is 0 for {int((column == 0).sum())} logged actions, first in episode {episode} at step {step}: "
            "the logging policy cannot have taken them; correct the propensities or drop these episodes"
        )


def padded(column, ends) -> np.ndarray:
    """Steps [n, ...] in episode order -> [N, T, ...], zeros after an episode's end; on the host.

    ends: [N], index after each episode's last step. InputError where they do not increase from 1 to n.
    """
    column, ends = np.asarray(column), np.asarray(ends)
    lengths = np.diff(ends, prepend=0)
    if ends.size == 0 or (lengths < 1).any() or ends[-1] != len(column):
        raise InputError(f"ends must increase up to the {len(column)} steps there are; they begin {ends[:5].tolist()}")
    there = np.arange(lengths.max()) < lengths[:, None]
    out = np.zeros((*there.shape, *column.shape[1:]), column.dtype)
    out[there] = column
    return out


def ratios(log: Log, what: str) -> Float[Array, "N T"]:
    """Log of evaluation / behaviour, 0 for steps that are not there, -inf where the policy would not take the action.

    InputError, naming the estimator `what`, where the log lacks the behaviour policy's probabilities.
    """
    if log.behaviour is None:
        raise InputError(
            f"{what} needs the behaviour policy's probabilities, which this log lacks; give `behaviour` to `logged`, "
            "or use an estimator without them: the direct method, fqe, minimax or DICE"
        )
    ratio = jnp.log(log.evaluation) - jnp.log(log.behaviour)
    return jnp.where(log.there > 0, ratio, 0.0)


def fitting(what: str, like, **arrays) -> None:
    """InputError, naming the estimator `what`, where an array is not shaped as `like`."""
    for name, array in arrays.items():
        if jnp.shape(array) != jnp.shape(like):
            raise InputError(f"{what} got {name} of shape {jnp.shape(array)}; the log's is {jnp.shape(like)}")


def powers(discount, steps: int) -> Float[Array, "1 T"]:
    """discount^t for t = 0, 1, ..."""
    return jnp.power(jnp.asarray(discount, jnp.float32), jnp.arange(steps, dtype=jnp.float32))[None]


def returns(log: Log, discount) -> Float[Array, "N"]:
    """Discounted return of each episode."""
    return (powers(discount, log.reward.shape[1]) * log.reward).sum(1)


def on_policy(log: Log, discount) -> Estimate:
    """Mean return of the policy that logged: the baseline every estimate is compared with."""
    found = returns(log, discount)
    return Estimate(found.mean(), found)


def weighed(logarithm: Float[Array, "N ..."], *, weighted: bool, limit=None) -> Float[Array, "N ..."]:
    """Weights from their logarithms, at most `limit`, and where `weighted` divided by their mean over episodes.

    Where no episode has any weight they all stay 0.
    """
    logarithm = logarithm if limit is None else jnp.minimum(logarithm, jnp.log(limit))
    if not weighted:
        return jnp.exp(jnp.minimum(logarithm, LARGEST))
    most = logarithm.max(0, keepdims=True)
    weight = jnp.exp(logarithm - jax.lax.stop_gradient(jnp.where(jnp.isfinite(most), most, 0.0)))
    mean = weight.mean(0, keepdims=True)
    return weight / jnp.where(mean > 0, mean, 1.0)


def averages(weight, x, *, weighted: bool) -> tuple[Float[Array, "1 T"], Float[Array, "N T"]]:
    """(mean of weight x over episodes, terms with that mean), linearised around it for self-normalised weights."""
    mean = (weight * x).mean(0, keepdims=True)
    return mean, weight * (x - mean) + mean if weighted else weight * x


def summed(weight, gain, discount, *, weighted: bool, before=None, value=None) -> Estimate:
    """sum_t discount^t (weight gain + before value), the form of every estimator that goes step by step; all [N, T]."""
    mean, terms = averages(weight, gain, weighted=weighted)
    if value is not None:
        more, further = averages(before, value, weighted=weighted)
        mean, terms = mean + more, terms + further
    scale = powers(discount, gain.shape[1])
    return Estimate((scale * mean).sum(), (scale * terms).sum(1))
