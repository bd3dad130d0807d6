"""Name -> environment in JAX. Nothing is built until a name is asked for."""

from collections.abc import Callable
from functools import partial

from jaxrl.core.check import known
from jaxrl.core.types import Env
from jaxrl.envs import bandits, control, errands, maze, proc_grid, small, tabular, tracking
from jaxrl.envs.adapters import prefixed
from jaxrl.envs.mujoco.tasks import TASKS

MAKERS: dict[str, Callable[[], Env]] = {
    "Pendulum-v1": control.pendulum,
    "CartPole-v1": control.cartpole,
    "Acrobot-v1": control.acrobot,
    **{name: partial(maze.maze, name) for name in maze.LAYOUTS},
    "PointMass-v0": small.point_mass,
    "LQR-v0": small.linear_quadratic,
    "Bandit-v0": small.bandit,
    "Bandits-v0": bandits.bandits,
    "ProbeConstant-v0": small.constant,
    "ProbeObservation-v0": small.by_observation,
    "ProbeTwoStep-v0": small.two_step,
    "ProbeAction-v0": small.by_action,
    "ProbeClass-v0": small.by_class,
    "PointMassSpeed-v0": tracking.point_mass_speed,
    "Errands-v0": errands.errands,
    **{name: partial(proc_grid.proc_grid, name) for name in proc_grid.NAMES},
    "Chain-v0": lambda: tabular.environment(tabular.chain(), 20, "Chain-v0"),
    "GridMaze-v0": lambda: tabular.environment(tabular.grid(maze.UMAZE), 30, "GridMaze-v0"),
}

MUJOCO: tuple[str, ...] = tuple(TASKS)
"""Names of MuJoCo's tasks, simulated by MJX."""


def names() -> list[str]:
    """Names that `environment` takes, besides those of other libraries."""
    return sorted([*MAKERS, *MUJOCO])


def environment(name: str) -> Env:
    """The environment of that name; InputError for an unknown one, naming the nearest.

    "brax/ant", "playground/CartpoleBalance" and "gymnax/CartPole-v1" are those of other libraries.
    """
    if prefixed.is_prefixed(name):
        return prefixed.environment(name)
    known("environment", name, names())
    if name in MUJOCO:
        from jaxrl.envs.mujoco import mjx

        return mjx.environment(name)
    return MAKERS[name]()
