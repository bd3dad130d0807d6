"""RLPD: SAC from scratch, half of every batch logged data, many normalised critics and updates (arXiv:2302.02948).

Departures: parts move one after the other within an update, as everywhere here; the authors' order of rows in a batch
(logged and own alternate) is one half after the other; kernels start by LeCun's rule, theirs by Xavier's. Defaults are
those for locomotion; AntMaze takes `subset=1 depth=3 entropy_backup=false`, Adroit `depth=3 entropy_backup=false`.
"""

from jaxrl.algorithms.online import sac
from jaxrl.compose import terms
from jaxrl.compose.repeat import repeat as repeated
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Env, Phase
from jaxrl.sources.mix import mix


@hyper
class Hyper(sac.Hyper):
    """SAC's numbers."""

    entropy_per_dimension: float = -0.5


def rlpd(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 10, subset: int = 2, repeat: int = 20,
    layer_norm: bool = True, entropy_backup: bool = True, share: float = 0.5, capacity: int = 1_000_000,
    envs: int = 1, per: int = 1, warmup: int = 5_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """One phase: after each step `repeat` updates of `critics` critics on batches of their own, then one of the actor.

    share: of logged rows in a batch. subset: critics of which the smallest is a target. layer_norm: in the critics.
    """
    recipe = sac.RECIPE._replace(
        backup=(terms.with_subset(subset), *(terms.entropy_bonus,) * entropy_backup),
        actor=(terms.maximise_mean_q, terms.entropy_cost),
    )
    learner = sac.soft_actor_critic(
        env.spec, recipe, delay=repeat, width=width, depth=depth, critics=critics,
        critic_options={"norm_first": layer_norm},
    )  # fmt: skip
    gathering = {"share": share, "parts": repeat, "capacity": capacity, "envs": envs, "per": per, "warmup": warmup}

    def source(given, stock):
        return mix(env._replace(params=given.params), given.dataset, batch * repeat, **gathering)

    return (Phase("online", repeated(learner, repeat), source),)


PAPER = Paper(
    "arXiv:2302.02948",
    "Efficient Online Reinforcement Learning with Offline Data",
    "Philip J. Ball and Laura Smith and Ilya Kostrikov and Sergey Levine",
    2023,
)
CARD = Card("rlpd", "plan", rlpd, Hyper, PAPER, online=True)
