"""Finished runs on disk: written whole or not at all, found again, compared."""

import json
import os
from datetime import UTC, datetime

import jax
import numpy as np
import pytest

import jaxrl
from jaxrl import store
from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.train import checkpoint
from tests import made

SMALL = {"width": 8, "depth": 1, "updates": 4, "evaluate_every": 2, "episodes": 2}
TASK = made.task()._replace(references=(Reference(-2000.0, 0.0, "metadata", "made up"),))


@pytest.fixture(scope="module")
def swept():
    hypers = jaxrl.grid("td3_bc", q_scale=[1.0, 4.0])
    return jaxrl.sweep("td3_bc", TASK, hypers=hypers, seeds=[3, 5], batch=8, **SMALL)


def run(name="a-b-20260101T000000-000000", **changes):
    """A record as `read` gives it."""
    return {
        "format": 1, "id": name, "card": "td3_bc", "task": "made/up-v0", "started": "2026-01-01T00:00:00Z",
        "structure": {"width": 8}, "numbers": [{"q_scale": 1.0}], "seeds": [0, 1], "updates": [2, 4],
        "versions": {"jax": "0.10.2"}, "commit": "abc", "device": "1 x cpu", "dataset_hash": "f00",
        "seconds": {"train": 2.0}, "references": [], "returns": [[1.0, 3.0]], "scores": None, "success": None,
        "diverged": [[None, None]], **changes,
    }  # fmt: skip


def write(root, name, text=None, **changes):
    """A run's folder under `root`; returns it."""
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run(name, **changes)) if text is None else text)
    return folder


def test_a_run_is_kept_with_all_that_made_it(swept, tmp_path):
    name = store.keep(swept, tmp_path, suite="quick")
    folder = tmp_path / "runs" / name
    assert [one.name for one in (tmp_path / "runs").iterdir()] == [name] and name.startswith("td3_bc-up-v0-2")
    found = store.read(folder)
    assert found["folder"] == str(folder) and (found["id"], found["suite"], found["format"]) == (name, "quick", 1)
    assert (found["task"], found["environment"], found["dataset_hash"]) == ("made/up-v0", "Pendulum-v1", TASK.version)
    assert found["structure"] == {"width": 8, "depth": 1, "critics": 2, "delay": 2} and found["batch"] == 8
    assert [one["q_scale"] for one in found["numbers"]] == [1.0, 4.0] and found["numbers"][0]["actor_lr"] == 3e-4
    assert found["seeds"] == [3, 5] and found["updates"] == [2, 4] and found["episodes"] == 2
    np.testing.assert_allclose(found["returns"], swept.returns[..., -1])
    np.testing.assert_allclose(found["scores"], swept.scores[..., -1])
    assert found["diverged"] == [[None, None]] * 2 and found["success"] is None and found["env_steps"] == 0
    assert found["versions"]["jax"] == jax.__version__ and "cpu" in found["device"]
    assert set(found["seconds"]) == {"compile", "train", "evaluate"} and found["seconds"]["train"] > 0
    began = datetime.fromisoformat(found["started"])
    assert 0 <= (datetime.now(UTC) - began).total_seconds() < 600


def test_a_kept_policy_needs_no_data(swept, tmp_path):
    """The environment's facts and the scale of its observations are stored to the last bit, as are the states."""
    found = store.read(tmp_path / "runs" / store.keep(swept, tmp_path, suite=""))
    scaler, spec = swept.task.scaler, swept.task.env.spec
    np.testing.assert_array_equal(np.float32(found["scaler"]["mean"]), scaler.mean)
    np.testing.assert_array_equal(np.float32(found["scaler"]["std"]), scaler.std)
    assert type(spec)(**found["spec"] | {name: tuple(found["spec"][name]) for name in ("low", "high")}) == spec
    states = checkpoint.restore(tmp_path / "runs" / found["id"] / "policy", swept._state)
    jax.tree.map(np.testing.assert_array_equal, states, swept._state)


def test_policies_may_be_left_out(swept, tmp_path):
    names = {store.keep(swept, tmp_path, suite="", policies=False) for _ in range(2)}
    assert len(names) == 2, "the same sweep twice is two runs"
    assert [file.name for name in names for file in (tmp_path / "runs" / name).iterdir()] == ["run.json"] * 2


@pytest.mark.slow
def test_online_cards_are_kept(tmp_path):
    result = jaxrl.sweep("a2c", "CartPole-v1", envs=2, length=8, **SMALL)
    found = store.read(tmp_path / "runs" / store.keep(result, tmp_path, suite=""))
    assert found["env_steps"] == 64 and found["dataset_hash"] == "" and found["scaler"] is None
    assert found["collection"] == {"envs": 2, "length": 8, "densities": False} and found["batch"] == 0
    assert found["spec"]["discrete"] and found["spec"]["low"] == [] and len(found["scores"][0]) == 1


@pytest.mark.slow
def test_plans_are_kept(tmp_path):
    result = jaxrl.sweep("v_gps", TASK, batch=8, samples=2, choices=2, critic_updates=2, **SMALL)
    found = store.read(tmp_path / "runs" / store.keep(result, tmp_path, suite=""))
    assert found["structure"]["critic_updates"] == 2 and found["card"] == "v_gps" and found["dataset_hash"]
    states = checkpoint.restore(tmp_path / "runs" / found["id"] / "policy", result._state)
    jax.tree.map(np.testing.assert_array_equal, states, result._state)


def test_what_is_not_finite_is_none_and_a_lost_member_says_when(tmp_path):
    hypers = jaxrl.grid("td3_bc", critic_lr=[3e-4, 1e9])
    sizes = {**SMALL, "updates": 60, "evaluate_every": 20}
    result = jaxrl.sweep("td3_bc", TASK, hypers=hypers, seeds=[3, 5], batch=8, **sizes)
    assert result.diverged[1, :, -1].all() and not result.diverged[0].any()
    result.episode_returns[1] = np.nan
    found = store.read(tmp_path / "runs" / store.keep(result, tmp_path, suite="", policies=False))
    assert found["diverged"][0] == [None, None] and found["returns"][1] == found["scores"][1] == [None, None]
    assert all(1 <= one["update"] <= 60 for one in found["diverged"][1]) and store.lost(found) == 2
    assert store.mean(found["returns"]) == pytest.approx(result.returns[0, :, -1].mean())


@pytest.mark.parametrize("step", ["policy", "record"])
def test_a_run_that_cannot_be_written_leaves_nothing(swept, tmp_path, monkeypatch, step):
    def full(*_):
        raise (InputError("checkpoint cannot be written") if step == "policy" else OSError(28, "No space left"))

    monkeypatch.setattr(*((checkpoint, "save", full) if step == "policy" else (os, "fsync", full)))
    with pytest.raises(InputError, match="cannot be written") as caught:
        store.keep(swept, tmp_path, suite="", policies=step == "policy")
    assert "\n" not in str(caught.value) and list((tmp_path / "runs").iterdir()) == []


def test_a_place_that_is_a_file_is_refused(swept, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"run .*/file/runs/td3_bc-.* cannot be written .*another --out"):
        store.keep(swept, tmp_path / "file", suite="")


def test_names_of_runs_fit_folders():
    began = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert store.identity("cut+td3_bc", "D4RL/pen/human v2", began)[:-6] == "cut+td3_bc-human_v2-20260102T030405-"


def test_runs_are_found_below_any_folder_newest_first(tmp_path):
    old = write(tmp_path / "quick", "old", started="2025-01-01T00:00:00Z")
    new = write(tmp_path / "sub" / "more", "new")
    write(tmp_path, ".half.tmp")
    assert [one["folder"] for one in store.found(tmp_path)] == [str(new), str(old)]
    assert [one["id"] for one in store.found(new)] == ["new"]
    with pytest.raises(InputError, match=r"folder .*nowhere does not exist; give the folder"):
        store.found(tmp_path / "nowhere")


def test_broken_runs_are_told_and_do_not_hide_the_others(tmp_path):
    write(tmp_path, "good")
    write(tmp_path, "half", '{"format": 1, "id": "ha')
    write(tmp_path, "later", format=2)
    write(tmp_path, "list", "[1]")
    write(tmp_path, "bare", '{"format": 1}')
    write(tmp_path, "bytes").joinpath("run.json").write_bytes(b"\xff\xfe")
    notes = []
    assert [one["id"] for one in store.found(tmp_path, notes.append)] == ["good"]
    parts = ["bare/run.json is broken", "bytes/run.json is broken", "half/run.json is broken; delete"]
    parts += ["later/run.json has format 2, not 1; read it with", "list/run.json has format None"]
    assert all(part in note and "\n" not in note for part, note in zip(parts, notes, strict=True)), notes
    with pytest.raises(InputError, match=r"nowhere/run.json cannot be read \(No such file or directory\)"):
        store.read(tmp_path / "nowhere")


def test_a_run_is_named_by_the_beginning_of_its_id_or_its_path(tmp_path):
    first, second = write(tmp_path, "bc-x-1"), write(tmp_path, "bc-x-12")
    assert store.locate("bc-x-12", tmp_path) == second and store.locate(str(second), tmp_path / "none") == second
    assert store.locate("bc-x-1", tmp_path) == first, "a whole id wins over a beginning"
    with pytest.raises(InputError, match="run 'bc' is ambiguous: bc-x-1, bc-x-12; give more of the id"):
        store.locate("bc", tmp_path)
    with pytest.raises(InputError, match=r"unknown run 'td3'; under .* there are: bc-x-1, bc-x-12$"):
        store.locate("td3", tmp_path)
    write(tmp_path / "copy", "bc-x-1")
    with pytest.raises(InputError, match=r"'bc-x-1' is ambiguous: .*copy/runs/bc-x-1, .*/runs/bc-x-1; give the folder"):
        store.locate("bc-x-1", tmp_path)
    for i in range(9):
        write(tmp_path / "many", f"iql-{i}")
    with pytest.raises(InputError, match="iql-0, iql-1, iql-2, iql-3, iql-4 and 4 more; give more"):
        store.locate("iql", tmp_path / "many")


def test_a_run_does_not_differ_from_itself_under_another_name():
    assert store.difference(run(), run("other", folder="elsewhere", started="2027-01-01T00:00:00Z")) == []


def test_differences_of_settings_machine_and_outcomes():
    second = run(
        structure={"width": 16, "delay": 2}, numbers=[{"q_scale": 4.0}], versions={"jax": "0.11.0"}, commit="abc+",
        seconds={"train": 3.0}, returns=[[2.0, 5.0]], diverged=[[None, {"update": 3, "part": "critic"}]],
    )  # fmt: skip
    rows = {row.what: (row.first, row.second, row.change) for row in store.difference(run(), second)}
    assert rows == {
        "structure.width": (8, 16, 8), "structure.delay": (None, 2, None), "numbers.q_scale": ([1.0], [4.0], 3.0),
        "versions.jax": ("0.10.2", "0.11.0", None), "commit": ("abc", "abc+", None), "seconds.train": (2.0, 3.0, 1.0),
        "diverged": (0, 1, 1), "mean of returns": (2.0, 3.5, 1.5),
    }  # fmt: skip


def test_outcomes_are_compared_member_by_member_where_both_have_them():
    numbers = [{"q_scale": 1.0}, {"q_scale": 4.0}]
    first = run(numbers=numbers, returns=[[1.0, 3.0], [7.0, 7.0]], scores=[[0.0, 0.0], [0.0, 0.0]])
    second = run(numbers=numbers[::-1], seeds=[1, 2], returns=[[7.0, None], [3.5, 9.0]])
    rows = {row.what: (row.first, row.second, row.change) for row in store.difference(first, second)}
    assert rows == {
        "seeds": ([0, 1], [1, 2], None),
        "mean of returns": (4.5, 6.5, 2.0), "mean of returns (q_scale=1)": (2.0, 6.25, 4.25),
        "returns of the member that differs most": (3.0, 3.5, 0.5), "mean of scores": (0.0, None, None),
    }  # fmt: skip


def test_records_are_labelled_by_what_varies():
    assert store.labelled([{"a": 1.0, "b": 3e-4}, {"a": 1.0, "b": 1e-3}]) == ["b=0.0003", "b=0.001"]
    assert store.labelled([{"a": 1.0}]) == [""]
    assert store.labelled([{"a": 1.0}, {"c": 2.0}]) == ["a=1", ""], "records of two cards"
