"""Gymnasium-Robotics (extra `robotics`): its ids, and how D4RL's families of Minari datasets are evaluated in it.

Observations are the flattened dictionaries, keys in alphabetical order, in data and environment alike. AntMaze, 31
numbers in v4: achieved_goal (the ant's x, y), desired_goal (the goal's x, y), observation (27: height, orientation and
joints, then velocities). The `observation` alone lacks the position, and nothing can be learned from it. PointMaze, 8:
achieved_goal, desired_goal, observation (x, y and their speeds). FrankaKitchen: achieved_goal and desired_goal of the
dataset's tasks, observation (59). Adroit's are flat as they are.

Episodes: AntMaze is scored by first success, as D4RL's was: the episode ends at the goal with a return of 1, its start,
goal and limit (700 steps in umaze, else 1000) being those of the dataset's evaluation environment. PointMaze goes on at
the goal to its limit, as in D4RL's maze2d, and the return counts the steps there. Adroit has 200 steps, D4RL/pen 100.
FrankaKitchen is as stored: the return counts completed tasks at every step, so that success is the figure to read.
"""

import contextlib
import copy
import os
import sys
from types import SimpleNamespace
from typing import Any

from jaxrl.envs.adapters.extras import imported

PACKAGE = "gymnasium_robotics"
FAMILIES = ("AntMaze_", "PointMaze_", "AdroitHand", "FrankaKitchen-", "Fetch", "HandReach", "HandManipulate")
"""How the ids begin that the package registers and Gymnasium does not know."""
PEN_HORIZON = 100
"""Steps of an episode in D4RL's pen data; the environment's own limit is 200."""
WALL = 1


def needed(name: str) -> bool:
    """Whether an environment's id is one of this package's."""
    return name.startswith(FAMILIES)


def made_here(env_spec: Any) -> bool:
    """Whether a Gymnasium `EnvSpec` is of an environment of this package."""
    return str(env_spec.entry_point).startswith(PACKAGE)


def register(what: str) -> None:
    """Let Gymnasium know the package's ids; InputError that names the extra where it is not installed.

    Release 1.4.2 says on standard error that rewards of AdroitHand*-v1 changed in 1.2.1 without a new version. That is
    for whoever compares returns with older ones, and stands in the suite's notes; it is not repeated at every import.
    """
    if PACKAGE not in sys.modules:
        imported(PACKAGE, "robotics", what)
        compare_joints_as_numbers()


def compare_joints_as_numbers() -> None:
    """Let release 1.4.2 read joints with recent MuJoCo, in which a joint's kind equals no integer of NumPy's.

    It asks `kind in (HINGE, SLIDE)`, which is False there for every joint, so the kitchen could not be made.
    """
    import mujoco
    import numpy as np
    from gymnasium_robotics.utils import mujoco_utils

    if mujoco.mjtJoint.mjJNT_HINGE == np.int32(int(mujoco.mjtJoint.mjJNT_HINGE)):
        return
    kinds = {name: int(kind) for name, kind in mujoco.mjtJoint.__members__.items()}
    mujoco_utils.mujoco = SimpleNamespace(**{**vars(mujoco), "mjtJoint": SimpleNamespace(**kinds)})


def finished(env: Any) -> Any:
    """An environment just made by this package, with success kept beside rewards (`adapters.scored.Scored`).

    The mazes' model files, which the package leaves in the folder for temporary files, are removed: they were read.
    """
    from jaxrl.envs.adapters.scored import Scored

    model = getattr(env.unwrapped, "tmp_xml_file_path", None)
    if model:
        with contextlib.suppress(OSError):
            os.unlink(model)
    return Scored(env)


def evaluation_spec(dataset_id: str, env_spec: Any, eval_env_spec: Any) -> Any:
    """The `EnvSpec` in which policies learned from a dataset are evaluated; None where the dataset names none.

    That is the dataset's evaluation environment, else the one of its data: the very object unless something has to be
    changed. AntMaze is turned like its data and ends at the first success (see `antmaze`), D4RL/pen after 100 steps.
    Returns of a changed environment are not on the scale of the reference returns in the dataset's metadata.
    """
    stored = eval_env_spec or env_spec
    if stored is None or not made_here(stored):
        return stored
    if stored.id.startswith("AntMaze_"):
        return antmaze(stored, env_spec or stored)
    if dataset_id.startswith("D4RL/pen/") and (stored.max_episode_steps or PEN_HORIZON + 1) > PEN_HORIZON:
        return replaced(stored, max_episode_steps=PEN_HORIZON)
    return stored


def antmaze(stored: Any, env_spec: Any) -> Any:
    """AntMaze's evaluation environment, corrected.

    Its map: Minari's umaze sets store one turned by 180 degrees against the data (Minari issue 304); turned back, with
    its start and goal, it is the maze of the data. Where no turn helps, the data's own map is taken. Its reward: the
    stored task goes on at the goal and sums up; here it ends there, so that the return is 1 for a success, else 0.
    """
    maps = {}
    if "maze_map" in stored.kwargs and "maze_map" in env_spec.kwargs:
        maps = {"maze_map": oriented(stored.kwargs["maze_map"], env_spec.kwargs["maze_map"])}
    changes = {**maps, "continuing_task": False}
    if all(stored.kwargs.get(name) == value for name, value in changes.items()):
        return stored
    return replaced(stored, kwargs={**stored.kwargs, **changes})


def oriented(maze_map: list, like: list) -> list:
    """The map as it is, or turned by 180 degrees with its start and goal, if its walls are then those of `like`.

    `like` itself where neither is so. Maps are lists of rows; 1 is a wall, all else is free.
    """
    turned = [list(row)[::-1] for row in maze_map[::-1]]
    return next((one for one in (maze_map, turned) if walls(one) == walls(like)), like)


def walls(maze_map: list) -> list[list[bool]]:
    """Which cells are walls."""
    return [[cell == WALL for cell in row] for row in maze_map]


def replaced(env_spec: Any, **changes: Any) -> Any:
    """A copy of an `EnvSpec` with some fields replaced."""
    spec = copy.deepcopy(env_spec)
    for name, value in changes.items():
        setattr(spec, name, value)
    return spec
