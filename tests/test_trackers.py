"""Trackers: what a sweep reports is what each of them has on disk afterwards."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxrl
from jaxrl import trackers
from jaxrl.core.check import InputError
from jaxrl.experiment import Checkpoint
from jaxrl.trackers import tensorboard
from tests import made

MEMBERS = ["q_scale=1,seed=0", "q_scale=1,seed=1"]
FACTS = {"card": "td3_bc", "seeds": [0, 1]}
EXPECTED = {
    "return/mean": {3: 9.0, 6: 18.0},
    "return/q_scale=1,seed=0": {3: 6.0, 6: 12.0},
    "return/q_scale=1,seed=1": {3: 12.0, 6: 24.0},
    "diverged/mean": {3: 0.5, 6: 0.5},
    "diverged/q_scale=1,seed=0": {3: 0.0, 6: 0.0},
    "diverged/q_scale=1,seed=1": {3: 1.0, 6: 1.0},
    "critic/loss/mean": {3: 0.5, 6: 0.5},
    "critic/loss/q_scale=1,seed=0": {3: 0.5, 6: 0.5},
    "seconds/train": {3: 2.0, 6: 2.0},
}
"""All that two checkpoints bring: the second member's loss is NaN, and so is left out."""


def checkpoint(update=3):
    """One evaluation of two members, of which the second is lost."""
    returns = update * np.array([[1.0, 3.0], [3.0, 5.0]])
    losses = {"critic": {"loss": np.array([0.5, np.nan])}}
    return Checkpoint(update, returns, losses, np.array([True, False]), {"train": 2.0})


def follow(spec):
    """Two checkpoints of two members, told to one tracker."""
    with trackers.following([spec], "td3_bc-up-v0", FACTS, MEMBERS) as report:
        report(checkpoint())
        report(checkpoint(6))


def events(folder):
    """{tag: {update: value}} and texts of the event files in a folder."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2", reason="needs the extra tensorboard")
    numbers, texts = {}, {}
    for file in folder.iterdir():
        data, at = file.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            event = proto.Event.FromString(data[at + 12 : at + 12 + size])
            at += size + 16
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    numbers.setdefault(value.tag, {})[event.step] = value.simple_value
                else:
                    texts[value.tag] = value.tensor.string_val[0].decode()
    return numbers, texts


def wandb_records(file):
    """Messages of a run's file: parts in blocks of 32 KiB, each with checksum, size and kind, after 7 bytes."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="needs the extra wandb")
    data, at, whole, records = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            records.append(proto.Record.FromString(whole))
            whole = b""
    return records


def test_tensorboard_has_a_folder_for_each_member(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    for _ in range(2):
        follow(f"tensorboard:{tmp_path}/logs")
    assert sorted(one.name for one in (tmp_path / "logs").iterdir()) == ["td3_bc-up-v0", "td3_bc-up-v0-2"]
    run = tmp_path / "logs" / "td3_bc-up-v0-2"
    found = {folder.name: events(folder) for folder in run.iterdir()}
    assert set(found) == {"mean", *MEMBERS}
    for name, values in EXPECTED.items():
        tag, _, member = name.rpartition("/") if name != "seconds/train" else (name, "", "mean")
        assert found[member][0][tag] == values, name
    assert sum(len(numbers) for numbers, _ in found.values()) == len(EXPECTED)
    texts = found["mean"][1]
    assert "| card | td3_bc |" in texts["run/text_summary"] and "final_return: 12.0" in texts["result/text_summary"]


def test_tensorboard_holds_few_files_open(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    monkeypatch.setattr(tensorboard, "MOST", 1)
    with (
        pytest.warns(UserWarning, match="tracker tensorboard shows 1 of the 2 members, and means of all"),
        trackers.following([f"tensorboard:{tmp_path}"], members=["a", "b"]) as report,
    ):
        report(checkpoint())
    assert sorted(one.name for one in (tmp_path / "run").iterdir()) == ["a", "mean"]
    assert events(tmp_path / "run" / "mean")[0]["return"] == {3: 9.0}


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    (tmp_path / "file").touch()
    for place in ("file", "file/under"):
        with pytest.raises(InputError, match=f"folder {tmp_path}/file.* of tracker tensorboard .*; give another"):
            trackers.open(f"tensorboard:{tmp_path}/{place}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wandb_writes_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="needs the extra wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    try:
        follow("wandb:project")
    finally:
        wandb.teardown()
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    records = wandb_records(next(run.glob("*.wandb")))
    (begun,) = [one.run for one in records if one.WhichOneof("record_type") == "run"]
    assert (begun.project, begun.display_name) == ("project", "td3_bc-up-v0")
    assert {one.key: json.loads(one.value_json) for one in begun.config.update}["card"] == "td3_bc"
    history = {}
    for record in records:
        entry = {}
        for item in record.history.item:
            name = item.key or "/".join(item.nested_key)
            if not name.startswith("_"):
                entry[name] = json.loads(item.value_json)
        for name in entry.keys() - {"update"}:
            history.setdefault(name, {})[entry["update"]] = entry[name]
    assert history == EXPECTED
    summary = {item.key or item.nested_key[0]: item.value_json for one in records for item in one.summary.update}
    assert json.loads(summary["final_return"]) == 12.0
    assert [one.exit.exit_code for one in records if one.WhichOneof("record_type") == "exit"] == [0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wandb_that_cannot_begin_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "onlin")
    with pytest.raises(InputError, match="unknown mode in WANDB_MODE 'onlin'; did you mean 'online'"):
        trackers.open("wandb:project")
    monkeypatch.delenv("WANDB_MODE")
    with pytest.raises(InputError, match=r"tracker wandb cannot begin in mode offline .*; unset WANDB_MODE"):
        trackers.open("wandb:" + "long" * 100)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_writes_a_folder(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    follow(f"mlflow:{tmp_path}/store")
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("jaxrl").experiment_id])
    assert run.info.run_name == "td3_bc-up-v0" and run.info.status == "FINISHED"
    assert run.data.params == {"card": "td3_bc", "seeds": "[0, 1]"} and run.data.tags["final_return"] == "12.0"
    read = lambda name: {one.step: one.value for one in client.get_metric_history(run.info.run_id, name)}
    names = {name.replace("=", "_").replace(",", "_"): name for name in EXPECTED}
    assert {ours: read(theirs) for theirs, ours in names.items()} == EXPECTED and set(run.data.metrics) == set(names)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"tracker mlflow cannot use .*file.*; give a folder or a tracking URI"):
        trackers.open(f"mlflow:{tmp_path}/file")


def test_a_sweep_reports_to_a_tracker(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    tracker = trackers.open(f"tensorboard:{tmp_path}")
    sizes = {"width": 8, "depth": 1, "updates": 4, "evaluate_every": 2, "episodes": 2, "batch": 8}
    hypers = jaxrl.grid("bc", actor_lr=[1e-3, 1e-2])
    result = jaxrl.sweep("bc", made.task(), hypers=hypers, seeds=2, report=tracker.report, **sizes)
    tracker.end({"return": result.returns.mean()})
    found = {folder.name: events(folder)[0] for folder in (tmp_path / "run").iterdir()}
    assert sorted(found) == ["0", "1", "2", "3", "mean"]
    for member in range(4):
        returns = result.returns.reshape(4, 2)[member]
        np.testing.assert_allclose([found[str(member)]["return"][update] for update in (2, 4)], returns, rtol=1e-6)
    losses = [found[str(i)]["actor/loss"][4] for i in range(4)]
    np.testing.assert_allclose(losses, np.ravel(result.metrics["actor"]["loss"][..., -1]), rtol=1e-6)
    seconds = [found["mean"]["seconds/evaluate"][update] for update in (2, 4)]
    np.testing.assert_allclose(seconds, result.seconds["evaluate"], rtol=1e-6)


def test_members_are_labelled_by_what_varies_and_their_seed():
    hypers = jaxrl.grid("td3_bc", q_scale=[1.0, 2.5])
    assert trackers.members(hypers, [3, 5]) == [
        "q_scale=1,seed=3",
        "q_scale=1,seed=5",
        "q_scale=2.5,seed=3",
        "q_scale=2.5,seed=5",
    ]
    assert trackers.members(None, 2) == ["seed=0", "seed=1"]


def test_members_that_come_in_chunks_keep_their_places(tmp_path):
    """Means of a part are not told as means of all; the end is that of all."""
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    with trackers.following([f"tensorboard:{tmp_path}"], members=["a", "b", "c"]) as report:
        for place, update in (([0, 1], 3), ([0, 1], 6), ([2], 3), ([2], 6)):
            count = len(place)
            returns = np.array([[1.0 + one] for one in place]) * update
            lost = np.array([3 if one == 1 else -1 for one in place])
            report(Checkpoint(update, returns, {}, np.ones(count, bool), {}, None, lost, None, np.array(place)))
    found = {folder.name: events(folder) for folder in (tmp_path / "run").iterdir()}
    assert {name: numbers.get("return") for name, (numbers, _) in found.items()} == {
        "a": {3: 3.0, 6: 6.0}, "b": {3: 6.0, 6: 12.0}, "c": {3: 9.0, 6: 18.0}, "mean": None,
    }  # fmt: skip
    assert found["b"][0]["diverged"] == {3: 1.0, 6: 1.0}
    assert "final_diverged: 1, final_return: 12.0" in found["mean"][1]["result/text_summary"]


def test_success_is_told_where_there_is_a_goal():
    figures = trackers.measures(checkpoint()._replace(success=np.array([[0.0, 1.0], [1.0, 1.0]])))
    assert figures["success"].tolist() == [0.5, 1.0] and figures["seconds/train"].ndim == 0


def test_trackers_are_told_of_a_failure_and_do_not_stop_a_run(monkeypatch):
    told = []

    def fake(spec, *_):
        if spec == "mlflow:b":
            return trackers.Tracker(lambda *_: 1 / 0, told.append)
        return trackers.Tracker(lambda update, numbers, places: told.append((spec, update)), told.append)

    monkeypatch.setattr(trackers, "open", fake)
    specs = ["wandb:a", "mlflow:b", "wandb:a"]
    with (
        pytest.warns(UserWarning, match=r"tracker mlflow:b failed \(division by zero\) and is left out"),
        pytest.raises(KeyboardInterrupt),
        trackers.following(specs) as report,
    ):
        report(checkpoint())
        report(checkpoint(6))
        raise KeyboardInterrupt
    end = {"final_update": 6, "final_diverged": 1, "final_return": 12.0, "failed": "KeyboardInterrupt"}
    assert told == [("wandb:a", 3), ("wandb:a", 6), end]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tensorbord:x", "unknown tracker 'tensorbord'; did you mean 'tensorboard'"),
        ("wandb", "tracker 'wandb' lacks its place; write it as wandb:PROJECT"),
        ("mlflow: ", "tracker 'mlflow: ' lacks its place; write it as mlflow:DIR"),
    ],
)
def test_bad_specifications_are_refused_before_anything_is_opened(spec, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message), trackers.following(["tensorboard:logs", spec]):
        pass
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "library"), [("tensorboard", "tensorboardX"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_a_missing_library_is_named_with_its_extra(kind, library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"tracker {kind} .*pip install 'jaxrl-suite\[{kind}\]'"):
        trackers.open(f"{kind}:{tmp_path}/x")
