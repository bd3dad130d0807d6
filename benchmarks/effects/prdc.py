"""PRDC against TD3+BC on a pendulum's sub-optimal data, with the published weight of cloning for both.

Tasks were chosen on seeds 100 to 102, which are not those that are measured. In mazes neither was ahead on all data.
"""

import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect

TASKS = ("embedded/pendulum-medium-v0", "embedded/pendulum-medium-replay-v0")
SHARED = {
    "width": 32, "depth": 2, "batch": 64, "updates": 4_000, "evaluate_every": 4_000, "episodes": 20,
    "actor_lr": 1e-3, "critic_lr": 1e-3,
}  # fmt: skip
"""For all cards."""


def scores(card: str, task: str, seeds, **options) -> np.ndarray:
    """Final scores of the seeds."""
    return jaxrl.sweep(card, task, seeds=seeds, **SHARED, **options).scores[0, :, -1]


def against_td3_bc(card: str, tasks, seeds: int, **options) -> list[Effect]:
    """Normalised scores of a card with options of its own."""
    both = [(task, scores(card, task, seeds, **options), scores("td3_bc", task, seeds)) for task in tasks]
    return [Effect(card, "td3_bc", task, "score", ours, theirs) for task, ours, theirs in both]


def measure(seeds: int) -> list[Effect]:
    """PRDC."""
    return against_td3_bc("prdc", TASKS, seeds)
