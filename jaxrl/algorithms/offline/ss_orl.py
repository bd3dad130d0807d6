"""SS-ORL: an inverse model learned where actions are known fills in the others, then TD3+BC (arXiv:2210.06518).

Departures: zeros that stand for states before an episode's first come after standardisation, so they are mean states;
the held-out loss is that of 1,024 steps, taken fifty times. One inverse model, the authors' default. Where the data do
not say themselves what is labelled (`DATASET+unlabelled:0.9`), `hidden` of the episodes lose their actions, the others
being of the lower half by return, as in the paper's coupled setting.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose.inverse import Inverse, inverse
from jaxrl.core.card import Card, Paper
from jaxrl.core.check import InputError
from jaxrl.core.hyper import hyper
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Env, Phase, Source, Task
from jaxrl.data import mixtures, prepare, samplers, transitions, variants
from jaxrl.data.dataset import size
from jaxrl.sources.logged import logged

CHECKS, HELD = 1024, 0.1


@hyper
class Hyper(td3_bc.Hyper):
    """TD3+BC's numbers and the inverse model's. inverse_dropout: share of hidden features dropped while it learns."""

    inverse_lr: float = 1e-4
    inverse_dropout: float = 0.1


class Hiding(NamedTuple):
    """A preparation after which the steps have the extra "labelled". defaults: those of `prepare.raw`, and `hidden`."""

    defaults: Mapping[str, Any]

    def __call__(self, task: Task, **options) -> Task:
        chosen = {**self.defaults, **options}
        hidden = chosen.pop("hidden")
        if not 0 <= hidden < 1:
            raise InputError(f"setting hidden={hidden} must be a share of at least 0 and below 1, such as 0.9")
        task = prepare.raw(task, **chosen)
        if task.dataset is None or mixtures.LABELLED in task.dataset.steps.extras:
            return task
        return task._replace(dataset=hiding(task.dataset, hidden))


def hiding(dataset: Dataset, hidden: float) -> Dataset:
    """The dataset with the extra "labelled", 0 in that share of the episodes."""
    if hidden:
        return variants.changed(dataset, f"unlabelled:{hidden}")
    extras = {**dataset.steps.extras, mixtures.LABELLED: jnp.ones(size(dataset))}
    return dataset._replace(steps=dataset.steps._replace(extras=extras))


def ss_orl(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 2, delay: int = 2, history: int = 1,
    inverse_width: int = 1024, inverse_depth: int = 2, inverse_batch: int = 1024, inverse_updates: int = 100_000,
    chunk: int = 10_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """An inverse model that sees `history` states before a step, then TD3+BC on logged and filled-in actions.

    chunk: steps that are labelled at a time.
    """
    check_every = max(inverse_updates // 50, 1)
    model = inverse(env.spec, history, width=inverse_width, depth=inverse_depth, check_every=check_every)

    def divide(key, hyper, given, earlier):
        return transitions.split(key, given.dataset, mixtures.labels(given.dataset), HELD, CHECKS)

    def fill(key, hyper, given, earlier):
        return filled(model, earlier["inverse"], given.dataset, history, chunk)

    def known(given, split):
        return labelled_states(given.dataset, split, history, inverse_batch)

    def everything(given, action):
        return logged(acted(given.dataset, action), samplers.uniform(batch))

    policy = td3_bc.td3_bc(env.spec, width=width, depth=depth, critics=critics, delay=delay)
    return Phase("inverse", model, known, inverse_updates, divide), Phase("policy", policy, everything, stock=fill)


def labelled_states(dataset: Dataset, split: transitions.Split, history: int, batch: int) -> Source:
    """Steps with known actions, with the extras that `compose.inverse` reads."""

    def sample(key, dataset):
        index = transitions.drawn(key, split.rows, split.count, batch)
        held = {
            "held_states": transitions.around(dataset, split.held, history),
            "held_action": dataset.steps.action[split.held],
        }
        states = transitions.around(dataset, index, history)
        return take(dataset.steps._replace(extras={}), index)._replace(extras={"states": states, **held})

    return logged(dataset, sample)


def filled(model: Inverse, state, dataset: Dataset, history: int, chunk: int):
    """Actions of all steps [N, A]: logged ones where they are known, else those of the inverse model."""
    index = jnp.arange(size(dataset), dtype=jnp.int32)
    one = lambda i: model.predict(state, transitions.around(dataset, i[None], history))[0]
    guessed = jax.lax.map(one, index, batch_size=chunk)
    return jnp.where(mixtures.labels(dataset)[:, None] > 0, dataset.steps.action, guessed)


def acted(dataset: Dataset, action) -> Dataset:
    """The dataset with other actions [N, A], and no extras."""
    following = action[jnp.minimum(jnp.arange(size(dataset)) + 1, dataset.last)]
    return dataset._replace(steps=dataset.steps._replace(action=action, next_action=following, extras={}))


PAPER = Paper(
    "arXiv:2210.06518",
    "Semi-Supervised Offline Reinforcement Learning with Action-Free Trajectories",
    "Qinqing Zheng and Mikael Henaff and Brandon Amos and Aditya Grover",
    2023,
)
CARD = Card("ss_orl", "plan", ss_orl, Hyper, PAPER, prepare=Hiding({**prepare.standardised.defaults, "hidden": 0.9}))
