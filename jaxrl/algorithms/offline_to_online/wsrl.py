"""WSRL: offline training, some steps by the frozen policy, then plain SAC on own steps alone (arXiv:2412.07762).

Departures: a target's two critics are drawn without replacement, the authors' may be one twice; offline training is
always Cal-QL's or CQL's with a fixed weight of the penalty; for AntMaze they back up the best of ten next actions in
both phases, here one. Rewards are those of the environment. As theirs: both networks are normalised, the backup has no
entropy, the actor follows the smallest of all critics, optimisers go on where they were. Defaults: locomotion.
"""

from jaxrl.algorithms.offline_to_online import cql_finetune
from jaxrl.compose import calibrated, terms
from jaxrl.core.card import Card, Paper
from jaxrl.core.types import Algorithm, Env, Phase, Spec

Hyper = cql_finetune.Hyper


def wsrl(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 10, subset: int = 2, samples: int = 10,
    calibrate: bool = True, layer_norm: bool = True, offline_updates: int = 250_000, repeat: int = 4,
    share: float = 0.0, capacity: int = 1_000_000, envs: int = 1, per: int = 1, warmup: int = 5_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """Cal-QL (CQL unless `calibrate`) on the data, `warmup` steps by its policy, then `repeat` updates after each step.

    An update is of all critics; actor and temperature move once a step. share: of logged rows in an online batch, none
    in the paper.
    """
    sizes = {"width": width, "depth": depth, "critics": critics, "layer_norm": layer_norm}
    penalty = calibrated.conservative if calibrate else terms.conservative
    offline = learner(env.spec, (terms.with_samples(penalty, samples),), subset, 1, **sizes)
    online = learner(env.spec, (), subset, repeat, **sizes)
    gathering = {"share": share, "capacity": capacity, "envs": envs, "per": per, "warmup": warmup}
    told = (calibrate, False)
    return cql_finetune.continued(env, batch, (offline, online), offline_updates, repeat, told=told, **gathering)


def learner(spec: Spec, penalties: tuple, subset: int, delay: int, layer_norm: bool, **sizes) -> Algorithm:
    """SAC with targets from `subset` critics, and `penalties` of its critics; the actor moves every `delay` updates."""
    recipe = cql_finetune.cql.recipe(terms.conservative, 1, False)
    recipe = recipe._replace(backup=(terms.with_subset(subset),), critic=penalties)
    net = {"norm_first": layer_norm}
    return cql_finetune.cql.soft(recipe, spec, delay=delay, actor_options=net, critic_options=net, **sizes)


PAPER = Paper(
    "arXiv:2412.07762",
    "Efficient Online Reinforcement Learning Fine-Tuning Need Not Retain Offline Data",
    "Zhiyuan Zhou and Andy Peng and Qiyang Li and Sergey Levine and Aviral Kumar",
    2024,
)
CARD = Card("wsrl", "plan", wsrl, Hyper, PAPER, online=True)
