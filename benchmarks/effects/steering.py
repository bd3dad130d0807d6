"""V-GPS and ResiP against the cloned policies that they steer."""

import jaxrl
from benchmarks.effects.effect import Effect

REPLAY, MEDIUM = "embedded/pointmaze-umaze-medium-replay-v0", "embedded/pointmaze-umaze-medium-v0"
INDIFFERENT = 1e9
"""A softness at which the critic has no say."""


def guided(seeds: int, updates: int = 2000) -> list:
    """[softness][seed] mean scores of the last evaluation, by an indifferent choice and by two others."""
    hypers = jaxrl.grid("v_gps", softness=[INDIFFERENT, 1.0, 0.1], discount=0.99)
    sizes = {"width": 32, "samples": 2, "critic_updates": 3000, "batch": 64}
    return jaxrl.sweep("v_gps", REPLAY, hypers=hypers, seeds=seeds, updates=updates, episodes=50,
                       evaluate_every=updates, **sizes).scores[:, :, -1]  # fmt: skip


def corrected(seeds: int, updates: int = 60) -> tuple:
    """(scores of the clone, of the corrected clone, of PPO after as many steps), [seeds] each."""
    sizes = {"envs": 32, "length": 64, "minibatches": 8}
    ours = jaxrl.sweep(
        "resip", MEDIUM, seeds=seeds, updates=updates, episodes=50, evaluate_every=updates, width=64, residual_width=64,
        clone_updates=4000, residual_scale=0.3, discount=0.99, **sizes,
    )  # fmt: skip
    plain = jaxrl.sweep(
        "ppo", jaxrl.load(MEDIUM)._replace(dataset=None), seeds=seeds, updates=updates, episodes=50,
        evaluate_every=updates, critic_lr=5e-3, **sizes,
    )  # fmt: skip
    return ours.scores[0, :, 0], ours.scores[0, :, -1], plain.scores[0, :, -1]


def measure(seeds: int) -> list[Effect]:
    """Scores on the point maze."""
    free, soft, sharp = guided(seeds)
    clone, better, scratch = corrected(seeds)
    return [
        Effect("v_gps", "its cloned policy", REPLAY, "score at softness 1", soft, free),
        Effect("v_gps", "its cloned policy", REPLAY, "score at softness 0.1", sharp, free),
        Effect("resip", "its cloned policy", MEDIUM, "score after 123,000 steps", better, clone),
        Effect("resip", "ppo", MEDIUM, "score after 123,000 steps", better, scratch, paired=False),
    ]
