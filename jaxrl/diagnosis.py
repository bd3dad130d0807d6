"""What works on this machine, and what to do about the rest."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Callable
from typing import NamedTuple

from jaxrl.core import paths

INSTALL = "`make setup`, or pip install the missing package"


class Finding(NamedTuple):
    """One thing looked at. optional: the main job does without it."""

    what: str
    works: bool
    detail: str
    optional: bool = False


def findings() -> list[Finding]:
    """Everything that is looked at, in order."""
    return [
        tried("python and jax", versions, INSTALL),
        tried("device", device, "JAX_PLATFORMS=cpu runs on the processor"),
        tried("compilation cache", cache, "set JAXRL_CACHE to a folder that can be written"),
        tried("mujoco through gymnasium", mujoco, "pip install 'gymnasium[mujoco]'"),
        tried("dataset folders", datasets, "set MINARI_DATASETS_PATH and JAXRL_DATA to folders that can be read"),
        broken(),
        tried("embedded datasets", embedded, "set JAXRL_DATA to a folder that can be written"),
        external(),
        extra("gymnasium_robotics", "robotics", "the suites d4rl-*"),
    ]


def tried(what: str, look: Callable[[], str], remedy: str) -> Finding:
    """What `look` says, or the error that it met and the remedy."""
    try:
        return Finding(what, True, look())
    except Exception as error:  # whatever is wrong here is what the person wants to read
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Finding(what, False, f"{text}; {remedy}")


def versions() -> str:
    """Versions of what every run needs."""
    names = ("jax", "jaxlib", "flax", "optax", "minari", "gymnasium", "mujoco")
    return ", ".join([f"python {platform.python_version()}", *(f"{n} {importlib.metadata.version(n)}" for n in names)])


def device() -> str:
    """Devices of JAX, after a small product on the first."""
    import jax
    import jax.numpy as jnp

    devices = jax.devices()
    total = float((jnp.ones((8, 8)) @ jnp.ones((8, 8))).sum())
    if total != 512.0:
        raise ArithmeticError(f"a product of matrices gave {total} where 512 is right")
    return f"{len(devices)} x {devices[0].device_kind} ({jax.default_backend()}), {os.cpu_count()} CPU cores"


def cache() -> str:
    """Where compiled programs are kept, after writing there."""
    folder = paths.cache() / "xla"
    check_writable(folder)
    return f"{folder} can be written; JAXRL_CACHE moves it"


def check_writable(folder) -> None:
    """OSError where nothing can be written in the folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".probe"
    probe.touch()
    probe.unlink()


def mujoco() -> str:
    """A step of Hopper-v5."""
    from jaxrl.envs.adapters import gymnasium

    env = gymnasium.host("Hopper-v5").make()
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
    return "Hopper-v5 steps"


def datasets() -> str:
    """How many datasets lie where."""
    from jaxrl.data import load

    roots = ", ".join(f"{root}{'' if root.is_dir() else ' (not there)'}" for root in paths.dataset_roots())
    return f"{len(load.catalogue())} found under {roots}; MINARI_DATASETS_PATH names your folder"


def broken() -> Finding:
    """Datasets whose files cannot be read."""
    from jaxrl.data import load

    try:
        names = [row.id for row in load.catalogue() if row.note]
    except OSError:
        names = []
    detail = f"{', '.join(names)}; `jaxrl data list` says why" if names else "none is broken, as far as metadata tell"
    return Finding("dataset files", not names, detail, True)


def embedded() -> str:
    """How many of the embedded datasets are built, and whether the others can be."""
    from jaxrl import forge
    from jaxrl.data import load

    recipes = forge.recipes()
    there = sum(load.find(dataset_id) is not None for dataset_id in recipes)
    if there < len(recipes):
        check_writable(paths.built())
    return f"{there} of {len(recipes)} built under {paths.built()}; any other on first use or by `jaxrl data build all`"


def external() -> Finding:
    """The folder of external data."""
    folder = os.environ.get("JAXRL_EXTERNAL_DATA")
    if not folder:
        remedy = "set it to their folder; only `make bench SUITE=external` needs it"
        return Finding("external data", False, f"JAXRL_EXTERNAL_DATA is not set; {remedy}", True)
    there = os.path.isdir(os.path.join(folder, "minari"))
    missing = f"JAXRL_EXTERNAL_DATA={folder} is no folder with minari/ in it; correct or unset it"
    return Finding("external data", there, folder if there else missing, True)


def extra(module: str, name: str, use: str) -> Finding:
    """A package that an extra installs."""
    there = importlib.util.find_spec(module) is not None
    detail = "installed" if there else f"not installed; `pip install 'jaxrl-suite[{name}]'` where you need {use}"
    return Finding(f"extra {name}", there, detail, True)
