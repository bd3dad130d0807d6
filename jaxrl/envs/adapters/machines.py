"""Many Gymnasium environments stepped together on the host, behind the protocol `core.types.Machines`."""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from jaxrl.core.types import HostEnv, Machines, Spec

FEWEST = 4
"""Environments below which handing them to threads costs more than it saves."""
MOST = 8
"""Threads at most."""


def several(env: HostEnv, count: int) -> Machines:
    """`count` environments: the ones that step together where `env.many` makes such, else a list of `env.make()`."""
    return env.many(count) if env.many else Listed(env.make, count)


def threads(count: int) -> int:
    """Threads that pay for stepping `count` environments: one for few, else as many as there are processors."""
    return min(os.cpu_count() or 1, MOST) if count >= FEWEST else 1


def physical(spec: Spec, actions: np.ndarray) -> np.ndarray:
    """Actions [n, A] in [-1, 1], clipped to it -> commands in the environment's own units; classes stay as they are."""
    if spec.discrete:
        return actions
    low, high = np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)
    scaled = low + (np.clip(actions.astype(np.float64), -1, 1) + 1) / 2 * (high - low)
    return np.clip(scaled.astype(np.float32), low, high)


class Listed:
    """Environments made one by one; see `core.types.Machines`.

    MuJoCo's are stepped by several threads, since it lets go of the interpreter while it integrates; the calling thread
    takes its share. Environments in Python are stepped by the calling thread alone, unless `workers` says otherwise.
    """

    def __init__(self, make: Callable[[], Any], count: int, workers: int | None = None):
        """make() -> a Gymnasium environment with flat observations."""
        self._all = [make() for _ in range(count)]
        physics = count > 0 and hasattr(self._all[0].unwrapped, "model")
        self._workers = workers or (threads(count) if physics else 1)
        self._pool = ThreadPoolExecutor(self._workers - 1) if self._workers > 1 else None

    def reset(self, indices, seeds) -> np.ndarray:
        """First observations [n, D] of environments `indices`, one seed each."""
        return np.stack([self._all[i].reset(seed=int(seed))[0] for i, seed in zip(indices, seeds, strict=True)])

    def step(self, indices, commands) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(obs [n, D], reward [n], terminated [n], truncated [n]) of environments `indices` after their commands."""
        # environments of discrete actions want Python's integers, some of them as keys of a dictionary
        rows = commands.tolist() if commands.ndim == 1 else commands
        pairs = list(zip(indices, rows, strict=True))
        workers = self._workers if len(pairs) >= FEWEST else 1
        bounds = [len(pairs) * k // workers for k in range(workers + 1)]
        first, *others = (pairs[low:high] for low, high in itertools.pairwise(bounds))
        running = [self._pool.submit(self._part, part) for part in others if self._pool]
        seen = self._part(first)
        for part in running:
            seen += part.result()
        obs, reward, terminated, truncated = zip(*seen, strict=True)
        return np.stack(obs), np.array(reward, float), np.array(terminated, bool), np.array(truncated, bool)

    def _part(self, pairs) -> list[tuple]:
        return [self._all[i].step(command)[:4] for i, command in pairs]

    def success(self, indices) -> np.ndarray:
        """How far each of `indices` has succeeded in its episode so far, 0 to 1; NaN where it does not say."""
        return np.array([getattr(self._all[i], "success", np.nan) for i in indices], float)

    def close(self) -> None:
        """Close all environments."""
        if self._pool:
            self._pool.shutdown()
        for one in self._all:
            one.close()
