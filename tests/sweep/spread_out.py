"""Runs sweeps for the device tests: `python -m tests.sweep.spread_out OUT [COORDINATOR COUNT INDEX]`."""

import sys

import jax
import numpy as np

import jaxrl
from tests import made

SMALL = {"updates": 4, "evaluate_every": 2, "episodes": 1, "batch": 8, "width": 8, "depth": 1}
PLAN = {
    "model_updates": 4, "starts": 4, "every": 2, "kept": 1, "horizon": 1, "model_width": 8, "model_depth": 1,
    "members": 2, "elites": 1,
}  # fmt: skip
SWEEPS = {
    "td3_bc": {"q_scale": [1.0, 2.5, 5.0], "critic_lr": [3e-4, 1e30], "seeds": 2},
    "mopo": {"seeds": 3, **PLAN},
}


def sweeps(folder: str | None = None) -> dict[str, np.ndarray]:
    """What each sweep brings, by name."""
    found = {}
    for card, options in SWEEPS.items():
        kept = {"checkpoint": f"{folder}/{card}", "saving": 1.0} if folder else {}
        result = jaxrl.sweep(card, made.task(), **{**SMALL, **options, **kept})
        found[f"{card} returns"], found[f"{card} diverged"] = result.episode_returns, result.diverged_at
        found[f"{card} parts"] = result.diverged_part
        found |= {f"{card} metric {i}": x for i, x in enumerate(jax.tree.leaves(result.metrics))}
        found |= {f"{card} state {i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(result._state))}
        obs = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
        found[f"{card} actions"] = result.policy(0, len(result.seeds) - 1)(obs)
    return found


if __name__ == "__main__":
    out, *cluster = sys.argv[1:]
    if cluster:
        address, count, index = cluster
        jax.distributed.initialize(address, int(count), int(index))
    # Several processes keep no checkpoints; of one, everything is stored by the second call, which reads it.
    folder = None if cluster else out.removesuffix(".npz")
    found, again = sweeps(folder), {} if cluster else sweeps(folder)
    for name in again:
        np.testing.assert_array_equal(again[name], found[name], err_msg=name)
    np.savez(out, devices=jax.local_device_count(), processes=jax.process_count(), **found)
