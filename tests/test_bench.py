"""The main job on a tiny suite: its files, what it does again and what not, notes, time left."""

import contextlib
import csv
import functools
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from jaxrl import bench, forge, jobs, suites
from jaxrl.cli import main
from jaxrl.core.check import InputError
from jaxrl.evaluation import scores
from jaxrl.evaluation.scores import HEADER, Score
from tests import made
from tests.evaluation.sample import row

TASK = "embedded/pendulum-medium-replay-v0"
TEXT = f"""
title = "Little"
tasks = ["{TASK}"]
cards = ["bc", "td3_bc"]
updates = 20
seeds = 2
checkpoints = 2
episodes = 2

[common]
width = 8
depth = 1
batch = 8
q_scale = 4.0
"""
TIMES = ("compile_seconds", "train_seconds", "evaluate_seconds")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the module's datasets lie, and the suite."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "little.toml").write_text(TEXT, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def roots(folder, monkeypatch):
    """Embedded datasets are small, and built in the module's folder alone."""
    made.set_roots(monkeypatch, folder)
    monkeypatch.setattr(forge, "recipes", small_recipes)
    monkeypatch.chdir(folder)


@functools.cache
def small_recipes(recipes=forge.recipes) -> dict:
    return {name: one._replace(steps=400, reference_episodes=4) for name, one in recipes().items()}


@pytest.fixture(scope="module")
def finished(folder):
    """Folder of a run that nobody disturbed."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        made.set_roots(monkeypatch, folder)
        monkeypatch.setattr(forge, "recipes", small_recipes)
        assert main(["bench", str(folder / "little.toml"), "--out", str(folder / "finished")]) == 0
    return folder / "finished"


def run(folder, out, *more) -> int:
    return main(["bench", str(folder / "little.toml"), "--out", str(out), *more])


def numbers(file):
    """A run's rows without times, as (words, numbers)."""
    rows = [one._asdict() for one in scores.read(file)]
    rows = [{name: value for name, value in one.items() if name not in TIMES} for one in rows]
    rows.sort(key=lambda one: (one["card"], one["seed"], one["update"]))
    words = [{name: value for name, value in one.items() if not isinstance(value, float)} for one in rows]
    return words, np.array([[value for value in one.values() if isinstance(value, float)] for one in rows])


def check_same(file, other):
    (words, figures), (others, expected) = numbers(file), numbers(other)
    assert words == others
    np.testing.assert_allclose(figures, expected, rtol=1e-4)


def test_bench_writes_scores_leaderboard_and_picture(folder, finished):
    with (finished / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == Score._fields and len(rows) == 2 * 2 * 2
    first = rows[-1]
    expected = {"suite": "little", "task": TASK, "card": "td3_bc", "seed": "1", "update": "20", "episodes": "2"}
    assert expected.items() <= first.items()
    assert first["settings"] == "batch=8;depth=1;q_scale=4;width=8"
    assert first["environment"] == "Pendulum-v1" and len(first["dataset_hash"]) == 12 and "jax=" in first["versions"]
    assert first["score_convention"] == "metadata" and first["diverged"] == "0" and first["device"]
    assert all(float(one[name]) >= 0 for one in rows for name in TIMES)
    assert float(rows[0]["train_seconds"]) > 0 < float(rows[0]["evaluate_seconds"])
    board = (finished / "leaderboard.md").read_text()
    assert "td3_bc" in board and "±" in board and "Best checkpoint" in board
    assert (finished / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_finished_is_not_run_again(folder, finished, monkeypatch, capsys):
    monkeypatch.setattr(jobs, "sweep", None)
    before = (finished / "scores.csv").read_bytes()
    assert run(folder, finished) == 0
    assert (finished / "scores.csv").read_bytes() == before
    assert "td3_bc" in capsys.readouterr().out


def interrupted_after(pieces: int):
    """A sweep that is interrupted when that many jobs are over."""
    sweep, over = jobs.sweep, []

    def until(*args, **options):
        if len(over) == pieces:
            raise KeyboardInterrupt
        over.append(args)
        return sweep(*args, **options)

    return until


def test_an_interrupted_bench_goes_on_where_it_stopped(folder, finished, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "sweep", interrupted_after(1))
        assert run(folder, tmp_path) == 130
    error = capsys.readouterr().err
    assert error == "jaxrl: interrupted; finished runs are kept, the same command goes on after them\n"
    kept = scores.read(tmp_path / "scores.csv")
    assert {(one.card, one.seed) for one in kept} == {("bc", 0), ("bc", 1)}
    assert run(folder, tmp_path) == 0
    assert "[2/2] td3_bc" in capsys.readouterr().out
    assert scores.read(tmp_path / "scores.csv")[: len(kept)] == kept
    check_same(tmp_path / "scores.csv", finished / "scores.csv")
    titles = [(one / "leaderboard.md").read_text().split("Time")[0] for one in (tmp_path, finished)]
    assert len(titles[0].splitlines()) == len(titles[1].splitlines())


def test_more_seeds_run_only_those_that_lack(folder, finished, tmp_path, monkeypatch):
    (tmp_path / "scores.csv").write_bytes((finished / "scores.csv").read_bytes())
    asked = []
    monkeypatch.setattr(jobs, "perform", lambda work, *rest: asked.append(work.seeds) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(folder, tmp_path, "--seeds", "4")
    assert asked == [[2, 3]]


def test_a_line_cut_off_is_repaired_with_a_note(folder, finished, tmp_path, capsys):
    text = (finished / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_text(text[:-30])
    assert run(folder, tmp_path) == 0
    said = capsys.readouterr().out
    assert "the last line of" in said and "was cut off; dropped its" in said and "that run is repeated" in said
    rows = {(one.card, one.seed, one.update): one.return_mean for one in scores.read(tmp_path / "scores.csv")}
    expected = {(one.card, one.seed, one.update): one.return_mean for one in scores.read(finished / "scores.csv")}
    assert rows == pytest.approx(expected, rel=1e-4)


def test_fresh_puts_the_earlier_file_aside(folder, finished, tmp_path, monkeypatch, capsys):
    old = (finished / "scores.csv").read_bytes()
    for name in ("scores.csv.old", "scores.csv.old2"):
        (tmp_path / "scores.csv").write_bytes(old)
        monkeypatch.setattr(jobs, "sweep", interrupted_after(0))
        assert run(folder, tmp_path, "--fresh") == 130
        assert (tmp_path / name).read_bytes() == old and not (tmp_path / "scores.csv").exists()
        assert f"put aside: {tmp_path / name}" in capsys.readouterr().out


def test_rows_of_another_suite_are_not_mixed_in(folder, tmp_path, capsys):
    scores.append(tmp_path / "scores.csv", [row(suite="quick")])
    assert run(folder, tmp_path) == 2
    error = capsys.readouterr().err
    assert "holds runs of suite quick, not little; choose another folder with --out" in error
    assert len(scores.read(tmp_path / "scores.csv")) == 1


def test_a_dataset_that_is_missing_is_noted_and_the_rest_runs(folder, finished, tmp_path, capsys):
    (tmp_path / "scores.csv").write_bytes((finished / "scores.csv").read_bytes())
    assert run(folder, tmp_path, "--tasks", "D4RL/door/human-v2", TASK) == 1
    said = capsys.readouterr().out
    assert "[3/4] dataset 'D4RL/door/human-v2' is not found locally" in said
    assert "minari download D4RL/door/human-v2" in said and "jaxrl data import" in said
    assert said.count("is not found locally") == 2, "as it happens, and under the table"
    assert "D4RL/door/human-v2" in (tmp_path / "leaderboard.md").read_text()


def test_a_card_that_cannot_take_the_actions_is_noted(folder, tmp_path, capsys):
    made.write(folder / "sets", "mine/poles-v0", "CartPole-v1")
    assert run(folder, tmp_path, "--tasks", "mine/poles-v0") == 1
    said = capsys.readouterr().out
    assert "td3_bc on mine/poles-v0: card 'td3_bc' takes continuous actions" in said
    assert {one.card for one in scores.read(tmp_path / "scores.csv")} == {"bc"}
    assert "no reference" in said, "the return stands alone, and a line says so"


def test_where_nothing_can_be_run_the_last_line_says_so(folder, tmp_path, capsys):
    assert run(folder, tmp_path, "--tasks", "D4RL/door/human-v2") == 2
    heard = capsys.readouterr()
    assert heard.err == "jaxrl: suite little: nothing could be run; the lines above say why and what to do\n"
    assert "minari download" in heard.out


def test_a_broken_dataset_does_not_stop_the_others(folder, finished, tmp_path, capsys):
    broken = made.write(folder / "sets", "mine/cut-v0") / "data" / "main_data.hdf5"
    broken.write_bytes(broken.read_bytes()[:1000])
    (tmp_path / "scores.csv").write_bytes((finished / "scores.csv").read_bytes())
    assert run(folder, tmp_path, "--tasks", "mine/cut-v0", TASK) == 1
    assert "truncated or corrupted" in capsys.readouterr().out


def test_options_from_outside_win_and_are_part_of_a_runs_identity(folder, tmp_path):
    plan = bench.plan(str(folder / "little.toml"), out=str(tmp_path), extra={"q_scale": 1.0}, cards=["td3_bc"] * 2)
    (job,) = bench.suites.jobs(plan.suite, plan.extra)
    assert bench.identity(plan, job) == "batch=8;depth=1;q_scale=1;width=8"
    known = [row(card="td3_bc", task=TASK, suite="little", update=20, episodes=2, settings=bench.identity(plan, job))]
    assert bench.missing_seeds(plan, job, known) == [1]
    for other in ({"update": 10}, {"episodes": 3}, {"settings": ""}, {"card": "bc"}, {"task": "a/x-v0"}):
        assert bench.missing_seeds(plan, job, [known[0]._replace(**other)]) == [0, 1]


@pytest.mark.parametrize("name", ["updates", "seeds", "evaluate_every", "episodes"])
def test_counts_below_one_are_refused(folder, tmp_path, name):
    with pytest.raises(InputError, match=f"{name} is 0; it must be"):
        bench.plan(str(folder / "little.toml"), out=str(tmp_path), **{name: 0})


def test_evaluations_come_as_often_as_the_suite_says(folder, tmp_path):
    make = lambda **options: bench.plan(str(folder / "little.toml"), out=str(tmp_path), **options)
    every = lambda plan: {bench.counts(plan, job)[1] for job in suites.jobs(plan.suite)}
    assert every(make()) == {10} and every(make(updates=5)) == {3} and every(make(evaluate_every=7)) == {7}


def test_an_empty_file_of_scores_counts_as_none(folder, tmp_path):
    plan = bench.plan(str(folder / "little.toml"), out=str(tmp_path))
    for text in ("", HEADER[:20]):
        plan.file.write_text(text)
        assert bench.kept(plan, lambda line: None) == bench.selected(plan) == []


def test_time_left_goes_by_card():
    clock = bench.Clock(["slow", "quick"] * 3)
    clock._spent = {"slow": [100.0], "quick": [1.0]}
    clock.skip("slow", "quick")
    assert clock.place() == "[2/6]" and clock.left() == "about 3 min left"
    clock.skip("slow", "slow")
    assert clock.left() == "about 2 s left"
    clock.skip("quick", "quick")
    assert clock.place() == "[6/6]" and clock.left() == "all runs finished"
    assert bench.Clock(["a"]).left() == "about 0 s left"


@contextlib.contextmanager
def interruptible():
    """Processes started here can be interrupted, even where the tests themselves run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(process) -> str:
    """What it says when it is interrupted; again where the first signal met a callback, in which Python drops it."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            continue
    return "did not end"


def test_a_real_interruption_ends_at_once_and_loses_nothing(folder, finished):
    """Even while millions of updates are being computed."""
    before = (finished / "scores.csv").read_bytes()
    command = [sys.executable, "-m", "jaxrl", "bench", "little.toml", "--out", "finished", "--updates", "100_000_000"]
    command += ["--tasks", "mine/own-v0", "--cards", "bc", "--evaluate-every", "100_000_000"]
    made.write(folder / "sets", "mine/own-v0")
    path = os.pathsep.join([str(bench.suites.paths.PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    with interruptible():
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=-1, stderr=-1, text=True
        )
    try:
        said = process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=4)
        error = interrupted(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert said.startswith("suite little") and process.returncode == 130
    assert error == "jaxrl: interrupted; finished runs are kept, the same command goes on after them\n"
    assert (finished / "scores.csv").read_bytes() == before
