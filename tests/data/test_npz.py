import os
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Spec
from jaxrl.data import load, npz

PENDULUM = Spec("Pendulum-v1", 3, 1, 200, low=(-2.0,), high=(2.0,))
CARTPOLE = Spec("CartPole-v1", 4, 2, 500, discrete=True)
EXTERNAL = os.environ.get("JAXRL_EXTERNAL_DATA")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """Minari's own path; nothing built, no external data."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    monkeypatch.setenv("JAXRL_DATA", str(tmp_path / "built"))
    monkeypatch.delenv("JAXRL_EXTERNAL_DATA", raising=False)
    return tmp_path / "sets"


def columns(**changes):
    """Three episodes of 3, 2 and 4 steps: one terminates, one is timed out, one is cut by the end of the file."""
    obs = np.arange(27.0).reshape(9, 3)
    last = np.isin(np.arange(9), (2, 4, 8))
    found = {
        "observations": obs,
        "actions": np.linspace(-2, 2, 9)[:, None],
        "rewards": np.arange(9.0),
        "terminations": np.arange(9) == 2,
        "episode_ends": np.array([3, 5, 9]),
        "next_observations": np.where(last[:, None], -obs, np.roll(obs, -1, axis=0)),
    }
    return {name: column for name, column in (found | changes).items() if column is not None}


def saved(folder, **changes):
    """A file of those columns."""
    np.savez(folder / "mine.npz", **columns(**changes))
    return folder / "mine.npz"


def refused(path, *words, spec=PENDULUM):
    """The one-line error of reading."""
    with pytest.raises(InputError) as caught:
        npz.read_npz(path, spec)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_file_becomes_a_minari_set_and_arrays_again(tmp_path, root):
    lines = []
    spec = gymnasium.spec("Pendulum-v1")
    path = saved(tmp_path, sources=np.array(["here"]))
    target = npz.import_npz(
        path, environment_spec=PENDULUM, env_spec=spec, dataset_id="me/mine-v0", report=lines.append
    )
    assert target == root / "me/mine-v0"
    logged, given = load.read("me/mine-v0"), columns()
    assert logged.env_spec.id == "Pendulum-v1" and logged.high == (2.0,)
    for name, key in (
        ("obs", "observations"),
        ("action", "actions"),
        ("reward", "rewards"),
        ("next_obs", "next_observations"),
    ):
        np.testing.assert_array_equal(getattr(logged.arrays, name), given[key].astype(np.float32))
    assert np.flatnonzero(logged.arrays.last).tolist() == [2, 4, 8]
    assert np.flatnonzero(logged.arrays.terminated).tolist() == [2]
    assert np.flatnonzero(logged.arrays.truncated).tolist() == [4, 8]
    assert lines == [
        "mine.npz: 9 steps in 3 episodes written as me/mine-v0",
        "mine.npz: ignored arrays: sources",
    ]


def test_without_successors_the_last_step_of_cut_episodes_goes(tmp_path):
    found = npz.read_npz(saved(tmp_path, next_observations=None), PENDULUM)
    arrays, obs = found.arrays, columns()["observations"].astype(np.float32)
    assert arrays.reward.tolist() == [0, 1, 2, 3, 5, 6, 7], "9 steps less two cut episodes"
    assert np.flatnonzero(arrays.last).tolist() == [2, 3, 6]
    assert arrays.terminated.sum() == 1 and np.flatnonzero(arrays.truncated).tolist() == [3, 6]
    np.testing.assert_array_equal(arrays.next_obs[[0, 3, 6]], obs[[1, 4, 8]])
    assert "last step of 2 cut episodes dropped" in found.notes[0]


def test_other_names_and_other_marks_of_the_end_are_understood(tmp_path):
    given = columns()
    ends = np.isin(np.arange(9), (4, 8))
    renamed = {"obs": "observations", "acts": "actions", "rews": "rewards", "terminals": "terminations"}
    renamed |= {"next_obs": "next_observations"}
    np.savez(tmp_path / "other.npz", **{new: given[old] for new, old in renamed.items()}, timeouts=ends)
    expected = npz.read_npz(saved(tmp_path), PENDULUM).arrays
    flagged = saved(tmp_path, episode_ends=ends | given["terminations"])
    for path in (tmp_path / "other.npz", flagged, saved(tmp_path, episode_ends=None)):
        for one, other in zip(npz.read_npz(path, PENDULUM).arrays, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_ends_alone_count_as_cuts(tmp_path):
    found = npz.read_npz(saved(tmp_path, terminations=None), PENDULUM)
    assert not found.arrays.terminated.any() and found.arrays.truncated.sum() == 3
    assert found.notes == ("no terminations: every episode counts as cut",)


def test_actions_outside_bounds_are_kept_and_told(tmp_path):
    found = npz.read_npz(saved(tmp_path, actions=np.full((9, 1), 2.5)), PENDULUM)
    assert (found.arrays.action == 2.5).all() and "9 of 9 action values lie up to 0.5 outside" in found.notes[0]


def test_discrete_actions(tmp_path):
    obs = np.zeros((9, 4))
    given = {"observations": obs, "next_observations": None}
    found = npz.read_npz(saved(tmp_path, actions=np.arange(9.0) % 2, **given), CARTPOLE)
    assert found.arrays.action.dtype == np.int32 and found.arrays.action.max() == 1
    refused(saved(tmp_path, actions=np.arange(9) % 3, **given), "run from 0 to 2", "CartPole-v1", spec=CARTPOLE)
    refused(saved(tmp_path, actions=np.full(9, 0.5), **given), "not whole numbers", "CartPole-v1", spec=CARTPOLE)
    refused(saved(tmp_path, actions=np.zeros((9, 2), int), **given), "(9, 2)", spec=CARTPOLE)
    refused(saved(tmp_path, actions=np.arange(9) % 2), "whole numbers", "continuous")


def test_what_is_missing_is_named_with_what_is_there(tmp_path):
    refused(
        saved(tmp_path, rewards=None, episode_ends=None, terminations=None), "lacks rewards and terminations", "actions"
    )
    refused(tmp_path / "absent.npz", "absent.npz", "cannot be read")
    (tmp_path / "mine.npz").write_bytes(saved(tmp_path).read_bytes()[:300])
    refused(tmp_path / "mine.npz", "cannot be read")
    np.save(tmp_path / "one.npy", np.zeros(3))
    refused(tmp_path / "one.npy", "single array")
    refused(saved(tmp_path, rewards=np.array([None] * 9, object)), "without objects")


def test_sizes_must_fit(tmp_path):
    refused(saved(tmp_path, observations=np.zeros((9, 4)), next_observations=None), "4 numbers", "Pendulum-v1 has 3")
    refused(saved(tmp_path, actions=np.zeros((9, 2))), "2 numbers", "Pendulum-v1 has 1")
    refused(saved(tmp_path, rewards=np.zeros(8)), "rewards 8", "observations 9")
    refused(saved(tmp_path, next_observations=np.zeros((9, 2))), "(9, 2)")
    refused(saved(tmp_path, **{name: column[:0] for name, column in columns().items()}), "is empty")
    refused(saved(tmp_path, rewards=np.zeros((9, 2))), "rewards", "(9, 2)")


def test_ends_must_be_consistent(tmp_path):
    for wrong in ([3, 5], [0, 5, 9], [5, 3, 9], [3, 5, 8], []):
        refused(saved(tmp_path, episode_ends=np.array(wrong, int)), "episode_ends")
    refused(saved(tmp_path, terminations=np.arange(9) == 1), "terminations", "row 1")
    refused(saved(tmp_path, episode_ends=np.array([3, 9])), "next_observations", "1 rows", "row 4")


def test_numbers_must_be_finite(tmp_path):
    rewards = np.arange(9.0)
    rewards[[4, 6]] = np.nan, np.inf
    refused(saved(tmp_path, rewards=rewards), "reward", "2 of 9", "index 4")
    obs = columns()["observations"]
    obs[0, 0] = 1e300
    refused(saved(tmp_path, observations=obs), "obs", "1 of 9", "index 0")


@pytest.mark.skipif(not EXTERNAL, reason="needs JAXRL_EXTERNAL_DATA")
@pytest.mark.parametrize(
    ("name", "env", "spec", "steps", "episodes", "mean"),
    [
        (
            "mujoco_cs294/hopper_bc",
            None,
            Spec("Hopper-v5", 11, 3, 1000, False, (-1.0,) * 3, (1.0,) * 3),
            14741,
            40,
            None,
        ),
        ("pendulum_rllib/pendulum_medium_sac", "Pendulum-v1", PENDULUM, 10000, 50, -524.3),
        ("cartpole_sets/cartpole_sb_expert", "CartPole-v1", CARTPOLE, 49527, 100, None),
        ("acrobot_coach/acrobot_propensity", "Acrobot-v1", Spec("Acrobot-v1", 6, 3, 500, True), 9804, 30, -326.2),
        ("adroit_door_human/door_human", None, None, 6729, 25, None),
    ],
)
def test_users_files(name, env, spec, steps, episodes, mean):
    file, lines = Path(EXTERNAL) / f"{name}.npz", []
    env_spec = gymnasium.spec(env) if env else None
    npz.import_npz(file, environment_spec=spec, env_spec=env_spec, dataset_id="me/users-v0", report=lines.append)
    logged = load.read("me/users-v0", download=False)
    whole = "next_observations" in np.load(file).files
    dropped = 0 if whole else int(np.load(file)["episode_ends"].size - logged.arrays.terminated.sum())
    assert len(logged.arrays.reward) == steps - dropped and logged.arrays.last.sum() == episodes
    assert whole or any(f"last step of {dropped} cut episodes dropped" in line for line in lines)
    if mean is not None:
        assert logged.arrays.reward.sum(dtype=float) / episodes == pytest.approx(mean, abs=0.1)
