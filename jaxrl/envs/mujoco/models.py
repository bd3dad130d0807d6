"""Gymnasium's MuJoCo model files, read from the installed package."""

import functools
from pathlib import Path
from typing import Any

from jaxrl.core.check import InputError
from jaxrl.envs.mujoco.tasks import Look, MujocoTask


def path(task: MujocoTask) -> Path:
    """Where Gymnasium keeps the task's model file."""
    import gymnasium

    return Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / task.file


@functools.cache
def read(file: Path) -> Any:
    """`mujoco.MjModel` of a file, compiled without its notes on deprecated attributes; not to be changed."""
    import mujoco

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        return mujoco.MjModel.from_xml_path(str(file))
    finally:
        mujoco.set_mju_user_warning(before)


def load(task: MujocoTask) -> Any:
    """`mujoco.MjModel` of a task; InputError where Gymnasium has no such file."""
    file = path(task)
    if not file.is_file():
        raise InputError(
            f"task {task.name!r} needs Gymnasium's model file {task.file!r}, which this Gymnasium does not have; "
            "install gymnasium[mujoco]>=1.4"
        )
    return read(file)


def first(model: Any) -> Any:
    """`mujoco.MjData` as after MuJoCo's own reset, with everything computed."""
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return data


def look(data: Any) -> Look:
    """What an `MjData` shows now; its arrays themselves, which change with it."""
    return Look(*(getattr(data, name) for name in Look._fields))
