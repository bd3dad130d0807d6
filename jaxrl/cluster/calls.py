"""A function of a task, called on the machines of a cluster: a task's data once a node, answers as they come."""

import functools
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import __version__, tasks
from jaxrl.cluster.machines import PAUSE, RETRIES, Cluster, Watch, connected, first_line, library
from jaxrl.core.check import InputError
from jaxrl.core.types import Task

SETTINGS = ("jax_enable_x64", "jax_default_matmul_precision", "jax_default_prng_impl", "jax_threefry_partitionable")
"""What of JAX's settings changes results."""


class Call(NamedTuple):
    """What is to be called: `function(task, *args)`. tag: whatever tells its answer from others; name: for people."""

    tag: Any
    name: str
    task: Task
    args: tuple = ()


class Answer(NamedTuple):
    """What a call brought; or in `error`, one line, why it could not be made."""

    tag: Any
    value: Any = None
    error: str = ""


def spread(function: Callable, calls: Iterable[Call | Answer], cluster: Cluster) -> Iterator[Answer]:
    """Answers to calls of `function(task, *args)`, which is found by its module and name, in the order of their end.

    Calls are fetched as machines become free, and those of a task should follow each other: its data are stored then.
    An Answer among them is passed on. A call whose worker dies is made again. Raises InputError where the cluster is
    lost; other errors of the function are raised as they are.
    """
    with connected(cluster) as (cpus, gpus):
        ray, watch = library(), Watch(cpus, gpus)
        far = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(away)
        local, waiting, placed = functools.partial(far.remote, function, facts(gpus)), {}, Placed()
        calls, more = iter(calls), True
        try:
            while more or waiting:
                while more and len(waiting) < 2 * max(watch.slots, 1):
                    call = next(calls, None)
                    more = call is not None
                    if isinstance(call, Answer):
                        yield call
                    elif call is not None:
                        waiting[local(*placed.of(call.task), call.args)] = call
                ended, _ = ray.wait(list(waiting), timeout=PAUSE) if waiting else ([], [])
                for one in ended:
                    yield answer(one, waiting.pop(one))
                watch.look()
        finally:
            for one in [] if watch.lost else waiting:
                ray.cancel(one, force=True)


def answer(reference, call: Call) -> Answer:
    """The answer behind a reference of Ray's."""
    from ray import exceptions

    try:
        value, error = library().get(reference)
    except exceptions.RayTaskError as failure:
        raise failure.cause if isinstance(failure.cause, Exception) else failure from failure
    except (exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.OutOfMemoryError) as failure:
        kind = type(failure).__name__
        line = f"{call.name}: its worker died {RETRIES + 1} times ({kind}); see Ray's logs, then run again"
        return Answer(call.tag, error=line)
    return Answer(call.tag, value, error)


class Placed:
    """The task that was placed last: its data in the cluster's store, from where each node fetches them once."""

    def __init__(self):
        self._task: Task | None = None
        self._place: tuple = ()

    def of(self, task: Task) -> tuple:
        """(name of the place, arrays, the rest) as `away` takes them; InputError for a task that cannot travel."""
        if task is not self._task:
            ray, env = library(), task.env
            name = env.spec.name if same_everywhere(env) else ""
            try:
                arrays = ray.put(jax.tree.map(np.asarray, task.dataset))
                # Inside a list, so that the worker fetches it after its settings were made.
                rest = [ray.put(task._replace(dataset=None, env=name or env))]
            except TypeError as error:
                raise InputError(
                    f"task {task.name} cannot be sent to other machines ({first_line(error)}); make its environment of "
                    "functions and arrays alone"
                ) from error
            self._task, self._place = task, (arrays.hex(), arrays, rest)
        return self._place


def same_everywhere(env) -> bool:
    """Whether its name is enough to have the environment on another machine."""
    from jaxrl.envs import suites

    return env.spec.name in suites.names() and env is tasks.known_environment(env.spec.name)


def facts(gpus: float) -> dict[str, Any]:
    """What a worker has to share with this process."""
    settings = {name: getattr(jax.config, name) for name in SETTINGS}
    return {"versions": {"jaxrl": __version__, "jax": jax.__version__}, "settings": settings, "gpus": gpus}


_here: dict[str, Task] = {}
"""Tasks on the device of this process, a worker: the last one."""


def away(function: Callable, facts: dict, place: str, arrays, rest: list, args: tuple) -> tuple[Any, str]:
    """On the worker: (what the function returns, ""), or (None, why there is bad input)."""
    try:
        prepare(facts)
        if place not in _here:
            _here.clear()
            task = library().get(rest[0])
            env = tasks.known_environment(task.env) if isinstance(task.env, str) else task.env
            _here[place] = task._replace(env=env, dataset=jax.tree.map(jnp.asarray, arrays))
        return function(_here[place], *args), ""
    except InputError as error:
        return None, str(error)


def prepare(facts: dict) -> None:
    """Make this worker's settings those of the process that sent the call; InputError where versions differ."""
    ours = {"jaxrl": __version__, "jax": jax.__version__}
    if ours != facts["versions"]:
        raise InputError(
            f"machine {socket.gethostname()} has {ours}, but the command was given with {facts['versions']}; install "
            "the same versions on all machines"
        )
    if facts["gpus"] == 0:
        jax.config.update("jax_platforms", "cpu")
    elif facts["gpus"] < 1:
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{0.9 * facts['gpus']:.2f}")
    for name, value in facts["settings"].items():
        if getattr(jax.config, name) != value:
            jax.config.update(name, value)
