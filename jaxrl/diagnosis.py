"""What works on this machine, and what to do about the rest."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Callable
from typing import NamedTuple

from jaxrl.core import paths


class Finding(NamedTuple):
    """One thing looked at. optional: nothing of the main job needs it."""

    what: str
    works: bool
    detail: str
    optional: bool = False


def findings() -> list[Finding]:
    """Everything that is looked at, in order."""
    return [
        tried("python and jax", versions),
        tried("device", device),
        tried("compilation cache", cache),
        tried("mujoco through gymnasium", mujoco),
        tried("datasets", datasets),
        tried("embedded datasets", embedded, optional=True),
        external(),
        *(extra(module, name) for module, name in (("gymnasium_robotics", "robotics"),)),
    ]


def tried(what: str, look: Callable[[], str], optional: bool = False) -> Finding:
    """What `look` says, or the error that it met."""
    try:
        return Finding(what, True, look(), optional)
    except Exception as error:  # whatever is wrong here is what the person wants to read
        return Finding(what, False, " ".join(f"{type(error).__name__}: {error}".split())[:300], optional)


def versions() -> str:
    names = ("jax", "jaxlib", "flax", "optax", "minari", "gymnasium", "mujoco")
    return ", ".join([f"python {platform.python_version()}", *(f"{n} {importlib.metadata.version(n)}" for n in names)])


def device() -> str:
    import jax
    import jax.numpy as jnp

    devices = jax.devices()
    assert float(jnp.ones((8, 8)).sum()) == 64.0
    return f"{len(devices)} x {devices[0].device_kind} ({jax.default_backend()}), {os.cpu_count()} CPU cores"


def cache() -> str:
    folder = paths.cache() / "xla"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".probe").touch()
    (folder / ".probe").unlink()
    return f"{folder} can be written; JAXRL_CACHE moves it"


def mujoco() -> str:
    from jaxrl.envs.adapters import gymnasium

    env = gymnasium.host("Hopper-v5").make()
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
    return "Hopper-v5 steps"


def datasets() -> str:
    from jaxrl.data import load

    rows = load.catalogue()
    broken = [row.id for row in rows if row.note]
    roots = ", ".join(str(root) for root in paths.dataset_roots())
    trouble = f"; broken: {', '.join(broken)} (see `jaxrl data list`)" if broken else ""
    return f"{len(rows)} found under {roots}; MINARI_DATASETS_PATH adds a folder{trouble}"


def embedded() -> str:
    from jaxrl import forge
    from jaxrl.data import load

    recipes = forge.recipes()
    there = sum(load.find(dataset_id) is not None for dataset_id in recipes)
    return f"{there} of {len(recipes)} built; the rest on first use, or all with `jaxrl data build all`"


def external() -> Finding:
    folder = os.environ.get("JAXRL_EXTERNAL_DATA")
    if folder is None:
        return Finding("external data", False, "JAXRL_EXTERNAL_DATA is not set; the suite `external` needs it", True)
    there = os.path.isdir(folder)
    return Finding("external data", there, folder if there else f"JAXRL_EXTERNAL_DATA={folder} is not a folder", True)


def extra(module: str, name: str) -> Finding:
    """A package that an extra installs."""
    there = importlib.util.find_spec(module) is not None
    detail = "installed" if there else f"not installed; `pip install 'jaxrl-suite[{name}]'`"
    return Finding(f"extra {name}", there, detail, True)
