"""jaxrl: offline and online reinforcement learning in JAX, from pure functions to leaderboard tables.

Public names are imported when first used, so that `import jaxrl` is quick and starts no backend.
"""

import importlib
from typing import Any

_HOMES = {
    "load": "jaxrl.tasks",
    "make": "jaxrl.experiment",
    "grid": "jaxrl.experiment",
    "points": "jaxrl.experiment",
    "draws": "jaxrl.experiment",
    "sweep": "jaxrl.experiment",
    "evaluate": "jaxrl.acting",
    "Result": "jaxrl.experiment",
    "cards": "jaxrl.registry",
    "environment": "jaxrl.envs.suites",
    "Task": "jaxrl.core.types",
    "Dataset": "jaxrl.core.types",
    "Transition": "jaxrl.core.types",
    "InputError": "jaxrl.core.check",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxrl' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
