"""RLPD learns faster than SAC from the same steps in the environment, and faster than without logged data.

Early learning is the mean of returns after 200, 400, ... 1,200 updates, one step each. Networks are small, and step
sizes large, enough for two slow cores; the parents have the system's own numbers.
"""

import jaxrl
from benchmarks.effects.effect import Effect

TASKS = {"embedded/pendulum-medium-replay-v0": 0.95, "embedded/pointmaze-umaze-medium-replay-v0": 0.98}
"""Tasks and their discounts."""
SMALL = {
    "width": 32, "batch": 32, "warmup": 200, "capacity": 20_000, "critic_lr": 1e-3, "actor_lr": 1e-3,
    "temperature_lr": 1e-3, "polyak": 0.02,
}  # fmt: skip
MANY = {"critics": 4, "repeat": 5}


def learned(card: str, task: str, seeds: int | list[int], **options) -> list[float]:
    """Early learning of each seed."""
    settings = {**SMALL, "discount": TASKS[task], **options}
    result = jaxrl.sweep(card, task, seeds=seeds, updates=1200, evaluate_every=200, **settings)
    return result.returns[0, :, -6:].mean(-1).tolist()


def measure(seeds: int) -> list[Effect]:
    """RLPD beside SAC, and beside itself with own rows alone."""
    rows = []
    for task in TASKS:
        ours = learned("rlpd", task, seeds, **MANY)
        parents = {"sac": learned("sac", task, seeds), "rlpd share=0": learned("rlpd", task, seeds, share=0.0, **MANY)}
        rows += [Effect("rlpd", name, task, "early return", ours, theirs) for name, theirs in parents.items()]
    return rows
