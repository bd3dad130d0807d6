"""CQL(H): SAC whose critics are pushed down on actions that the data lacks (arXiv:2006.04779).

Departures: the backup carries no entropy, as in CORL and the authors' code; parts move one after the other (critics,
actor, temperature) where the code takes all gradients first. Defaults are CORL's for locomotion; `max_backup` backs up
the best of sampled next actions (the code's choice for AntMaze).
"""

from jaxrl.algorithms.online import sac
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Recipe
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.networks import basic


@hyper
class Hyper(sac.Hyper):
    """SAC's numbers; conservatism: alpha of the paper."""

    actor_lr: float = 3e-5
    conservatism: float = 10.0


def recipe(penalty, samples: int, max_backup: bool) -> Recipe:
    """SAC's recipe with a conservative critic and a backup without entropy."""
    backup = terms.with_samples(terms.best_of, samples) if max_backup else terms.pessimistic
    return sac.RECIPE._replace(backup=(backup,), critic=(terms.with_samples(penalty, samples),))


def orthogonal(scale: float) -> dict:
    """Orthogonal layers, the last one scaled down to 0.01 (CORL)."""
    return {"kernel": basic.orthogonal(scale), "last_kernel": basic.orthogonal(0.01)}


def cql(
    spec: Spec, *, width: int = 256, depth: int = 3, critics: int = 2, samples: int = 10, max_backup: bool = False
) -> Algorithm:
    """Squashed Gaussian actor, twin critics; `samples` actions from each of three laws."""
    chosen = recipe(terms.conservative, samples, max_backup)
    return soft(chosen, spec, width=width, depth=depth, critics=critics)


def soft(chosen: Recipe, spec: Spec, others={}, **structure) -> Algorithm:
    """SAC with a conservative recipe, and CORL's initialisation unless options of the networks are given."""
    options = orthogonal(2**0.5)
    structure = {"actor_options": options, "critic_options": options, **structure}
    return sac.soft_actor_critic(spec, chosen, others, **structure)


PAPER = Paper(
    "arXiv:2006.04779",
    "Conservative Q-Learning for Offline Reinforcement Learning",
    "Aviral Kumar and Aurick Zhou and George Tucker and Sergey Levine",
    2020,
)
CARD = Card("cql", "offline", cql, Hyper, PAPER, prepare=prepare.standardised)
