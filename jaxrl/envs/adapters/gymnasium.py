"""Gymnasium environments as ours (stepped on the host), and ours as Gymnasium's. Gymnasium is imported when called."""

import contextlib
import functools
import importlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxrl.core.check import InputError
from jaxrl.core.types import HostEnv, Machines, Spec
from jaxrl.envs import suites
from jaxrl.envs.adapters import robotics

ENTRY = "jaxrl.envs.adapters.gymnasium:FromJax"
HORIZON = 1000
"""Steps after which an episode is cut where the environment names no limit."""


def __getattr__(name: str):
    """`FromJax`, whose class needs Gymnasium to be imported first."""
    if name == "FromJax":
        from jaxrl.envs.adapters.from_jax import FromJax

        return FromJax
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def host(env_spec: Any) -> HostEnv:
    """A Gymnasium environment from its id or `EnvSpec`: observations flattened to [D], actions in its own units.

    An environment without a time limit is cut after `HORIZON` steps. MuJoCo's tasks, unchanged, also come as a batch
    (`HostEnv.many`) with the same returns. InputError for one that is unknown or cannot be made here, and for actions
    that are neither a bounded Box nor Discrete from zero.
    """
    env_spec = find(env_spec) if isinstance(env_spec, str) else env_spec
    horizon = env_spec.max_episode_steps or HORIZON
    make = maker(env_spec, horizon)
    env = make()
    try:
        return HostEnv(describe(env_spec.id, env, horizon), make, many=many(env_spec, make, horizon))
    finally:
        env.close()


def many(env_spec: Any, make: Callable[[], Any], horizon: int) -> Callable[[int], Machines] | None:
    """`HostEnv.many` of a MuJoCo task that is made as Gymnasium registers it; None for any other environment."""
    from jaxrl.envs.mujoco.tasks import TASKS

    theirs = str(env_spec.entry_point).startswith("gymnasium.envs.mujoco")
    if env_spec.id not in TASKS or not theirs or set(env_spec.kwargs) - {"render_mode"} or env_spec.additional_wrappers:
        return None
    from jaxrl.envs.mujoco.batch import Physics

    return functools.partial(Physics, make, TASKS[env_spec.id], horizon)


def maker(env_spec: Any, horizon: int) -> Callable[[], Any]:
    """A function that makes the environment with flat observations; it raises InputError where that fails."""

    def make():
        import gymnasium
        from gymnasium.wrappers import FlattenObservation

        if robotics.made_here(env_spec):
            robotics.register(f"environment {env_spec.id!r}")
        try:
            with quiet(env_spec):
                env = gymnasium.make(env_spec, max_episode_steps=horizon, disable_env_checker=True)
        except (gymnasium.error.Error, ImportError) as error:
            raise InputError(f"environment {env_spec.id!r} cannot be made: {reason(error)}") from error
        box = isinstance(env.observation_space, gymnasium.spaces.Box)
        env = env if box and len(env.observation_space.shape) == 1 else FlattenObservation(env)
        return robotics.finished(env) if robotics.made_here(env_spec) else env

    return make


@contextlib.contextmanager
def quiet(env_spec: Any) -> Iterator[None]:
    """While a MuJoCo model is compiled, notes on deprecated attributes are dropped; they are for its authors.

    MuJoCo 4 else prints one for every HalfCheetah made, and writes MUJOCO_LOG.TXT into the working directory. Other
    warnings go to standard error, and those of a running simulation are left alone.
    """
    if not str(env_spec.entry_point).startswith(("gymnasium.envs.mujoco", "gymnasium_robotics")):
        yield
        return
    import mujoco

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(
        lambda text: None if "deprecated" in text else print(f"mujoco: {text}", file=sys.stderr)
    )
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def find(name: str):
    """`EnvSpec` of an id that Gymnasium knows ("module:id" imports a module first), or of ours; else InputError."""
    import gymnasium

    if name.removeprefix("jaxrl/") in suites.names():
        return env_spec(name.removeprefix("jaxrl/"))
    module, _, rest = name.rpartition(":")
    if robotics.needed(rest):
        robotics.register(f"environment {name!r}")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(rest)
    except (gymnasium.error.Error, ImportError) as error:
        raise InputError(f"unknown environment {name!r}: {reason(error)}") from error


def registered(name: str) -> bool:
    """Whether Gymnasium knows the id as it stands, nothing further imported, or the extra `robotics` brings it."""
    import gymnasium

    return name in gymnasium.registry or robotics.needed(name)


def reason(error: Exception) -> str:
    """One line of what went wrong and the remedy."""
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, ImportError) and error.name:
        package = error.name.split(".")[0]
        return f"it needs the module {package!r}; install it with `pip install {package.replace('_', '-')}`"
    if "pip install" in text:
        return text
    return f"{text}; check the id, or install and import the package that registers it"


def describe(name: str, env: Any, horizon: int) -> Spec:
    """Spec of a Gymnasium environment with flat observations; InputError for actions that the suite cannot take."""
    from gymnasium.spaces import Box, Discrete

    if not isinstance(env.observation_space, Box):
        raise InputError(
            f"environment {name!r} has observations {env.observation_space}; only ones that flatten to numbers work"
        )
    size, space = env.observation_space.shape[0], env.action_space
    if isinstance(space, Discrete) and space.start == 0:
        return Spec(name, size, int(space.n), horizon, discrete=True)
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise InputError(
            f"environment {name!r} has actions {space}; only Discrete from 0 and one-dimensional Box ones work"
        )
    low, high = (tuple(float(x) for x in side) for side in (space.low, space.high))
    if not all(map(math.isfinite, low + high)):
        raise InputError(
            f"environment {name!r} has unbounded actions {space}; bound them with gymnasium.wrappers.RescaleAction"
        )
    return Spec(name, size, space.shape[0], horizon, low=low, high=high)


def env_spec(name: str):
    """Gymnasium's description of one of our environments: its own where Gymnasium has it, else one that makes ours.

    It survives `to_json` / `from_json`, so that a Minari dataset can carry it. InputError for an unknown name.
    """
    import gymnasium
    from gymnasium.envs.registration import EnvSpec

    if name in suites.names() and name in gymnasium.registry:
        return gymnasium.spec(name)
    spec = suites.environment(name).spec
    kwargs = {"name": name}
    return EnvSpec(id=f"jaxrl/{name}", entry_point=ENTRY, kwargs=kwargs, max_episode_steps=spec.horizon)


def jax_name(env_spec: Any) -> str | None:
    """The name under which `suites` has the same environment, with the same time limit and no changes; else None.

    None also for MuJoCo's tasks where JAX runs on the CPU: C MuJoCo is faster there.
    """
    name = env_spec.kwargs.get("name") if env_spec.entry_point == ENTRY else env_spec.id
    changed = set(env_spec.kwargs) - {"render_mode", "name" if env_spec.entry_point == ENTRY else "render_mode"}
    if name not in suites.names() or changed or env_spec.additional_wrappers:
        return None
    if name in suites.MUJOCO and jax.default_backend() == "cpu":
        return None
    return name if env_spec.max_episode_steps == suites.environment(name).spec.horizon else None
