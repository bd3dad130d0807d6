"""Prioritised replay: Double DQN on steps drawn in proportion to the size of their errors (arXiv:1511.05952).

Departures: those of `dqn`; `correction` stays at its first value where the paper raises it to 1 in the course of
training; the step size is DQN's, not a quarter of it.
"""

from jaxrl.algorithms.online import double_dqn
from jaxrl.compose.q_learning import q_learning
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Algorithm, Env, Source, Spec
from jaxrl.sources import ring
from jaxrl.sources.replay import replay


def prioritised_dqn(spec: Spec, *, width: int = 120, depth: int = 2, copy_every: int = 50) -> Algorithm:
    """Double DQN; what is special is where its batches come from."""
    return q_learning(spec, double_dqn.RECIPE, width=width, depth=depth, copy_every=copy_every)


def by_error(
    env: Env, batch: int, *, capacity: int = 10_000, envs: int = 1, per: int = 10, warmup: int = 10_000,
    steps: int = 1, densities: bool = False, exponent: float = 0.6, correction: float = 0.4,
) -> Source:  # fmt: skip
    """Replay drawn by priority^exponent, weighted by probability^-correction (alpha and beta of the paper)."""
    sizes = {"capacity": capacity, "envs": envs, "per": per, "warmup": warmup, "steps": steps}
    options = {"densities": densities, "exponent": exponent, "correction": correction}
    return replay(env, batch, **sizes, **options, kind=ring.prioritised)


PAPER = Paper(
    "arXiv:1511.05952",
    "Prioritized Experience Replay",
    "Tom Schaul and John Quan and Ioannis Antonoglou and David Silver",
    2016,
)
CARD = Card(
    "prioritised_dqn", "online", prioritised_dqn, double_dqn.Hyper, PAPER, ("discrete",), batch=128, collect=by_error
)
