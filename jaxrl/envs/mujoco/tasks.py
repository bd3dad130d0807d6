"""What Gymnasium's ten MuJoCo tasks of version 5 observe, reward and call the end, at their default settings.

Functions take the array module first, `numpy` or `jax.numpy`, and any leading axes. In float64 under NumPy they give
Gymnasium's numbers bit for bit, so the order of their sums is Gymnasium's. Source: `gymnasium.envs.mujoco`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxrl.envs.mujoco import starts

FORCES = "cfrc_ext"
"""The field of `Look` that MuJoCo computes only when asked, which Gymnasium does after every step."""


class Look(NamedTuple):
    """What a task may read of a simulated body, as `MjData` holds it after a control step; None where nothing is read.

    nq, nv: positions and velocities; nb: bodies, the world first. MuJoCo leaves all but qpos, qvel and ctrl as they
    were when it last computed forces, that is before the step's last update of positions. cfrc_ext is that of
    `mj_rnePostConstraint`, zero after a reset. SI units; angles in radians.
    """

    qpos: Any = None
    """[..., nq]"""
    qvel: Any = None
    """[..., nv]"""
    xpos: Any = None
    """Frames of bodies [..., nb, 3]."""
    xipos: Any = None
    """Centres of mass of bodies [..., nb, 3]."""
    site_xpos: Any = None
    """Sites [..., sites, 3]."""
    cinert: Any = None
    """Inertias of bodies about the centre of mass [..., nb, 10]."""
    cvel: Any = None
    """Velocities of bodies, rotation first [..., nb, 6]."""
    qfrc_actuator: Any = None
    """Forces of actuators on joints [..., nv]."""
    qfrc_constraint: Any = None
    """Forces of contacts and limits on joints [..., nv]."""
    cfrc_ext: Any = None
    """External forces on bodies, torque first [..., nb, 6]."""


class RewardFn(Protocol):
    def __call__(self, xp: Any, before: Look, after: Look, action: Any, masses: Any = None) -> Any: ...


class MujocoTask(NamedTuple):
    """A task on a body that MuJoCo simulates.

    observe(xp, look) -> [..., D]. reward(xp, before, after, action [..., A] in the actuators' own units) -> [...];
    masses: bodies' [nb], kg, those of the model file unless given. terminated(xp, after) -> [...] bool.
    start(key, qpos [nq], qvel [nv]) -> first (qpos, qvel), from those of the model file, with Gymnasium's distribution.
    file: model among Gymnasium's; timestep: s; a control step is frame_skip of them; horizon: control steps.
    needs: fields of `Look` that are read, besides qpos and qvel; lags: those of them that `reward` reads of `before`.
    """

    name: str
    file: str
    timestep: float
    frame_skip: int
    horizon: int
    observe: Callable[[Any, Look], Any]
    reward: RewardFn
    terminated: Callable[[Any, Look], Any]
    start: Callable[[Any, Any, Any], tuple[Any, Any]]
    needs: tuple[str, ...] = ()
    lags: tuple[str, ...] = ()


def flat(values):
    """[..., n, m] -> [..., n * m]."""
    return values.reshape((*values.shape[:-2], values.shape[-2] * values.shape[-1]))


def squares(xp, values):
    """Sum of squares over the last axis."""
    return xp.sum(xp.square(values), -1)


def length(xp, vector):
    """Euclidean length over the last axis; by a dot product, as `numpy.linalg.norm` has it."""
    return xp.sqrt(xp.vecdot(vector, vector))


def never(xp, after: Look):
    """False: the task has no end but its time limit."""
    return xp.zeros(after.qpos.shape[:-1], bool)


def positions_and_velocities(skipped: int, xp, look: Look):
    """All positions but the first `skipped`, then all velocities."""
    return xp.concatenate([look.qpos[..., skipped:], look.qvel], -1)


def clipped_velocities(xp, look: Look):
    """All positions but the first, then velocities between -10 and 10."""
    return xp.concatenate([look.qpos[..., 1:], xp.clip(look.qvel, -10, 10)], -1)


def forward(dt: float, cost: float, xp, before: Look, after: Look, action, masses=None):
    """Speed along x less `cost` times squared action."""
    return (after.qpos[..., 0] - before.qpos[..., 0]) / dt - cost * squares(xp, action)


def forward_and_upright(terminated: Callable, xp, before: Look, after: Look, action, masses=None):
    """Speed along x plus 1 while healthy, less a thousandth of squared action; Hopper and Walker2d."""
    speed = (after.qpos[..., 0] - before.qpos[..., 0]) / (0.002 * 4)
    return speed + ~terminated(xp, after) - 1e-3 * squares(xp, action)


def hopper_fell(xp, after: Look):
    """Torso below 0.7 m, tilted by 0.2 or more, or another number of the state beyond 100."""
    state = xp.concatenate([after.qpos[..., 2:], after.qvel], -1)
    sane = xp.all((state > -100.0) & (state < 100.0), -1)
    height, angle = after.qpos[..., 1], after.qpos[..., 2]
    return ~(sane & (height > 0.7) & (height < np.inf) & (angle > -0.2) & (angle < 0.2))


def walker_fell(xp, after: Look):
    """Torso outside 0.8 to 2 m, or tilted by 1 or more."""
    height, angle = after.qpos[..., 1], after.qpos[..., 2]
    return ~((height > 0.8) & (height < 2.0) & (angle > -1.0) & (angle < 1.0))


def ant_sees(xp, look: Look):
    """Positions but x and y, velocities, contact forces between -1 and 1 on all bodies but the world."""
    forces = flat(xp.clip(look.cfrc_ext, -1.0, 1.0)[..., 1:, :])
    return xp.concatenate([look.qpos[..., 2:], look.qvel, forces], -1)


def ant_reward(xp, before: Look, after: Look, action, masses=None):
    """Speed of the torso along x plus 1 while healthy, less costs of actions and of contacts."""
    speed = (after.xpos[..., 1, 0] - before.xpos[..., 1, 0]) / (0.01 * 5)
    contact = 5e-4 * squares(xp, flat(xp.clip(after.cfrc_ext, -1.0, 1.0)))
    return speed + ~ant_fell(xp, after) - (0.5 * squares(xp, action) + contact)


def ant_fell(xp, after: Look):
    """Torso outside 0.2 to 1 m, or a number of the state that is not finite."""
    finite = xp.all(xp.isfinite(after.qpos), -1) & xp.all(xp.isfinite(after.qvel), -1)
    return ~(finite & (after.qpos[..., 2] >= 0.2) & (after.qpos[..., 2] <= 1.0))


def humanoid_sees(xp, look: Look):
    """Positions but x and y, velocities, inertias and velocities of bodies, forces of actuators and of contacts."""
    bodies = [flat(field[..., 1:, :]) for field in (look.cinert, look.cvel)]
    forces = [look.qfrc_actuator[..., 6:], flat(look.cfrc_ext[..., 1:, :])]
    return xp.concatenate([look.qpos[..., 2:], look.qvel, *bodies, *forces], -1)


def humanoid_reward(xp, before: Look, after: Look, action, masses=None):
    """1.25 times the speed of the centre of mass along x plus 5 while healthy, less costs of actions and contacts."""
    masses = humanoid_masses() if masses is None else masses
    first, last = (xp.einsum("b,...bj->...j", masses, look.xipos) / masses.sum() for look in (before, after))
    speed = (last[..., 0] - first[..., 0]) / (0.003 * 5)
    control = 0.1 * squares(xp, xp.asarray(action, after.qpos.dtype))
    contact = xp.clip(5e-7 * squares(xp, flat(after.cfrc_ext)), -np.inf, 10.0)
    return 1.25 * speed + 5.0 * ~humanoid_fell(xp, after) - (control + contact)


@functools.cache
def humanoid_masses() -> np.ndarray:
    """Masses of the bodies in Gymnasium's model [nb], kg."""
    from jaxrl.envs.mujoco import models

    return models.load(TASKS["Humanoid-v5"]).body_mass.copy()


def humanoid_fell(xp, after: Look):
    """Torso outside 1 to 2 m."""
    return ~((after.qpos[..., 2] > 1.0) & (after.qpos[..., 2] < 2.0))


def reacher_sees(xp, look: Look):
    """Cosines and sines of both angles, target, speeds, way from target to fingertip in the plane."""
    angles = look.qpos[..., :2]
    way = (look.xpos[..., 3, :] - look.xpos[..., 4, :])[..., :2]
    return xp.concatenate([xp.cos(angles), xp.sin(angles), look.qpos[..., 2:], look.qvel[..., :2], way], -1)


def reacher_reward(xp, before: Look, after: Look, action, masses=None):
    """Minus the distance of fingertip (body 3) and target (body 4), minus squared action."""
    return -length(xp, after.xpos[..., 3, :] - after.xpos[..., 4, :]) + -squares(xp, action)


def pendulum_fell(xp, after: Look):
    """Pole tilted by more than 0.2, or a number of the state that is not finite."""
    seen = positions_and_velocities(0, xp, after)
    return ~xp.all(xp.isfinite(seen), -1) | (xp.abs(seen[..., 1]) > 0.2)


def pendulum_reward(xp, before: Look, after: Look, action, masses=None):
    """1 while the pole stands."""
    return xp.asarray(~pendulum_fell(xp, after), after.qpos.dtype)


def double_sees(xp, look: Look):
    """Cart, sines and cosines of angles, velocities, and the limit's force on the cart, both between -10 and 10."""
    angles = look.qpos[..., 1:]
    force = xp.clip(look.qfrc_constraint, -10, 10)[..., :1]
    return xp.concatenate([look.qpos[..., :1], xp.sin(angles), xp.cos(angles), xp.clip(look.qvel, -10, 10), force], -1)


def double_fell(xp, after: Look):
    """Tip (site 0) at 1 m or below."""
    return after.site_xpos[..., 0, 2] <= 1


def double_reward(xp, before: Look, after: Look, action, masses=None):
    """10 while the tip is up, less penalties of its place and of the joints' speeds."""
    x, height = after.site_xpos[..., 0, 0], after.site_xpos[..., 0, 2]
    distance = 0.01 * x**2 + (height - 2) ** 2
    speed = 1e-3 * after.qvel[..., 1] ** 2 + 5e-3 * after.qvel[..., 2] ** 2
    return 10.0 * ~double_fell(xp, after) - distance - speed


def pusher_sees(xp, look: Look):
    """The arm's angles and speeds, then places of its tip (body 10), the object (11) and the goal (12)."""
    return xp.concatenate([look.qpos[..., :7], look.qvel[..., :7], flat(look.xpos[..., 10:13, :])], -1)


def pusher_reward(xp, before: Look, after: Look, action, masses=None):
    """Minus the object's distance to the goal, half that to the tip and a tenth of squared action."""
    tip, thing, goal = (after.xpos[..., body, :] for body in (10, 11, 12))
    far, near = length(xp, thing - goal), length(xp, thing - tip)
    return -far + -squares(xp, action) * 0.1 + -near * 0.5


def _tasks() -> dict[str, MujocoTask]:
    part, both = functools.partial, positions_and_velocities
    upright = lambda fell: part(forward_and_upright, fell)
    runs, swims = part(forward, 0.01 * 5, 0.1), part(forward, 0.01 * 4, 1e-4)
    small, normal = part(starts.uniform, 5e-3), part(starts.normal, 0.1)
    forces, placed = ("cfrc_ext", "xpos"), ("xpos",)
    whole = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext", "xipos")
    double = ("site_xpos", "qfrc_constraint")
    rows = [
        ("Hopper", "hopper", 0.002, 4, 1000, clipped_velocities, upright(hopper_fell), hopper_fell, small),
        ("HalfCheetah", "half_cheetah", 0.01, 5, 1000, part(both, 1), runs, never, normal),
        ("Walker2d", "walker2d_v5", 0.002, 4, 1000, clipped_velocities, upright(walker_fell), walker_fell, small),
        ("Ant", "ant", 0.01, 5, 1000, ant_sees, ant_reward, ant_fell, normal, forces, placed),
        ("Swimmer", "swimmer", 0.01, 4, 1000, part(both, 2), swims, never, part(starts.uniform, 0.1)),
        ("Reacher", "reacher", 0.01, 2, 50, reacher_sees, reacher_reward, never, starts.reacher, placed),
        (
            *("InvertedPendulum", "inverted_pendulum", 0.02, 2, 1000, part(both, 0)),
            *(pendulum_reward, pendulum_fell, part(starts.uniform, 0.01)),
        ),
        (
            *("InvertedDoublePendulum", "inverted_double_pendulum", 0.01, 5, 1000, double_sees),
            *(double_reward, double_fell, normal, double),
        ),
        ("Pusher", "pusher_v5", 0.01, 5, 100, pusher_sees, pusher_reward, never, starts.pusher, placed),
        (
            *("Humanoid", "humanoid", 0.003, 5, 1000, humanoid_sees),
            *(humanoid_reward, humanoid_fell, part(starts.uniform, 1e-2), whole, ("xipos",)),
        ),
    ]
    return {f"{name}-v5": MujocoTask(f"{name}-v5", f"{file}.xml", *rest) for name, file, *rest in rows}


TASKS = _tasks()
"""Name -> task."""
