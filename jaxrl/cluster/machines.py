"""A Ray cluster: joining it, what its machines have, and whether its head still answers."""

import contextlib
import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from jaxrl.core.check import InputError

PAUSE, GRACE, EMPTY = 2.0, 10.0, 60.0
"""Seconds between looks at the cluster, until a head that does not answer counts as lost, and until a cluster without a
machine for the jobs does."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of HTTP/2, which Ray's head speaks, begins; the server begins with a frame of type 4."""
RETRIES = 3
"""How often a job is begun again whose worker or node died."""
ON = "the same command goes on after what is finished"


class Cluster(NamedTuple):
    """Which cluster, and what each job takes of one machine there.

    address: HOST:PORT of the head, or "auto" for the Ray that runs on this machine; None for `RAY_ADDRESS`, else for a
    Ray of this process's own. cpus, gpus: default one CPU, and one GPU where the cluster has any.
    """

    address: str | None = None
    cpus: float | None = None
    gpus: float | None = None


def library():
    """Ray, silent about its use; InputError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Else a job that needs more memory than there is would be begun again for ever.
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))
    try:
        import ray
    except ImportError as error:
        raise InputError("backend ray needs Ray; install it with `pip install 'jaxrl-suite[ray]'`") from error
    return ray


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[tuple[float, float]]:
    """A connection to the cluster for as long as the context lasts, or that of the caller; gives (CPUs, GPUs) a job.

    Raises InputError where no head answers, and where no machine has what a job takes.
    """
    ray = library()
    own = not ray.is_initialized()
    if own:
        join(cluster.address)
    try:
        yield needs(cluster)
    finally:
        if own:
            ray.shutdown()


def join(address: str | None) -> None:
    """Connect this process; InputError where no head answers at the address."""
    ray = library()
    address = address or os.environ.get("RAY_ADDRESS")
    where = f"Ray cluster at {address}"
    if address and address not in ("auto", "local") and not answers(address):
        raise InputError(
            f"{where} cannot be reached; give the HOST:PORT of its head with --address, or start one with "
            "`ray start --head`"
        )
    own = {} if address else {"include_dashboard": False}
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # JAX warns of every fork; those of Ray are followed by an exec.
            warnings.simplefilter("ignore", RuntimeWarning)
            ray.init(
                address=address or "local", log_to_driver=False, logging_level="ERROR", configure_logging=False, **own
            )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise InputError(
            f"{where if address else 'a Ray of its own'} cannot be joined ({first_line(error)}); run this command on a "
            "machine of the cluster, with the same Python and Ray"
        ) from error


def answers(address: str, seconds: float = 5.0) -> bool:
    """Whether a server as Ray's head is one answers at HOST:PORT within that time."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"address {address!r} of a Ray cluster is not of the form HOST:PORT, nor auto")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=seconds) as connection:
            connection.sendall(GREETING)
            return connection.recv(9)[3:4] == b"\x04"
    except (OSError, OverflowError):
        return False


def machines() -> list[dict[str, float]]:
    """What each machine of the cluster has that is alive, by Ray's names."""
    return [node["Resources"] for node in library().nodes() if node["Alive"]]


def needs(cluster: Cluster) -> tuple[float, float]:
    """CPUs and GPUs of a job; InputError where no machine has as many."""
    there = machines()
    most = max((one.get("GPU", 0.0) for one in there), default=0.0)
    cpus = 1.0 if cluster.cpus is None else cluster.cpus
    gpus = float(most >= 1) if cluster.gpus is None else cluster.gpus
    if not slots(cpus, gpus):
        most_cpus = max((one.get("CPU", 0.0) for one in there), default=0.0)
        raise InputError(
            f"a job takes {cpus:g} CPUs and {gpus:g} GPUs, but none of the cluster's {len(there)} machines has more "
            f"than {most_cpus:g} CPUs and {most:g} GPUs; ask for less with --cpus and --gpus"
        )
    return cpus, gpus


def slots(cpus: float, gpus: float) -> int:
    """How many jobs fit the cluster's machines at once."""
    wanted = {name: count for name, count in (("CPU", cpus), ("GPU", gpus)) if count > 0} or {"CPU": 1.0}
    return sum(min(int(one.get(name, 0.0) / count) for name, count in wanted.items()) for one in machines())


class Watch:
    """Looks whether the head still answers, and whether there is a machine for the jobs."""

    def __init__(self, cpus: float, gpus: float):
        self.address, self._needs = library().get_runtime_context().gcs_address, (cpus, gpus)
        self._heard = self._seen = time.monotonic()
        self.lost, self.slots = False, slots(cpus, gpus)

    def look(self) -> int:
        """How many jobs fit the cluster now; InputError where head or machines are lost."""
        now = time.monotonic()
        if not answers(self.address, PAUSE):
            if now - self._heard > GRACE:
                self.lost = True
                raise InputError(f"the head of the Ray cluster at {self.address} is lost; start it again: {ON}")
            return self.slots
        self._heard, self.slots = now, slots(*self._needs)
        if self.slots:
            self._seen = now
        elif now - self._seen > EMPTY:
            cpus, gpus = self._needs
            raise InputError(
                f"no machine of the Ray cluster at {self.address} is left that has {cpus:g} CPUs and {gpus:g} GPUs; "
                f"start one: {ON}"
            )
        return self.slots


def first_line(error: Exception) -> str:
    """The first line of a message, not too long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
