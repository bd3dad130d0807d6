"""How good the episodes of a dataset are: returns, lengths, trajectory quality, room above the mean."""

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Reference
from jaxrl.data.dataset import episode_ends


def episode_lengths(dataset: Dataset) -> np.ndarray:
    """Steps of each episode; [episodes]."""
    return np.diff(episode_ends(dataset), prepend=-1)


def several(returns, what: str) -> np.ndarray:
    """Returns [episodes], if there are two or more; else an InputError."""
    returns = np.asarray(returns, np.float64)
    if len(returns) < 2:
        raise InputError(f"{what} of {len(returns)} episodes is not defined; give a dataset of at least two")
    return returns


def trajectory_quality(returns, reference: Reference | None) -> float:
    """TQ of arXiv:2111.04714: mean return, 0 where random behaviour's is and 1 at the best online one.

    returns: [episodes], undiscounted. It may lie outside [0, 1]. Raises InputError for no episode or no reference.
    """
    returns = np.asarray(returns, np.float64)
    if reference is None:
        raise InputError(
            "trajectory quality needs two reference returns; give the random one (--low) and the best one "
            "of online learning (--high)"
        )
    if not len(returns):
        raise InputError("trajectory quality of 0 episodes is not defined; give at least one")
    return float((returns.mean() - reference.low) / (reference.high - reference.low))


def positive_variance(returns) -> float:
    """Positive-sided variance of returns of arXiv:2306.13085, E[max(0, G - E G)^2]; returns [episodes], two or more."""
    returns = several(returns, "the positive-sided variance")
    return float(np.square(np.maximum(returns - returns.mean(), 0)).mean())


def spread(values) -> dict[str, float]:
    """Mean, standard deviation, smallest, quartiles and largest of values [n]; the deviation is that of these values.

    Raises InputError for none.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        raise InputError("0 episodes have no distribution; give at least one")
    names = ("min", "25 %", "median", "75 %", "max")
    return {"mean": float(values.mean()), "std": float(values.std())} | {
        name: float(value) for name, value in zip(names, np.quantile(values, [0, 0.25, 0.5, 0.75, 1]), strict=True)
    }
