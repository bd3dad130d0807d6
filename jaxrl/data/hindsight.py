"""What an episode's end tells of its beginning: the action that turned out best in a task without states."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.card import keywords
from jaxrl.core.types import Dataset, Task
from jaxrl.data import prepare

LABEL = "label"


def best_actions(dataset: Dataset, actions: int):
    """The action whose rewards in a step's episode had the highest mean, [steps] int32; one never taken comes last."""
    place = np.asarray(dataset.last)
    episode = jnp.asarray(np.unique(place, return_inverse=True)[1].astype(np.int32))
    count = int(episode[-1]) + 1
    taken = jax.nn.one_hot(dataset.steps.action, actions)
    sums, visits = (
        jax.ops.segment_sum(taken * weight, episode, count)
        for weight in (dataset.steps.reward[:, None], jnp.ones((len(place), 1)))
    )
    mean = jnp.where(visits > 0, sums / jnp.maximum(visits, 1), -jnp.inf)
    return mean.argmax(-1).astype(jnp.int32)[episode]


class Preparation(NamedTuple):
    """`before`, then labels. defaults: those of `before`."""

    before: Callable[..., Task]
    defaults: Mapping[str, Any]

    def __call__(self, task: Task, **options) -> Task:
        return labelled(self.before(task, **{**self.defaults, **options}))


def labelled(task: Task) -> Task:
    """The task whose steps have the extra "label", the best action of their task: the data's own, or where every
    observation is the same, as of bandits, the best in hindsight. Other data are left without."""
    data = task.dataset
    if data is None or LABEL in data.steps.extras or not task.env.spec.discrete:
        return task
    if not bool((data.steps.obs == data.steps.obs[:1]).all()):
        return task
    extras = {**data.steps.extras, LABEL: best_actions(data, task.env.spec.action)}
    return task._replace(dataset=data._replace(steps=data.steps._replace(extras=extras)))


told = Preparation(prepare.raw, keywords(prepare.raw))
