"""RIQL against IQL in the maze and on the pendulum, 30 % of one thing in the data corrupted at random, or none."""

import numpy as np

import jaxrl
from benchmarks.effects.effect import Effect

MAZE, SWING = "embedded/pointmaze-umaze-medium-replay-v0", "embedded/pendulum-medium-replay-v0"
KINDS = ("reward", "action", "obs", "dynamics")
SHARED = {
    "width": 32, "depth": 2, "batch": 64, "updates": 4_000, "evaluate_every": 4_000, "episodes": 20,
    "actor_lr": 1e-3, "critic_lr": 1e-3, "value_lr": 1e-3,
}  # fmt: skip
PREPARED = {MAZE: {"return_range": 0.0}, SWING: {"return_range": 0.0, "reward_scale": 0.1}}
"""For both cards: the range of returns that IQL's preparation scales to would be one of noise here."""
BOUNDS = {MAZE: {}, SWING: {"target_low": -1000.0}}
"""RIQL's bounds of targets are for rewards that are not all negative; its other numbers are the card's."""


def scores(card: str, task: str, corruption: str, seeds) -> np.ndarray:
    """Final scores of the seeds on the data with that corruption, "" for none."""
    options = SHARED | PREPARED[task] | (BOUNDS[task] if card == "riql" else {})
    data = task + (f"+corrupt_{corruption}:0.3" if corruption else "")
    return jaxrl.sweep(card, data, seeds=seeds, **options).scores[0, :, -1]


def effect(task: str, corruption: str, seeds) -> Effect:
    """Both cards on one kind of data; nothing is to be lost where nothing is corrupted."""
    found = {card: scores(card, task, corruption, seeds) for card in ("riql", "iql")}
    name = task + (f"+corrupt_{corruption}:0.3" if corruption else "")
    return Effect("riql", "iql", name, "score", *found.values(), expected="better" if corruption else "equal")


def measure(seeds: int) -> list[Effect]:
    """Normalised scores."""
    return [effect(task, corruption, seeds) for task in (MAZE, SWING) for corruption in (*KINDS, "")]
