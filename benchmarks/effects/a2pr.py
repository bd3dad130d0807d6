"""A2PR against TD3+BC on the data and with the settings of PRDC's measurement."""

from benchmarks.effects.effect import Effect
from benchmarks.effects.prdc import MAZE, scores

SMALL = {"vae_width": 32, "value_lr": 3e-4}


def measure(seeds: int) -> list[Effect]:
    """Normalised scores."""
    systems, parents = scores("a2pr", seeds, **SMALL), scores("td3_bc", seeds)
    return [Effect("a2pr", "td3_bc", f"{MAZE}, q_scale 1", "score", systems, parents)]
