"""Algorithm Distillation on bandits it has never met: regret near that of the player whose histories it has cloned.

A clone without a memory pulls the same arm in every bandit, the one that the player pulled more often over all of them.
"""

import numpy as np

from benchmarks.effects.dpt import ARMS, MARGIN, PULLS, STD, known, learned
from benchmarks.effects.effect import Effect
from jaxrl.envs import bandits

UPDATES = 2_000
SIZES = {"ad": {"width": 16, "blocks": 2, "heads": 1, "window": PULLS}, "bc": {"width": 16}}
NUMBERS = {"actor_lr": 3e-3}


def distilled(card: str, seeds, updates: int = UPDATES, **numbers):
    """Summed regrets [seeds] of a card trained on histories of Thompson sampling."""
    return np.asarray(learned(card, bandits.thompson(ARMS, STD), seeds, updates, SIZES[card], **numbers)[0])


def measure(seeds: int) -> list[Effect]:
    """Against a clone without a memory, and against the player itself with a margin."""
    every = list(range(seeds))
    system, clone = distilled("ad", every, **NUMBERS), distilled("bc", every)
    thompson = np.asarray(known(every, bandits.thompson(ARMS, STD))[0])
    task, lower = f"bandits, {ARMS} arms, noise {STD}", {"higher": False}
    summed = f"regret of {PULLS} pulls"
    return [
        Effect("ad", "bc", task, summed, system, clone, **lower),
        Effect("ad", f"{MARGIN} x Thompson sampling, its teacher", task, summed, system, MARGIN * thompson, **lower),
    ]
