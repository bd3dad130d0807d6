"""How published methods prepare a task: the `prepare` of cards. Every keyword can be set from outside."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxrl.core.card import keywords
from jaxrl.core.types import Task
from jaxrl.data import scaling, transforms


def raw(
    task: Task,
    *,
    standardise: bool = False,
    return_range: float = 0.0,
    reward_scale: float = 1.0,
    reward_shift: float = 0.0,
    top_fraction: float = 1.0,
    rank_discount: float = 1.0,
) -> Task:
    """Nothing by default; on request, in this order: best episodes only, rewards rescaled, observations standardised.

    return_range: rewards are scaled so that episode returns span this much; 0 leaves them.
    """
    dataset = task.dataset
    if dataset is None:
        return task
    if top_fraction < 1:
        dataset = transforms.top_fraction(dataset, top_fraction, rank_discount)
    if return_range > 0:
        dataset = transforms.scale_return_range(dataset, return_range)
    if (reward_scale, reward_shift) != (1.0, 0.0):
        dataset = transforms.scale_rewards(dataset, reward_scale, reward_shift)
    task = task._replace(dataset=dataset)
    return scaling.standardise(task) if standardise else task


class Preparation(NamedTuple):
    """`raw` with other defaults."""

    defaults: Mapping[str, Any]

    def __call__(self, task: Task, **options) -> Task:
        return raw(task, **{**self.defaults, **options})


def varied(**defaults) -> Preparation:
    """`raw` with some defaults replaced."""
    return Preparation({**keywords(raw), **defaults})


standardised = varied(standardise=True)
