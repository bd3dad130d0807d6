"""Gymnasium's MuJoCo tasks stepped many at once in C, on several threads, equal to Gymnasium's bit for bit.

Physics is `mujoco.batch.Batch`; observation and reward are the functions of `tasks` on NumPy's arrays. Ways tried, with
40 environments on two idle cores, as ratios to stepping Gymnasium's environments one after another in the same run:

| way                                                              | Hopper | HalfCheetah | exact |
|------------------------------------------------------------------|--------|-------------|-------|
| this module: `Batch`, two threads, clock stopped, with reward     |  3.0 x |       3.3 x | yes   |
| `Batch`, two threads, physics alone                              |  3.0 x |       3.0 x | yes   |
| an `MjData` each, `mj_step` from two threads, physics alone      |  2.5 x |       1.9 x | yes   |
| `mujoco.rollout`, a control step a call, two threads, the same   |  2.4 x |       2.0 x | no    |

`rollout` does not give the solver's warm start back, without which positions are 1e-8 off after 50 steps and the gap
grows; `Batch` carries it in its rows. Python's threads wait for each other between calls of some microseconds. MuJoCo
reads the clock many times a step for a profile (`mjData.timer`) that nobody sees here: 5 % (Ant) to 15 % (HalfCheetah)
of the time, so the clock is stopped during our calls.
"""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxrl.envs.adapters.machines import threads
from jaxrl.envs.mujoco.tasks import Look, MujocoTask

FORCES = "cfrc_ext"
"""Contact forces on bodies: MuJoCo computes them only when asked, after a step, which Gymnasium does."""


class Physics:
    """Environments of one MuJoCo task; see `core.types.Machines`."""

    def __init__(self, make: Callable[[], Any], task: MujocoTask, horizon: int, count: int, workers: int | None = None):
        """make() -> Gymnasium's environment of the task; episodes are cut after `horizon` steps."""
        import mujoco
        from mujoco.batch import Batch

        self._first = make()  # draws the first states, so they are Gymnasium's
        inner = self._first.unwrapped
        self._task, self._horizon, self._skip, self._count = task, horizon, inner.frame_skip, count
        read = fields(task, inner.data)
        forces = FORCES in read
        self._batch = Batch(inner.model, count, workers or threads(count), persistent=forces)
        self._fields = {name: self._batch.bind(name) for name in read if name != FORCES}
        if forces:
            self._fields[FORCES] = np.zeros((count, inner.model.nbody, 6))
        self._one = mujoco.MjData(inner.model) if forces else None
        self._ctrl, self._elapsed = self._batch.bind("ctrl"), np.zeros(count, np.int64)

    def reset(self, indices, seeds) -> np.ndarray:
        """First observations [n, D] of environments `indices`, one seed each."""
        indices, obs = np.asarray(indices, np.int32), []
        qpos, qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._batch.reset(indices, stage=0)
        for i, seed in zip(indices, seeds, strict=True):
            obs.append(self._first.reset(seed=int(seed))[0])
            data = self._first.unwrapped.data
            qpos[i], qvel[i] = data.qpos, data.qvel
        self._batch.forward(indices)
        self._elapsed[indices] = 0
        if self._one:
            self._fields[FORCES][indices] = 0
        return np.stack(obs)

    def step(self, indices, commands) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(obs [n, D], reward [n], terminated [n], truncated [n]) of environments `indices` after their commands."""
        indices = np.asarray(indices, np.int32)
        before = self._look(indices)
        self._ctrl[indices] = commands
        with unclocked():
            self._batch.step(indices, nstep=self._skip)
        if self._one:
            self._ask(indices)
        after = self._look(indices)
        self._elapsed[indices] += 1
        return (
            self._task.observe(np, after),
            self._task.reward(np, before, after, commands),
            self._task.terminated(np, after),
            self._elapsed[indices] >= self._horizon,
        )

    def close(self) -> None:
        """Close the environment that draws first states, and forget the batch."""
        self._first.close()
        del self._batch

    def _look(self, indices) -> Look:
        return Look(*(self._fields[name][indices] if name in self._fields else None for name in Look._fields))

    def _ask(self, indices) -> None:
        import mujoco

        for i in indices.tolist():
            self._batch.get_data(i, self._one)
            mujoco.mj_rnePostConstraint(self._batch.model, self._one)
            self._fields[FORCES][i] = self._one.cfrc_ext


class Reader:
    """Stands in for a `Look` of one environment, and remembers what was read."""

    def __init__(self, data: Any):
        self._data, self.names = data, set[str]()

    def __getattr__(self, name: str) -> np.ndarray:
        self.names.add(name)
        return getattr(self._data, name)[None].copy()


def fields(task: MujocoTask, data: Any) -> tuple[str, ...]:
    """Quantities of an `MjData` that the task's functions read, so that no others are copied after every step."""
    look, command = Reader(data), np.zeros((1, *data.ctrl.shape), np.float32)
    task.observe(np, look)
    task.reward(np, look, look, command)
    task.terminated(np, look)
    return tuple(sorted(look.names))


@contextlib.contextmanager
def unclocked() -> Iterator[None]:
    """Meanwhile MuJoCo does not read the clock for its profile (`mjData.timer`); results do not depend on it."""
    clock = _clock()
    before = clock.value if clock else None
    if not before:
        yield
        return
    clock.value = None
    try:
        yield
    finally:
        clock.value = before


@functools.cache
def _clock() -> ctypes.c_void_p | None:
    """MuJoCo's global `mjcb_time`, a pointer to the function that tells the time; None where it cannot be found."""
    import mujoco

    try:
        return ctypes.c_void_p.in_dll(ctypes.CDLL(mujoco._functions.__file__), "mjcb_time")
    except (OSError, ValueError, AttributeError):
        return None
