"""Policy smoothing: any online card on observations with Gaussian noise, in training and when it acts.

The mean return of such an agent has a lower bound against every adversary that may change observations by a bounded
total amount, see `evaluation.certify` (arXiv:2106.11420).

Departures: one frame is observed, where the paper stacks five; the noise is in the environment's own units, the paper's
in those of normalised states.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxrl.core.card import Card, Paper, Wrapper
from jaxrl.core.check import InputError
from jaxrl.core.types import Env, Task
from jaxrl.envs.noisy import noisy


class Noising(NamedTuple):
    """A card's preparation, after which the environment's observations have noise of the std `smoothing`."""

    prepare: Any
    defaults: Mapping[str, Any]

    def __call__(self, task: Task, **options) -> Task:
        chosen = {**self.defaults, **options}
        std = chosen.pop("smoothing")
        ready = self.prepare(task, **chosen)
        if not isinstance(ready.env, Env):
            raise InputError(
                f"smoothing adds noise inside the compiled program, but {ready.env.spec.name} runs on the host here; "
                "use a task whose environment is in JAX, or an accelerator"
            )
        if std < 0:
            raise InputError(f"smoothing={std:g} is the std of noise; give zero or more")
        return ready._replace(env=noisy(ready.env, std))


def wrap(card: Card) -> Card:
    """The card on noisy observations; InputError for one that does not learn online, whose data have none."""
    if card.kind != "online":
        raise InputError(
            f"wrapper smoothing needs noise while data are gathered, but {card.name} is of kind {card.kind!r}; wrap an "
            "online card, such as smoothing+ppo"
        )
    return card._replace(prepare=Noising(card.prepare, {**card.preparation(), "smoothing": 0.05}))


PAPER = Paper(
    "arXiv:2106.11420",
    "Policy Smoothing for Provably Robust Reinforcement Learning",
    "Aounon Kumar and Alexander Levine and Soheil Feizi",
    2021,
)
CARD = Wrapper("smoothing", wrap, PAPER)
