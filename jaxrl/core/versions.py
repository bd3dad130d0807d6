"""Which code, on which machine, made a number."""

import functools
import importlib.metadata
import subprocess

from jaxrl import __version__
from jaxrl.core import paths
from jaxrl.core.types import Env, HostEnv

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "minari", "gymnasium", "mujoco")


def version(package: str) -> str:
    """Installed version, "" where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def commit() -> str:
    """Short commit of the checkout, with "+" where files differ from it; "" outside a checkout."""
    git = ["git", "-C", str(paths.PACKAGE), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


@functools.cache
def machine() -> dict[str, str]:
    """The columns of a Score that are the same for all runs of a process."""
    import jax

    devices = jax.devices()
    precision = jax.config.jax_default_matmul_precision or "default"
    return {
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "precision": f"float32, {precision} matrix products",
        "versions": ";".join([f"jaxrl={__version__}", *(f"{name}={version(name)}" for name in PACKAGES)]),
        "commit": commit(),
    }


def of_environment(env: Env | HostEnv) -> str:
    """The version of whatever steps the environment."""
    if isinstance(env, Env):
        return f"jaxrl {__version__}"
    return f"gymnasium {version('gymnasium')}, mujoco {version('mujoco')}"
