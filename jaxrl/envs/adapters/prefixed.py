"""Environments of other JAX libraries by name: "brax/ant", "playground/CartpoleBalance", "gymnax/CartPole-v1"."""

import importlib

from jaxrl.core.check import known
from jaxrl.core.types import Env

PREFIXES = {
    "brax": "jaxrl.envs.adapters.brax",
    "playground": "jaxrl.envs.adapters.playground",
    "gymnax": "jaxrl.envs.adapters.gymnax",
}
"""Prefix -> the module that makes environments of that library; imported when one is asked for."""


def is_prefixed(name: str) -> bool:
    """Whether a name is one of another library's: PREFIX/NAME."""
    return name.partition("/")[0] in PREFIXES and "/" in name


def environment(name: str) -> Env:
    """The environment of a prefixed name. InputError for unknown ones, and for an extra that is missing."""
    prefix, _, rest = name.partition("/")
    known("environment prefix", prefix, PREFIXES)
    return importlib.import_module(PREFIXES[prefix]).environment(rest)
