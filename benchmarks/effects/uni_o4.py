"""Uni-O4's offline steps improve on its clones, by its own estimate and in the environment, and nothing drops online.

The parent "uni_o4 improve_updates=1" takes the best of the same clones as it is: the estimate that gates comes before
each update, so one update is never accepted.
"""

import jaxrl
from benchmarks.effects.effect import Effect

TASK = "embedded/pointmaze-umaze-medium-replay-v0"
SMALL = {
    "width": 32, "depth": 2, "batch": 128, "members": 2, "model_width": 32, "model_depth": 2, "models": 3,
    "elites": 2, "value_updates": 4000, "model_updates": 3000, "clone_updates": 2000, "improve_updates": 2000,
    "every": 100, "horizon": 20, "starts": 64, "envs": 8, "length": 100, "passes": 5, "minibatches": 8,
    "discount": 0.98, "value_lr": 1e-3, "polyak": 0.02, "clone_lr": 1e-3, "improve_lr": 1e-3, "actor_lr": 3e-4,
    "critic_lr": 1e-3, "ratio_clip": 0.2, "entropy_weight": 0.0,
}  # fmt: skip


def trained(seeds: int | list[int], **options) -> jaxrl.Result:
    """All phases, then ten batches of PPO; evaluated before the first and after every second."""
    return jaxrl.sweep("uni_o4", TASK, seeds=seeds, updates=10, evaluate_every=2, episodes=20, **{**SMALL, **options})


def estimates(result: jaxrl.Result) -> list[float]:
    """What the policy that went online is worth by its own estimate, of each seed."""
    return result.earlier["improvement"].best.max(-1).tolist()


def measure(seeds: int) -> list[Effect]:
    """Offline return and estimate beside those of the clones, and the return online beside the offline one."""
    ours, clones = trained(seeds), trained(seeds, improve_updates=1)
    start = lambda result: result.returns[0, :, 0].tolist()
    parent = "uni_o4 improve_updates=1"
    online = ours.returns[0, :, 1:].mean(-1).tolist()
    return [
        Effect("uni_o4", parent, TASK, "offline return", start(ours), start(clones)),
        Effect("uni_o4", parent, TASK, "own estimate", estimates(ours), estimates(clones)),
        Effect("uni_o4", "uni_o4 offline", TASK, "return online", online, start(ours), expected="equal"),
    ]
