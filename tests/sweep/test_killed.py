"""A sweep that is killed at any moment goes on to the same bits; what it cannot go on from is refused."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import orbax.checkpoint
import pytest

import jaxrl
from jaxrl.core import lock
from jaxrl.core.check import InputError
from jaxrl.train import keeper
from tests import made
from tests.sweep import killed

SMALL = {"updates": 6, "evaluate_every": 2, "episodes": 1, "batch": 8, "width": 8, "depth": 1, "saving": 1.0}


def start(case, folder, out):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.killed", case, str(folder), str(out)], stdout=subprocess.PIPE, text=True
    )


def killed_until_it_ends(case, folder, out, moments) -> int:
    """Kill the run at each moment (seconds after its first evaluation), then let it end; returns how often."""
    kills = 0
    for moment in moments:
        process = start(case, folder, out)
        line = process.stdout.readline()
        time.sleep(moment if line else 0)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    process = start(case, folder, out)
    process.communicate()
    assert process.returncode == 0
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("case", killed.CASES)
def test_killed_runs_end_with_the_same_bits(case, tmp_path):
    draw = random.Random(0)
    moments = [draw.uniform(0.0, 0.4) for _ in range(3)]
    kills = killed_until_it_ends(case, tmp_path / "kept", tmp_path / "cut.npz", moments)
    whole, cut = killed.run(case, None), np.load(tmp_path / "cut.npz")
    assert kills > 0 and set(whole) == set(cut.files)
    for name in whole:
        np.testing.assert_array_equal(cut[name], whole[name], err_msg=name)


class Stopped(Exception):
    pass


def stop_after(count):
    """A report that stops the run at its `count`-th evaluation."""
    seen = []

    def report(checkpoint):
        seen.append(checkpoint.update)
        if len(seen) == count:
            raise Stopped

    return report


def run(folder, card="td3_bc", report=None, **options):
    return jaxrl.sweep(card, made.task(), seeds=2, checkpoint=folder, report=report, **{**SMALL, **options})


@pytest.fixture
def stopped(tmp_path):
    """A folder of a sweep that was stopped after four of six updates; the last checkpoint is of two or four."""
    with pytest.raises(Stopped):
        run(tmp_path / "run", report=stop_after(2))
    return tmp_path / "run"


def test_a_stopped_run_goes_on_and_says_the_same(stopped):
    seen = []
    rest, whole = run(stopped, report=lambda one: seen.append(one.update)), run(None)
    assert seen == [4, 6] or seen == [6]
    np.testing.assert_array_equal(rest.episode_returns, whole.episode_returns)
    assert rest.updates.tolist() == [2, 4, 6] and (rest.diverged_at == -1).all()
    again = run(stopped, report=lambda one: pytest.fail("nothing is left to do"))
    np.testing.assert_array_equal(again.episode_returns, whole.episode_returns)
    obs = np.ones((3, 3), np.float32)
    np.testing.assert_array_equal(again.policy(0, 1)(obs), whole.policy(0, 1)(obs))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"evaluate_every": 3}, r"checkpoints is \[2, 4, 6\] there and \[3, 6\] here"),
        ({"width": 16}, r"structure is \{'width': 8, 'depth': 1\} there and"),
        ({"card": "bc"}, "card is 'td3_bc' there and 'bc' here"),
        ({"q_scale": 1.0}, "numbers is "),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_what_differs(stopped, change, line):
    with pytest.raises(InputError, match=line) as found:
        run(stopped, **change)
    assert "is of another run" in str(found.value) and "\n" not in str(found.value)


def test_a_checkpoint_of_another_version_is_refused(stopped, monkeypatch):
    monkeypatch.setattr(keeper, "FORMAT", 2)
    with pytest.raises(InputError, match="is of another run: format is 1 there and 2 here"):
        run(stopped)


def test_a_full_disk_costs_checkpoints_and_a_warning_and_the_last_one_stays(stopped, monkeypatch):
    def full(*anything, **more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(orbax.checkpoint.CheckpointManager, "save", full)
        with pytest.warns(UserWarning, match="cannot be written .*No space left.*; the run goes on without it"):
            rest = run(stopped)
    whole = run(None)
    np.testing.assert_array_equal(rest.episode_returns, whole.episode_returns)
    seen = []
    np.testing.assert_array_equal(run(stopped, report=seen.append).episode_returns, whole.episode_returns)
    assert seen, "the checkpoint from before is still there, so something is left to do"


def test_two_commands_in_one_folder_are_refused(tmp_path):
    code = (
        "import sys, time, pathlib; from jaxrl.core.lock import claimed\n"
        "with claimed(pathlib.Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(InputError, match=rf"is in use by another command \(process {other.pid}\); wait for it"):
            run(tmp_path)
    finally:
        other.kill()
        other.communicate()
    with lock.claimed(tmp_path):
        assert (tmp_path / ".claimed").read_text() == str(os.getpid())


def test_what_is_packed_comes_back_to_the_bit():
    tree = {
        "a": [np.array([0.1, np.nan, np.inf], np.float32), 3],
        "b": {"c": np.array(["x", ""]), "d": None, "e": 1e-300},
    }
    found = keeper.unpacked(keeper.packed(tree))
    np.testing.assert_array_equal(found["a"][0], tree["a"][0])
    assert found["a"][0].dtype == np.float32 and found["a"][1] == 3
    assert found["b"]["c"].tolist() == ["x", ""] and found["b"]["d"] is None and found["b"]["e"] == 1e-300


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(tmp_path):
    command = [sys.executable, "-m", "tests.sweep.filled", str(tmp_path / "run")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    failed, rest = ended.stdout.splitlines()[-1].split(" ", 1)
    # The checkpoint of update 16 may still have been on its way.
    assert int(failed) > 0 and rest in ("[20, 24, 28, 32, 36, 40] True", "[16, 20, 24, 28, 32, 36, 40] True")
