"""Runs a sweep for the kill tests: `python -m tests.sweep.killed CASE FOLDER OUT`; writes its scores and parameters."""

import sys
from pathlib import Path

import jax
import numpy as np

import jaxrl
from tests import made

SMALL = {"episodes": 1, "batch": 8, "width": 8, "depth": 1, "seeds": 2, "saving": 1.0}
LONG = {"updates": 60, "evaluate_every": 3}
CASES = {
    "offline": ("td3_bc", "made", {**LONG, "q_scale": [1.0, 5.0]}),
    "online": ("dqn", "CartPole-v1", {"updates": 40, "evaluate_every": 2, "envs": 2, "warmup": 4, "capacity": 64}),
    "plan": (
        "mopo",
        "made",
        {
            **LONG, "updates": 20, "evaluate_every": 1, "model_updates": 30, "starts": 8, "kept": 2, "every": 4,
            "horizon": 2, "model_width": 8, "model_depth": 1, "members": 2, "elites": 1,
        },
    ),
}  # fmt: skip


def run(case: str, folder: str | None, say=lambda text: None) -> dict[str, np.ndarray]:
    """Everything that a run brings, by name."""
    card, task, options = CASES[case]
    result = jaxrl.sweep(
        card, made.task() if task == "made" else task, checkpoint=folder,
        report=lambda one: say(f"update {one.update}"), **{**SMALL, **options},
    )  # fmt: skip
    leaves = {f"state{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(result._state))}
    losses = {f"metric{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(result.metrics))}
    return {**leaves, **losses, "returns": result.episode_returns, "diverged": result.diverged_at}


if __name__ == "__main__":
    case, folder, out = sys.argv[1:]
    found = run(case, folder, lambda text: print(text, flush=True))
    np.savez(Path(out), **found)
