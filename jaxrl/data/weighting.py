"""How often the steps of each trajectory are drawn, and tables for drawing them exactly.

Source: Hong et al., Harnessing Mixed Offline Reinforcement Learning Datasets via Trajectory Weighting
(arXiv:2306.13085).
"""

import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset
from jaxrl.data.dataset import episode_ends, episode_returns

KEEP, OTHER = "keep", "other"
"""Extras of a dataset's steps that `with_table` adds and `samplers.weighted` reads."""


def return_weights(dataset: Dataset, temperature: float) -> np.ndarray:
    """Weight of every step, [steps] with mean one: that of its trajectory's return (RW, arXiv:2306.13085, section 4.1).

    Raises InputError for a temperature that is not above zero.
    """
    return softmax(dataset, episode_returns(dataset), temperature)


def advantage_weights(dataset: Dataset, temperature: float) -> np.ndarray:
    """The same for the return above what a linear function of the first observation expects (AW, section 4.2)."""
    returns = episode_returns(dataset)
    starts = np.concatenate([[0], episode_ends(dataset)[:-1] + 1])
    first = np.asarray(dataset.steps.obs, np.float64)[starts]
    inputs = np.concatenate([first - first.mean(0), np.ones((len(first), 1))], 1)
    fitted = inputs @ np.linalg.lstsq(inputs, returns, rcond=None)[0]
    return softmax(dataset, returns - fitted, temperature)


def softmax(dataset: Dataset, worth: np.ndarray, temperature: float) -> np.ndarray:
    """exp(x / temperature) for each step, scaled to mean one, x being `worth` [episodes] scaled to [0, 1]; [steps].

    A softmax over steps: an episode's mass grows with its length. Where all are worth the same all weights are one.
    """
    if not temperature > 0:
        raise InputError(f"setting weight_temperature={temperature!r} must be above 0, such as 0.1")
    spread = worth.max() - worth.min()
    # differences at the level of rounding errors are none
    alike = spread <= 1e-9 * max(1.0, np.abs(worth).max())
    scaled = np.zeros_like(worth) if alike else (worth - worth.max()) / spread
    each = np.exp(scaled / temperature)[np.searchsorted(episode_ends(dataset), np.asarray(dataset.last))]
    return each / each.mean()


def positive_sided_variance(returns: np.ndarray) -> float:
    """Mean squared excess over the mean of returns [episodes], what there is to win by weighting (section 4.3)."""
    return float(np.square(np.maximum(returns - returns.mean(), 0)).mean())


def alias_table(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(keep [n] in [0, 1], other [n]): cell i is i with probability keep[i], else other[i]; each cell is as likely.

    Drawing takes two numbers and two look-ups whatever n is, and no sum over n loses small weights. Source: Walker,
    10.1145/355744.355749, built as in Vose, 10.1109/32.92917.
    """
    share = (np.asarray(weights, np.float64) / np.mean(weights, dtype=np.float64)).tolist()
    other = list(range(len(share)))
    small = [i for i, x in enumerate(share) if x < 1]
    large = [i for i, x in enumerate(share) if x >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        other[low] = high
        share[high] -= 1 - share[low]
        if share[high] < 1:
            small.append(large.pop())
    keep = np.asarray(share)
    keep[small + large] = 1.0
    return keep, np.asarray(other)


def with_table(dataset: Dataset) -> Dataset:
    """The dataset with the extras `keep` and `other`, the alias table of its steps' weights, for `samplers.weighted`.

    Raises InputError where no step has a weight above zero.
    """
    return reweighted(dataset, np.ones(dataset.last.shape[0]))


def reweighted(dataset: Dataset, weights: np.ndarray) -> Dataset:
    """The same with the steps' weights times `weights` [steps], scaled to mean one."""
    product = np.asarray(dataset.steps.weight, np.float64) * weights
    if not product.sum() > 0:
        raise InputError(f"the weights of {len(product)} steps add up to {product.sum():g}; give some of them a weight")
    keep, other = alias_table(product)
    table = {KEEP: jnp.asarray(keep, jnp.float32), OTHER: jnp.asarray(other, jnp.int32)}
    weight = jnp.asarray(product / product.mean(), jnp.float32)
    return dataset._replace(steps=dataset.steps._replace(weight=weight, extras={**dataset.steps.extras, **table}))
