"""A folder of measurements, each a module with one function of the number of seeds, run by name."""

import argparse
import importlib
import pkgutil
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jaxrl.core import compilation
from jaxrl.core.check import InputError, known

Write = Callable[[str, Any, str, float], None]
"""Keeps what was found: (name, found, the command that finds it, seconds it took)."""


def names(package: ModuleType, helpers: set[str]) -> list[str]:
    """The measurements there are: the package's modules but its helpers."""
    own = helpers | {"__main__"}
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__) if info.name not in own)


def run(package: ModuleType, helpers: set[str], function: str, write: Write, summary: str) -> None:
    """Read names and seeds from the command line; call `function(seeds)` of each module and write what it found."""
    there = names(package, helpers)
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("names", nargs="*", default=there)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    try:
        chosen = [known("measurement", name, there) for name in arguments.names]
    except InputError as error:
        parser.error(str(error))
    compilation.keep()
    for name in chosen:
        module = importlib.import_module(f"{package.__name__}.{name}")
        start = time.perf_counter()
        found = getattr(module, function)(arguments.seeds)
        command = f"python -m {package.__name__} {name} --seeds {arguments.seeds}"
        write(name, found, command, time.perf_counter() - start)
