"""Cal-QL: CQL whose penalty stops at logged returns, offline and then online (arXiv:2303.05479).

Departures: as for `cql_finetune`, so own steps carry a return only once their episode is over and are drawn without
one before. Where an episode was cut the smallest logged reward is taken to follow for ever, which is the authors' rule
for sparse rewards where none was met, and a true lower bound elsewhere. The weight of the penalty is fixed
(`conservatism`; 5 for kitchen and locomotion, 1 for Adroit), where AntMaze has a multiplier.
"""

from jaxrl.algorithms.offline_to_online import cql_finetune
from jaxrl.compose import calibrated
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Env, Phase

Hyper = cql_finetune.Hyper


def cal_ql(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 2, samples: int = 10,
    max_backup: bool = False, offline_updates: int = 1_000_000, repeat: int = 1, share: float = 0.5,
    capacity: int = 1_000_000, envs: int = 1, per: int = 1, warmup: int = 1_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """As `cql_finetune`, with returns as a floor of the penalty in both phases."""
    chosen = cql_finetune.cql.recipe(calibrated.conservative, samples, max_backup)
    learner = cql_finetune.cql.soft(chosen, env.spec, width=width, depth=depth, critics=critics)
    gathering = {"share": share, "capacity": capacity, "envs": envs, "per": per, "warmup": warmup}
    both = True, True
    return cql_finetune.continued(env, batch, (learner, learner), offline_updates, repeat, told=both, **gathering)


PAPER = Paper(
    "arXiv:2303.05479",
    "Cal-QL: Calibrated Offline RL Pre-Training for Efficient Online Fine-Tuning",
    "Mitsuhiko Nakamoto and Yuexiang Zhai and Anikait Singh and Max Sobol Mark and Yi Ma and Chelsea Finn and "
    "Aviral Kumar and Sergey Levine",
    2023,
)
CARD = Card("cal_ql", "plan", cal_ql, Hyper, PAPER, online=True)
