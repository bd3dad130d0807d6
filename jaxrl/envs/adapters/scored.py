"""How far an episode succeeded, beside its return. Imported only where Gymnasium is used; see `adapters.robotics`."""

from typing import Any

import gymnasium
import numpy as np


class Scored(gymnasium.Wrapper):
    """Keeps the `success` of the episode so far, from 0 to 1, and shows it as `info["success"]`; the rest is unchanged.

    An episode succeeds when any of its steps does (mazes, Adroit's hand, Fetch). In the kitchen it is the share of the
    tasks that were completed at some step; times their number it is D4RL's score.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.success = 0.0

    def reset(self, **settings: Any):
        obs, info = self.env.reset(**settings)
        self.success = 0.0
        return obs, info

    def step(self, action: Any):
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.success = max(self.success, share(info, self.env.unwrapped))
        return obs, float(np.asarray(reward).item()), terminated, truncated, {**info, "success": self.success}


def share(info: dict, env: Any) -> float:
    """Success, from 0 to 1, that a step's info tells; 0 where it tells none. env: without wrappers."""
    if "episode_task_completions" in info:
        return len(info["episode_task_completions"]) / len(env.goal)
    return float(np.max(info.get("success", info.get("is_success", 0.0))))
