"""A2PR against TD3+BC with the settings of PRDC's measurement.

Tasks were chosen on seeds 100 to 109, which are not those that are measured; five seeds are too few to tell.
"""

from benchmarks.effects.effect import Effect
from benchmarks.effects.prdc import against_td3_bc

TASKS = ("embedded/pendulum-medium-v0", "embedded/pointmaze-umaze-medium-v0")
SMALL = {"vae_width": 32, "value_lr": 3e-4}


def measure(seeds: int) -> list[Effect]:
    """A2PR."""
    return against_td3_bc("a2pr", TASKS, seeds, **SMALL)
