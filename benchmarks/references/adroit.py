"""Returns and success of the published DAPG policies in Gymnasium-Robotics' Adroit tasks (extra `robotics`).

    python benchmarks/references/adroit.py                     # 20 episodes of 200 steps with each of the four
    python benchmarks/references/adroit.py --tasks pen --horizon 100

The policies lie under JAXRL_EXTERNAL_DATA/adroit_dapg_policies; their README records what they reached elsewhere.
Actions are the policies' means, clipped. An episode succeeds when any of its steps does. Returns hold for
gymnasium-robotics 1.2.1 to 1.4.2 alone: the rewards of AdroitHand*-v1 were others before, without a new version.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.adapters import robotics

TASKS = {
    "door": "AdroitHandDoor-v1",
    "hammer": "AdroitHandHammer-v1",
    "pen": "AdroitHandPen-v1",
    "relocate": "AdroitHandRelocate-v1",
}
LAYERS = 3


class Played(NamedTuple):
    """returns, success: one number per episode."""

    returns: np.ndarray
    success: np.ndarray


def policy(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """obs [D] -> mean action [A], unbounded, of a stored policy: a tanh network between two affine maps."""
    with np.load(file) as stored:
        part = {name: stored[name].astype(np.float64) for name in stored.files}

    def act(obs):
        x = (obs - part["in_shift"]) / (part["in_scale"] + 1e-8)
        for i in range(LAYERS - 1):
            x = np.tanh(part[f"W{i}"] @ x + part[f"b{i}"])
        return (part[f"W{LAYERS - 1}"] @ x + part[f"b{LAYERS - 1}"]) * part["out_scale"] + part["out_shift"]

    return act


def play(task: str, act: Callable, episodes: int, seed: int = 0, horizon: int = 200) -> Played:
    """Episodes with reset seeds seed, seed + 1, ... in the task's environment."""
    spec = robotics.replaced(adapter.find(TASKS[task]), max_episode_steps=horizon)
    env = adapter.host(spec).make()
    rows = []
    for i in range(episodes):
        (obs, _), total, over = env.reset(seed=seed + i), 0.0, False
        while not over:
            obs, reward, terminated, truncated, info = env.step(np.clip(act(obs), -1, 1))
            total, over = total + reward, terminated or truncated
        rows.append((total, info["success"]))
    env.close()
    return Played(*map(np.array, zip(*rows, strict=True)))


def main(arguments: list[str] | None = None) -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("JAXRL_EXTERNAL_DATA", ".")))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--horizon", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for task in options.tasks:
        act = policy(options.data / "adroit_dapg_policies" / f"{task}.npz")
        seen = play(task, act, options.episodes, options.seed, options.horizon)
        print(
            f"{TASKS[task]:22} return {seen.returns.mean():8.0f} ± {seen.returns.std():5.0f}   "
            f"success {seen.success.mean():.2f}   {options.episodes} episodes of {options.horizon} steps"
        )


if __name__ == "__main__":
    main()
