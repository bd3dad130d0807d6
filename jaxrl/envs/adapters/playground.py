"""MuJoCo Playground's environments as ours (extra `playground`), simulated by MJX in JAX."""

from typing import Any

from jaxrl.core.check import InputError, known
from jaxrl.core.types import Env
from jaxrl.envs.adapters.brax import wrapped
from jaxrl.envs.adapters.counted import making
from jaxrl.envs.adapters.extras import imported


def environment(name: str, **overrides: Any) -> Env:
    """Playground's environment of that name, such as "CartpoleBalance", cut after its own `episode_length`.

    overrides: entries of its configuration to change; `impl` is "jax" unless given. States that are not finite end an
    episode, as Playground has it. InputError where the extra is not installed, for an unknown name, and for a task that
    repeats actions, whose robot models are not here (Playground would clone them from the network), or that MJX cannot
    simulate.
    """
    registry = imported("mujoco_playground", "playground", f"environment 'playground/{name}'").registry
    known("Playground environment", name, registry.ALL_ENVS)
    config = registry.get_default_config(name)
    if config.get("action_repeat", 1) != 1:
        raise InputError(
            f"environment 'playground/{name}' repeats actions {config.action_repeat} times, which is not supported; "
            "take another, or wrap it with adapters.brax.wrapped yourself"
        )
    check_models(name)
    settings = {**({"impl": "jax"} if "impl" in config else {}), **overrides}
    with making(f"playground/{name}"):
        env = registry.load(name, config_overrides=settings)
        return wrapped(env, f"playground/{name}", int(config.episode_length))


def check_models(name: str) -> None:
    """InputError where the task's robot models would have to be fetched: nothing here asks the network by itself."""
    control = imported("mujoco_playground", "playground", name).dm_control_suite
    if name in control.ALL_ENVS:
        return
    from mujoco_playground._src import mjx_env

    if not mjx_env.MENAGERIE_PATH.exists():
        raise InputError(
            f"environment 'playground/{name}' needs robot models (MuJoCo Menagerie) that are not here; fetch them with "
            "`python -c 'from mujoco_playground._src.mjx_env import ensure_menagerie_exists as get; get()'`"
        )
