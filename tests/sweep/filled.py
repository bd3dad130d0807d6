"""A sweep whose disk fills up on the way: `python -m tests.sweep.filled FOLDER`; prints what was redone."""

import resource
import sys
import warnings

import numpy as np

import jaxrl
from tests import made

SIZES = {"updates": 40, "evaluate_every": 4, "episodes": 1, "batch": 8, "width": 256, "seeds": 2, "saving": 1.0}
FULL = 20
"""The update after which no file may grow beyond 200 kB."""


def limit(size: int) -> None:
    """The largest file that this process may write, in bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def run(folder: str, report):
    """The sweep, or what is left of it."""
    return jaxrl.sweep("td3_bc", made.task(), checkpoint=folder, report=report, **SIZES)


if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = run(sys.argv[1], lambda one: limit(200_000) if one.update == FULL else None)
    limit(resource.RLIM_INFINITY)
    again: list[int] = []
    second = run(sys.argv[1], lambda one: again.append(one.update))
    failed = sum("the run goes on without it" in str(one.message) for one in caught)
    print(failed, again, np.array_equal(first.episode_returns, second.episode_returns))
