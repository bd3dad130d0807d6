"""REDQ: SAC with twenty updates a step, ten critics, and targets from two of them drawn anew (arXiv:2101.05982).

Departures: within an update the actor sees the critics after their step, where the authors' code takes both gradients
first; the wanted entropy is minus the number of action dimensions everywhere (theirs differs for Humanoid and Ant).
"""

from jaxrl.algorithms.online import sac
from jaxrl.compose import terms
from jaxrl.compose.repeat import repeat as repeated
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Algorithm, Env, Source, Spec
from jaxrl.sources.replay import replay

Hyper = sac.Hyper


def redq(
    spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 10, subset: int = 2, repeat: int = 20
) -> Algorithm:
    """SAC's actor; `repeat` updates of `critics` critics a call, then one of actor and temperature.

    A target is the smallest of `subset` critics; a batch is split among the updates.
    """
    recipe = sac.RECIPE._replace(
        backup=(terms.with_subset(subset), terms.entropy_bonus), actor=(terms.maximise_mean_q, terms.entropy_cost)
    )
    learner = sac.soft_actor_critic(spec, recipe, width=width, depth=depth, critics=critics, delay=repeat)
    return repeated(learner, repeat)


def collect(
    env: Env, batch: int, *, repeat: int = 20, capacity: int = 1_000_000, envs: int = 1, per: int = 1,
    warmup: int = 5_000,
) -> Source:  # fmt: skip
    """Replay that draws `batch` rows for each of the updates."""
    return replay(env, batch * repeat, capacity=capacity, envs=envs, per=per, warmup=warmup)


PAPER = Paper(
    "arXiv:2101.05982",
    "Randomized Ensembled Double Q-Learning: Learning Fast Without a Model",
    "Xinyue Chen and Che Wang and Zijian Zhou and Keith Ross",
    2021,
)
CARD = Card("redq", "online", redq, Hyper, PAPER, collect=collect)
