import json
import os
import shutil
import sys
import types
import warnings
from collections import OrderedDict
from pathlib import Path

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from jaxrl.core.check import InputError
from jaxrl.data import dataset, load, local

LENGTHS = (3, 1, 4)
EXTERNAL = os.environ.get("JAXRL_EXTERNAL_DATA")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Empty roots: Minari's own path, with nothing built and no external data."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    monkeypatch.setenv("JAXRL_DATA", str(tmp_path / "built"))
    monkeypatch.delenv("JAXRL_EXTERNAL_DATA", raising=False)
    monkeypatch.setattr(local, "unreachable", lambda: "no network")
    return tmp_path / "sets"


def some(space, rows, seed=0):
    """Values of a space over some rows, as Minari's buffers hold them."""
    space.seed(seed)
    sampled = [space.sample() for _ in range(rows)]
    if isinstance(space, spaces.Dict):
        return {name: some(part, rows, seed + 1) for name, part in space.spaces.items()}
    return np.stack(sampled)


def record(dataset_id, obs, action, data_format="hdf5", lengths=LENGTHS, env=None, buffers=None, **changes):
    """A small Minari set: of episodes that terminate, carry no flag, and are cut, in turn."""
    buffers = buffers or [
        EpisodeBuffer(
            id=i,
            observations=some(obs, length + 1, i),
            actions=some(action, length, i),
            rewards=np.arange(length, dtype=np.float64) + 10 * i,
            terminations=(np.arange(length) == length - 1) & (i % 3 == 0),
            truncations=(np.arange(length) == length - 1) & (i % 3 == 2),
        )
        for i, length in enumerate(lengths)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = minari.create_dataset_from_buffers(
            dataset_id, buffers, env=env, observation_space=obs, action_space=action, data_format=data_format, **changes
        )
    return made, buffers


BOX = spaces.Box(-np.inf, np.inf, (5,), np.float64)
ACTION = spaces.Box(np.float32([-2, -1]), np.float32([2, 3]))


@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
def test_read_gives_true_successors_and_both_flags(root, data_format):
    _, buffers = record("my/box-v0", BOX, ACTION, data_format)
    logged = load.read("my/box-v0")
    arrays = logged.arrays
    assert arrays.obs.shape == (8, 5) and arrays.action.shape == (8, 2)
    assert {column.dtype for column in (arrays.obs, arrays.next_obs, arrays.action, arrays.reward)} == {
        np.dtype("float32")
    }
    assert np.flatnonzero(arrays.last).tolist() == [2, 3, 7]
    assert np.flatnonzero(arrays.terminated).tolist() == [2]
    assert np.flatnonzero(arrays.truncated).tolist() == [3, 7], "an end without a flag counts as cut"
    np.testing.assert_array_equal(arrays.next_obs[2], buffers[0].observations[3].astype(np.float32))
    np.testing.assert_array_equal(arrays.next_obs[4], arrays.obs[5])
    np.testing.assert_array_equal(arrays.reward, [0, 1, 2, 10, 20, 21, 22, 23])
    assert (logged.discrete, logged.low, logged.high, logged.actions) == (False, (-2.0, -1.0), (2.0, 3.0), 2)
    assert logged.env_spec is None and logged.path == root / "my/box-v0"
    dataset.check(dataset.from_arrays(load.scaled(logged)[0]))


@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
def test_dict_observations_are_flattened_in_gymnasium_order(root, data_format):
    parts = [("zeta", spaces.Box(-1, 1, (2, 2), np.float32)), ("alpha", spaces.Discrete(3, start=5))]
    parts.append(("middle", spaces.Dict(OrderedDict(y=spaces.MultiBinary(2), x=spaces.Box(0, 1, (1,), np.float32)))))
    space = spaces.Dict(OrderedDict(parts))
    _, buffers = record("my/dict-v0", space, spaces.Discrete(2), data_format)
    arrays = load.read("my/dict-v0").arrays
    observations = buffers[2].observations
    for i in range(4):
        one = {"zeta": observations["zeta"][i], "alpha": observations["alpha"][i]}
        one["middle"] = {name: values[i] for name, values in observations["middle"].items()}
        np.testing.assert_allclose(arrays.obs[4 + i], spaces.flatten(space, one), rtol=1e-6)


def test_discrete_actions_count_from_zero(root):
    _, buffers = record("my/classes-v0", BOX, spaces.Discrete(3, start=4))
    logged = load.read("my/classes-v0")
    assert (logged.discrete, logged.actions, logged.low) == (True, 3, ())
    np.testing.assert_array_equal(logged.arrays.action, np.concatenate([b.actions for b in buffers]) - 4)
    assert logged.arrays.action.dtype == np.int32
    assert load.scaled(logged) == (logged.arrays, 0)


def test_direct_reading_equals_minaris_iterator(root):
    made, _ = record("my/box-v0", BOX, ACTION)
    from jaxrl.data import episodes

    direct = list(episodes.from_hdf5(minari.MinariDataset(root / "my/box-v0/data")))
    for ours, theirs in zip(direct, made.iterate_episodes(), strict=True):
        for name in episodes.Episode._fields:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_environment_specs_are_kept(root):
    spec = gymnasium.spec("Pendulum-v1")
    record(
        "my/pendulum-v0",
        spaces.Box(-8, 8, (3,), np.float32),
        spaces.Box(-2, 2, (1,), np.float32),
        env=spec,
        eval_env=spec,
    )
    logged = load.read("my/pendulum-v0")
    assert logged.env_spec.id == logged.eval_env_spec.id == "Pendulum-v1"


def test_episodes_without_steps_are_dropped(root):
    record("my/box-v0", BOX, ACTION)
    with h5py.File(root / "my/box-v0/data/main_data.hdf5", "a") as file:
        for name in ("actions", "rewards", "terminations", "truncations"):
            file["episode_1"][name].resize(0, axis=0)
    metadata = root / "my/box-v0/data/metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"total_steps": 7}))
    assert np.flatnonzero(load.read("my/box-v0").arrays.last).tolist() == [2, 6]


def test_a_flag_inside_an_episode_ends_it(root):
    record("my/box-v0", BOX, ACTION)
    with h5py.File(root / "my/box-v0/data/main_data.hdf5", "a") as file:
        file["episode_2/terminations"][1] = True
    with pytest.warns(UserWarning, match="1 steps inside episodes"):
        arrays = load.read("my/box-v0").arrays
    assert np.flatnonzero(arrays.last).tolist() == [2, 3, 5, 7]
    np.testing.assert_array_equal(arrays.next_obs[5], arrays.obs[6])


def test_more_steps_than_declared_are_all_read(root):
    record("my/box-v0", BOX, ACTION)
    metadata = root / "my/box-v0/data/metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"total_steps": 2}))
    np.testing.assert_array_equal(load.read("my/box-v0").arrays.reward, [0, 1, 2, 10, 20, 21, 22, 23])


def test_scaled_maps_bounds_to_one_and_counts_what_it_clips(root):
    actions = np.array([[-2, -1], [0, 1], [2, 3], [2.5, 3]], np.float32)
    flags = np.zeros(4, bool)
    buffer = EpisodeBuffer(0, None, None, some(BOX, 5), actions, np.zeros(4), flags, flags)
    record("my/wide-v0", BOX, ACTION, buffers=[buffer])
    with pytest.warns(UserWarning, match="my/wide-v0': 1 of 8 action values lay up to 0.5 outside") as caught:
        arrays, clipped = load.scaled(load.read("my/wide-v0"))
    assert clipped == 1 and "\n" not in str(caught[0].message)
    np.testing.assert_allclose(arrays.action, [[-1, -1], [0, 0], [1, 1], [1, 1]], atol=1e-6)


def test_actions_of_bounds_one_are_not_touched(root):
    record("my/unit-v0", BOX, spaces.Box(-1, 1, (3,), np.float32))
    logged = load.read("my/unit-v0")
    assert load.scaled(logged)[0].action is logged.arrays.action


def test_infinite_bounds_cannot_be_scaled(root):
    record("my/open-v0", BOX, spaces.Box(-np.inf, np.inf, (2,), np.float32))
    with pytest.raises(InputError, match=r"dimension 0 .*my/open-v0.* \[-inf, inf\]"):
        load.scaled(load.read("my/open-v0"))


def refused(dataset_id, *words):
    """The one-line error of reading."""
    with pytest.raises(InputError) as caught:
        load.read(dataset_id)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_broken_files_are_named(root):
    record("my/box-v0", BOX, ACTION)
    file = root / "my/box-v0/data/main_data.hdf5"
    whole = file.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no hdf5 at all" * 100):
        file.write_bytes(broken)
        refused("my/box-v0", "my/box-v0", "truncated or corrupted", "download, build or import it again")
    file.unlink()
    refused("my/box-v0", "lacks data/main_data.hdf5")
    (root / "my/box-v0/data/metadata.json").write_text('{"data_format": ')
    refused("my/box-v0", "truncated or corrupted")
    (root / "my/box-v0/data/metadata.json").unlink()
    refused("my/box-v0", "lacks data/metadata.json")


def test_missing_episodes_and_steps_are_named(root):
    record("my/box-v0", BOX, ACTION)
    with h5py.File(root / "my/box-v0/data/main_data.hdf5", "a") as file:
        del file["episode_1"]
    refused("my/box-v0", "truncated or corrupted")
    record("my/few-v0", BOX, ACTION)
    metadata = root / "my/few-v0/data/metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"total_steps": 9}))
    refused("my/few-v0", "8 steps are there, 9 are declared")


def test_broken_arrow_files_are_named(root):
    record("my/arrow-v0", BOX, ACTION, "arrow")
    file = next((root / "my/arrow-v0/data/1").glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:50])
    refused("my/arrow-v0", "my/arrow-v0", "truncated or corrupted")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("rewards", np.nan, ("reward of", "1 of 8 steps", "first at index 5")),
        ("actions", np.inf, ("action of", "first at index 5")),
        ("observations", np.nan, ("obs of", "first at index 5")),
    ],
)
def test_numbers_that_are_not_finite_are_counted(root, column, value, words):
    record("my/box-v0", BOX, ACTION)
    with h5py.File(root / "my/box-v0/data/main_data.hdf5", "a") as file:
        file["episode_2"][column][1] = value
    refused("my/box-v0", *words)


def test_a_final_observation_that_is_not_finite_is_found(root):
    record("my/box-v0", BOX, ACTION)
    with h5py.File(root / "my/box-v0/data/main_data.hdf5", "a") as file:
        file["episode_1/observations"][-1] = np.nan
    refused("my/box-v0", "final observations", "1 of 3 episodes", "first at index 1")


def test_empty_datasets_are_refused(root):
    record("my/none-v0", BOX, ACTION)
    metadata = root / "my/none-v0/data/metadata.json"
    full = json.loads(metadata.read_text())
    metadata.write_text(json.dumps(full | {"total_episodes": 0, "total_steps": 0}))
    refused("my/none-v0", "is empty")
    with h5py.File(root / "my/none-v0/data/main_data.hdf5", "a") as file:
        for episode in file.values():
            for name in ("actions", "rewards", "terminations", "truncations"):
                episode[name].resize(0, axis=0)
    metadata.write_text(json.dumps(full | {"total_steps": 0}))
    refused("my/none-v0", "no episode has a step")


def test_sizes_other_than_declared_are_refused(root):
    record("my/box-v0", BOX, ACTION)
    with h5py.File(root / "my/box-v0/data/main_data.hdf5", "a") as file:
        del file["episode_1/observations"]
        file["episode_1/observations"] = np.zeros((2, 4))
    refused("my/box-v0", "episode 1", "(2, 4)", "(2, 5)")
    record("my/short-v0", BOX, ACTION)
    with h5py.File(root / "my/short-v0/data/main_data.hdf5", "a") as file:
        file["episode_2/observations"].resize(4, axis=0)
    refused("my/short-v0", "episode 2", "(4, 5)", "(5, 5)")
    record("my/class-v0", BOX, spaces.Discrete(3))
    with h5py.File(root / "my/class-v0/data/main_data.hdf5", "a") as file:
        file["episode_0/actions"][0] = 3
    refused("my/class-v0", "episode 0", "3 classes")


def test_unknown_ids_suggest_the_nearest(root):
    record("my/hopper-medium-v0", BOX, ACTION)
    refused(
        "my/hoper-medium-v0",
        "'my/hopper-medium-v0'",
        "MINARI_DATASETS_PATH",
        "could not be downloaded (no network)",
        "minari download my/hoper-medium-v0",
        "jaxrl data import",
    )
    refused("../secret", "malformed")
    with pytest.raises(InputError, match="downloading was not allowed"):
        load.read("my/other-v0", download=False)


def test_download_goes_through_minari(root, tmp_path, monkeypatch, capsys):
    record("my/far-v0", BOX, ACTION)
    shutil.move(root / "my", tmp_path / "remote")

    def stand_in(dataset_id):
        print("Downloading")
        shutil.copytree(tmp_path / "remote" / "far-v0", root / dataset_id)

    monkeypatch.setattr(minari, "download_dataset", stand_in)
    monkeypatch.setattr(local, "unreachable", lambda: "")
    assert load.find("my/far-v0") is None
    assert len(load.read("my/far-v0").arrays.reward) == 8
    assert capsys.readouterr().out == "", "progress belongs on stderr"
    monkeypatch.setattr(minari, "download_dataset", lambda _: pytest.fail("downloaded twice"))
    load.read("my/far-v0")


def test_a_failed_download_leaves_nothing(root, monkeypatch):
    def stand_in(dataset_id):
        (root / dataset_id / "data").mkdir(parents=True)
        raise ConnectionError("the line\nwent dead")

    monkeypatch.setattr(minari, "download_dataset", stand_in)
    monkeypatch.setattr(local, "unreachable", lambda: "")
    refused("my/far-v0", "ConnectionError: the line")
    assert load.find("my/far-v0") is None


def test_a_remote_that_does_not_answer_is_noticed(monkeypatch):
    hub = types.ModuleType("huggingface_hub")
    hub.constants = types.SimpleNamespace(HF_HUB_OFFLINE=False, ENDPOINT="http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.delenv("MINARI_REMOTE", raising=False)
    assert local.unreachable() != ""
    hub.constants.HF_HUB_OFFLINE = True
    assert local.unreachable() == "HF_HUB_OFFLINE is set"
    monkeypatch.setenv("MINARI_REMOTE", "gcp://somewhere")
    assert local.unreachable() == ""


def test_catalogue_reads_metadata_only(root, tmp_path):
    spec = gymnasium.spec("Pendulum-v1")
    record("my/box-v0", BOX, ACTION)
    pendulum = spaces.Box(-8, 8, (3,), np.float32), spaces.Box(-2, 2, (1,), np.float32)
    record("b/c/pendulum-v0", *pendulum, env=spec, ref_min_score=-1200.0, ref_max_score=-150.0)
    record("my/broken-v0", BOX, ACTION)
    (root / "my/broken-v0/data/metadata.json").write_text("{")
    shutil.copytree(root / "my/box-v0", root / "my/half-v0.tmp")
    shutil.copytree(root / "my/box-v0", root / ".hidden.tmp/my/box-v1")
    shutil.copytree(root / "my/box-v0", tmp_path / "built/my/box-v0")
    (root / "my/box-v0/data/main_data.hdf5").write_bytes(b"not read")
    rows = {row.id: row for row in load.catalogue()}
    assert set(rows) == {"my/box-v0", "my/broken-v0", "b/c/pendulum-v0"}
    box, pendulum = rows["my/box-v0"], rows["b/c/pendulum-v0"]
    assert (box.episodes, box.steps, box.environment, box.references, box.root) == (3, 8, "", False, root)
    assert (pendulum.environment, pendulum.references) == ("Pendulum-v1", True)
    assert box.bytes == sum(f.stat().st_size for f in (root / "my/box-v0/data").iterdir())
    assert "truncated or corrupted" in rows["my/broken-v0"].note and box.note == ""


def test_describe_tells_returns_and_origin(root):
    record("my/box-v0", BOX, ACTION, author="someone", algorithm_name="random")
    told = load.describe("my/box-v0")
    assert told["return_mean"] == pytest.approx((3 + 10 + 86) / 3)
    assert (told["return_min"], told["return_max"], told["length_mean"]) == (3.0, 86.0, pytest.approx(8 / 3))
    assert (told["episodes"], told["steps"], told["terminated"], told["truncated"]) == (3, 8, 1, 2)
    assert told["author"] == ["someone"] and told["algorithm"] == "random"
    assert told["score"] is None and "my/box-v0" in told["no_score"]
    assert told["fingerprint"] == dataset.fingerprint(dataset.from_arrays(load.scaled(load.read("my/box-v0"))[0]))
    assert told["observation_space"] == "Box(-inf, inf, (5,), float64)"
    json.dumps(told, allow_nan=False)


@pytest.mark.skipif(not EXTERNAL, reason="needs JAXRL_EXTERNAL_DATA")
def test_external_hopper_medium():
    told = load.describe("external/hopper-medium-v0")
    assert (told["episodes"], told["steps"], told["obs"], told["actions"]) == (284, 100308, 11, 3)
    assert told["return_mean"] == pytest.approx(1075, abs=1)
    assert [pair["convention"] for pair in told["references"]] == ["expert", "metadata"]
    assert told["references"][1]["score_mean"] == pytest.approx(33.6, abs=0.1)
    assert Path(told["path"]).is_relative_to(EXTERNAL)
