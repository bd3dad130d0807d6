"""Work on a Ray cluster: the same table as in one process, with a node lost on the way, with the head lost, bad input.

The cluster is three nodes of one CPU on this machine, in a process of its own; so is every command.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrl
from jaxrl import cluster, jobs, remote, store, tasks
from jaxrl.cli import main
from jaxrl.cluster import Cluster, calls, machines
from jaxrl.core.check import InputError
from jaxrl.evaluation import scores
from tests import made
from tests.structure.source import ROOT

TASK = "mine/own-v0"
TEXT = f"""
title = "Little"
tasks = ["{TASK}"]
cards = ["bc"]
updates = 1_000_000
seeds = 3
checkpoints = 40
episodes = 2

[common]
width = 8
depth = 1
batch = 8
"""
TIMES = {"compile_seconds": 0.0, "train_seconds": 0.0, "evaluate_seconds": 0.0}
SMALL = {"updates": 4, "evaluate_every": 2, "episodes": 1, "batch": 8, "width": 8, "depth": 1}
WORK = jobs.Work("s", "bc", "made/up-v0", {"batch": 8, "width": 8, "depth": 1}, [0, 1], 4, 2, 1, None)
WAIT = 240
"""Seconds at most for what a test waits for."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the module's dataset lies, and the suite; environment variables for processes that use them."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "little.toml").write_text(TEXT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        made.set_roots(monkeypatch, folder)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", jax.config.jax_compilation_cache_dir)
        monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        made.write(folder / "sets", TASK)
        made.write(folder / "sets", "mine/poles-v0", "CartPole-v1")
        yield folder


@contextlib.contextmanager
def started(nodes: int):
    """A cluster of that many nodes: (its address, a function that gives it an order and returns its answer)."""
    pytest.importorskip("ray", reason="needs the extra ray")
    command = [sys.executable, "-m", "tests.sweep.machines", str(nodes)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True)

    def order(text: str) -> str:
        process.stdin.write(text + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        yield process.stdout.readline().strip(), order
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def three(folder):
    """A cluster of three nodes besides its head."""
    with started(3) as found:
        yield found


class Command:
    """A `jaxrl bench` of the little suite in a process of its own; `said` grows while it runs."""

    def __init__(self, folder: Path, out: Path, *more: str):
        command = [sys.executable, "-m", "jaxrl", "bench", str(folder / "little.toml"), "--out", str(out), *more]
        self.process = subprocess.Popen(command, cwd=folder, stdout=-1, stderr=subprocess.STDOUT, text=True)
        self.said: list[str] = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True)
        self._reader.start()

    def until(self, condition):
        """Wait for the condition to hold; returns what it gives."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(self.end()[1])

    def end(self) -> tuple[int, str]:
        """Its code and everything that it said."""
        try:
            code = self.process.wait(timeout=WAIT)
            self._reader.join(timeout=10)
            return code, "".join(self.said)
        finally:
            self.process.kill()
            self.process.stdout.close()


def table(out: Path) -> list[tuple]:
    """Rows without times, in one order."""
    return sorted(tuple(row._replace(**TIMES)) for row in scores.read(out / "scores.csv"))


@pytest.fixture(scope="module")
def alone(folder):
    """Folder of a bench that one process ran, seed by seed."""
    pytest.importorskip("ray", reason="needs the extra ray")
    code, said = Command(folder, folder / "alone", "--chunk", "1").end()
    assert code == 0, said
    return folder / "alone"


def stored(out: Path) -> list[Path]:
    """Checkpoints of work under way."""
    return [one for one in (out / jobs.CHECKPOINTS).glob("*/chunk-0/[1-9]*") if one.name.isdigit()]


@pytest.mark.slow
def test_a_bench_that_loses_a_node_brings_the_table_of_one_process(folder, alone, three):
    address, order = three
    out = folder / "spread"
    command = Command(folder, out, "--chunk", "1", "--backend", "ray", "--address", address)
    checkpoint = command.until(lambda: stored(out))[0]
    piece = checkpoint.parent.parent
    worker = (piece / ".claimed").read_text()
    left = order(f"end {worker}")
    print(f"worker {worker} killed with its node at checkpoint {checkpoint.relative_to(out)}; nodes left: {left}")
    assert left == "2"
    rows = scores.read(out / "scores.csv") if (out / "scores.csv").exists() else []
    print(f"rows before: {len(rows)}")
    again = command.until(lambda: (piece / ".claimed").read_text() not in ("", worker) or not piece.exists())
    assert again and piece.exists() and not Path("/proc", worker).exists(), "another worker took the piece"
    other = (piece / ".claimed").read_text()
    print(f"begun again by worker {other}, from {[one.name for one in stored(out) if piece in one.parents]}")
    code, said = command.end()
    print(said)
    assert code == 0 and "[3/3] bc" in said
    assert table(out) == table(alone) and len(table(out)) == 3 * 40
    assert len(list((out / "runs").iterdir())) == 3 and not (out / jobs.CHECKPOINTS).exists()


@pytest.mark.slow
def test_a_sweep_on_a_cluster_is_the_sweep_of_one_process(three):
    options = {**SMALL, "q_scale": [1.0, 2.5, 5.0], "seeds": 2}
    reports: list = []
    expected = jaxrl.sweep("td3_bc", made.task(), **options)
    found = jaxrl.sweep("td3_bc", made.task(), backend="ray", address=three[0], report=reports.append, **options)
    np.testing.assert_allclose(found.episode_returns, expected.episode_returns, rtol=1e-5)
    same = lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)
    jax.tree.map(same, found._state, jax.tree.map(np.asarray, expected._state))
    obs = np.linspace(-1, 1, 3, dtype=np.float32)
    np.testing.assert_allclose(found.policy(2, 1)(obs), expected.policy(2, 1)(obs), rtol=1e-4)
    assert sorted({place for one in reports for place in one.places.tolist()}) == [*range(6)]


@pytest.mark.slow
def test_bad_input_on_a_cluster_is_one_line(folder, three, tmp_path, capsys):
    asked = ["bench", str(folder / "little.toml"), "--out", str(tmp_path), "--backend", "ray", "--address", three[0]]
    assert main([*asked, "--gpus", "2"]) == 2
    error = capsys.readouterr().err
    assert "a job takes 1 CPUs and 2 GPUs, but none of the cluster's" in error and error.count("\n") == 1
    assert main([*asked, "--tasks", "mine/poles-v0", "mine/none-v0", "--cards", "td3_bc"]) == 2
    said = capsys.readouterr().out
    assert "td3_bc on mine/poles-v0: card 'td3_bc' takes continuous actions" in said, "said by the worker, once"
    assert "dataset 'mine/none-v0' is not found locally" in said


@pytest.mark.slow
def test_a_lost_head_ends_the_command_and_nothing_that_was_finished(folder, alone, tmp_path):
    more = ["--chunk", "1", "--seeds", "2"]
    with started(1) as (address, order):
        command = Command(folder, tmp_path, *more, "--backend", "ray", "--address", address)
        command.until(lambda: (tmp_path / "scores.csv").exists())
        assert order("lose") == "lost"
        start = time.monotonic()
        code, said = command.end()
    spent = time.monotonic() - start
    print(f"{spent:.0f} s after the head was lost: {said.splitlines()[-1]}")
    kept = scores.read(tmp_path / "scores.csv")
    assert code == 2 and spent < 30 and len(kept) == 40
    line = f"jaxrl: the head of the Ray cluster at {address} is lost; start it again: the same command goes on"
    assert line in said
    code, said = Command(folder, tmp_path, *more).end()
    assert code == 0 and scores.read(tmp_path / "scores.csv")[:40] == kept
    assert table(tmp_path) == [row for row in table(alone) if row[4] < 2]


def test_a_missing_ray_is_one_line_that_names_the_extra(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["bench", str(folder / "little.toml"), "--out", str(tmp_path), "--backend", "ray"]) == 2
    assert "install it with `pip install 'jaxrl-suite[ray]'`\n" in capsys.readouterr().err


def test_an_address_where_nothing_answers_is_one_line_soon(folder, tmp_path, capsys):
    pytest.importorskip("ray", reason="needs the extra ray")
    start = time.monotonic()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for listening in (False, True):
            if listening:
                silent.listen()
            asked = ["--out", str(tmp_path), "--backend", "ray", "--address", address]
            assert main(["bench", str(folder / "little.toml"), *asked]) == 2
            error = capsys.readouterr().err
            assert f"Ray cluster at {address} cannot be reached" in error and error.count("\n") == 1
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("address", ["head", "head:", ":x", "ray://head:10001x"])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(InputError, match="is not of the form HOST:PORT"):
        machines.answers(address)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--address", "a:1"], "--address is for a cluster; add --backend ray"),
        (["--gpus", "1"], "--gpus is for a cluster"),
        (["--backend", "ray", "--gpus", "-1"], "-1 is not a number of at least 0"),
    ],
)
def test_options_of_a_cluster_are_checked(folder, tmp_path, capsys, options, message):
    assert main(["bench", str(folder / "little.toml"), "--out", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
    with pytest.raises(InputError, match="unknown backend 'dask'; known: ray"):
        jaxrl.sweep("bc", made.task(), backend="dask")


def test_seeds_are_split_into_pieces():
    assert [one.seeds for one in remote.pieces([WORK._replace(seeds=[0, 2, 3])], 2)] == [[0, 2], [3]]
    assert remote.pieces([WORK], None) == [WORK]


def test_a_piece_whose_folder_is_elsewhere_brings_its_runs_back(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    monkeypatch.setenv("JAXRL_CACHE", str(there))
    text = cluster.mark(here)
    assert cluster.sees(here, text) and not cluster.sees(there, text) and cluster.mark(here) == text
    work = WORK._replace(folder="/nowhere/out")
    brought = remote.perform(made.task(), work, text)
    assert {row.seed for row in brought.rows} == {0, 1} and "bc on made/up-v0" in brought.line
    assert not list((there / "cluster" / text).iterdir())
    remote.write(here, brought.files)
    (run,) = store.found(here)
    assert run["seeds"] == [0, 1] and (here / "runs" / run["id"] / "policy").is_dir()


class Store:
    """In place of Ray: what was put there, by number."""

    def __init__(self):
        self.held = []

    def put(self, value):
        self.held.append(value)
        return Reference(len(self.held) - 1)

    def get(self, reference):
        return self.held[reference.number]


class Reference:
    def __init__(self, number):
        self.number = number

    def hex(self):
        return f"place {self.number}"


def test_a_task_is_placed_once_and_fetched_once(monkeypatch):
    store, task, other = Store(), made.task(), made.task("CartPole-v1")
    task = task._replace(env=tasks.known_environment("Pendulum-v1"))
    monkeypatch.setattr(calls, "library", lambda: store)
    monkeypatch.setattr(calls, "_here", {})
    placed = calls.Placed()
    name, arrays, rest = placed.of(task)
    assert placed.of(task) == (name, arrays, rest) and len(store.held) == 2, "pieces of a task share what was stored"
    assert {type(leaf) for leaf in jax.tree.leaves(store.held[0])} == {np.ndarray}
    assert store.held[1].env == "Pendulum-v1" and store.held[1].dataset is None
    function, facts = lambda task, number: (task, number), calls.facts(1.0)
    (first, seven), error = calls.away(function, facts, name, store.get(arrays), rest, (7,))
    (second, _), _ = calls.away(function, facts, name, None, [], (8,))
    assert seven == 7 and error == "" and first is second, "the arrays of a later call are not looked at"
    assert first.env is task.env and first.version == task.version
    jax.tree.map(np.testing.assert_array_equal, first.dataset, task.dataset)
    name, arrays, rest = placed.of(other)
    (third, _), _ = calls.away(function, facts, name, store.get(arrays), rest, (9,))
    assert third.env is other.env and list(calls._here) == [name], "the task before is let go"


def test_a_worker_that_always_dies_is_told(monkeypatch):
    exceptions = pytest.importorskip("ray.exceptions", reason="needs the extra ray")

    class Dead:
        def get(self, reference):
            raise exceptions.WorkerCrashedError

    monkeypatch.setattr(calls, "library", Dead)
    found = calls.answer(None, calls.Call(3, "bc on made/up-v0", made.task()))
    assert found.tag == 3 and found.value is None
    assert found.error.startswith("bc on made/up-v0: its worker died 4 times (WorkerCrashedError)")


def test_another_version_is_refused_and_settings_travel():
    facts = calls.facts(1.0)
    with pytest.raises(InputError, match=r"but the command was given with .*install the same versions"):
        calls.prepare({**facts, "versions": {"jaxrl": "0", "jax": "0"}})
    with jax.default_matmul_precision("float32"):
        facts = calls.facts(1.0)
    try:
        calls.prepare(facts)
        assert jax.config.jax_default_matmul_precision == "float32"
    finally:
        jax.config.update("jax_default_matmul_precision", None)


def test_jobs_are_counted_by_what_each_machine_has(monkeypatch):
    have = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}, {"CPU": 1.0, "GPU": 4.0}]
    monkeypatch.setattr(machines, "machines", lambda: have)
    assert machines.needs(Cluster()) == (1.0, 1.0) and machines.slots(1.0, 1.0) == 3
    assert machines.slots(1.0, 0.0) == 13 and machines.slots(0.0, 0.5) == 12 and machines.slots(0.0, 0.0) == 13
    with pytest.raises(InputError, match="takes 4 CPUs and 4 GPUs, but none of the cluster's 3 machines has more than"):
        machines.needs(Cluster(cpus=4.0, gpus=4.0))
    monkeypatch.setattr(machines, "machines", lambda: have[1:2])
    assert machines.needs(Cluster()) == (1.0, 0.0)
