"""The ladder of trained datasets: recipes are checked, builds go on after a kill, and the rungs climb."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl import ladder
from jaxrl.core.check import InputError
from jaxrl.core.types import Spec, Transition
from jaxrl.data import load
from jaxrl.envs import maze, suites
from jaxrl.ladder import recipes, training
from jaxrl.ladder.collecting import Logged, by_episode, collect, shortened

GOOD = """
environment = "ProbeAction-v0"
card = "sac"
seed = 3
env_steps = 600
snapshots = 6
steps = 200
episodes = 10
reference_episodes = 100

[settings]
width = 16
warmup = 50
batch = 32
actor_lr = 1e-2
critic_lr = 1e-2

[accelerator]
env_steps = 900
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A function that writes a recipe with some text replaced; everything is built under the test's own folder."""
    monkeypatch.setenv("JAXRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JAXRL_DATA", str(tmp_path / "built"))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def write(old="", new=""):
        assert old in GOOD
        (tmp_path / "probe.toml").write_text(GOOD.replace(old, new, 1) if old else GOOD)
        return str(tmp_path / "probe.toml")

    return write


def infos(folder: Path, name: str) -> np.ndarray:
    import minari

    return np.concatenate([one.infos[name] for one in minari.MinariDataset(folder / "data").iterate_episodes()])


@pytest.mark.slow
def test_six_rungs_with_densities_references_and_provenance(made):
    folders = ladder.build(made(), report=lambda text: None)
    assert [folder.name for folder in folders] == [f"probe-{quality}-v0" for quality in ladder.QUALITIES]
    read = {folder.name[6:-3]: load.read(f"trained/{folder.name}", download=False) for folder in folders}
    mean = {quality: logged.arrays.reward.sum() / logged.arrays.last.sum() for quality, logged in read.items()}
    assert mean["random"] < mean["expert"] and mean["medium"] <= mean["expert"] and mean["full-replay"] > mean["random"]
    counts = {quality: len(logged.arrays.reward) for quality, logged in read.items()}
    assert counts["medium-expert"] == counts["medium"] + counts["expert"] and counts["full-replay"] == 600
    assert all(200 <= counts[quality] < 230 for quality in ("random", "medium", "expert"))
    about = read["medium"].metadata
    assert about["ref_min_score"] < about["ref_max_score"] and "100 episodes" in about["ref_origin"]
    assert json.loads(about["jaxrl_recipe"])["seed"] == 3 and about["algorithm_name"] == "sac"
    assert {"commit", "versions", "device"} <= json.loads(about["jaxrl_provenance"]).keys()
    assert infos(folders[0], "log_prob") == pytest.approx(-np.log(2), abs=1e-6)
    assert infos(folders[5], "log_prob")[:50] == pytest.approx(-np.log(2), abs=1e-6)  # the warm-up is random


@pytest.mark.slow
def test_densities_are_those_of_the_policy_that_acted(made):
    recipe = ladder.read(made())
    trained = training.train(recipe, lambda text: None)
    last = trained.snapshots[-1].update
    logged = collect(jax.random.key(0), trained.task.env, trained.explore(last), 100)
    again = trained.explore(last).log_prob(logged.arrays.obs, logged.arrays.action)
    np.testing.assert_allclose(logged.log_prob, again, atol=2e-2)  # through arctanh of rounded actions
    assert np.ptp(logged.log_prob) > 0.1


@pytest.mark.slow
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(made, tmp_path):
    recipe = made("env_steps = 600", "env_steps = 4000")
    once = {folder.name: (folder / "data" / "main_data.hdf5").read_bytes() for folder in quiet(recipe)}
    whole = json.loads((tmp_path / "cache/ladders/probe/snapshots.json").read_text())
    other = {**os.environ, "JAXRL_CACHE": str(tmp_path / "other"), "JAXRL_DATA": str(tmp_path / "second")}
    command = [sys.executable, "-m", "jaxrl", "data", "build", recipe]
    process = subprocess.Popen(command, env=other, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = tmp_path / "other/ladders/probe/snapshots.json"
    deadline = time.monotonic() + 100
    while not file.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(json.loads(file.read_text())) < len(whole), "it was over before it could be killed"
    assert not (tmp_path / "second").exists()
    done = subprocess.run(command, env=other, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and "going on after" in done.stdout, done.stderr
    assert json.loads(file.read_text()) == whole
    assert once == {name: (tmp_path / "second/trained" / name / "data/main_data.hdf5").read_bytes() for name in once}


def quiet(recipe):
    return ladder.build(recipe, report=lambda text: None)


@pytest.mark.slow
def test_cards_without_replay_mix_their_snapshots(made):
    settings = GOOD[GOOD.index("width") : GOOD.index("\n[acc")]
    recipe = made(settings, "envs = 4\nlength = 20\npasses = 2\nminibatches = 2\n")
    Path(recipe).write_text(Path(recipe).read_text().replace('"sac"', '"ppo"'))
    folders = quiet(recipe)
    assert len(load.read(f"trained/{folders[5].name}", download=False).arrays.reward) >= 200
    log_prob = infos(folders[5], "log_prob")
    assert len(np.unique(log_prob)) > 100 and np.isfinite(log_prob).all()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 3", "sed = 3", "unknown key of recipe probe 'sed'; did you mean 'seed'?"),
        ("seed = 3\n", "", "recipe probe lacks 'seed'"),
        ("seed = 3", "seed = -1", "seed of recipe probe is -1"),
        ("steps = 200", "steps = 0", "steps of recipe probe is 0"),
        ("snapshots = 6", "snapshots = 1", "snapshots of recipe probe is 1"),
        ("reference_episodes = 100", "reference_episodes = 99", "reference_episodes of recipe probe is 99"),
        ('"sac"', '"iql"', "card 'iql' of recipe probe learns from data"),
        ('"sac"', '"sack"', "unknown card 'sack'"),
        ('"ProbeAction-v0"', "3", "environment of recipe probe is 3"),
        ('"ProbeAction-v0"', '"CartPole-v1"', "card 'sac' takes continuous actions"),
        ("width = 16", "widht = 16", "unknown setting of sac 'widht'; did you mean 'width'?"),
        ("env_steps = 600", "env_steps = 52", "allow 2 updates after the warm-up, fewer than its 6 snapshots"),
        ("env_steps = 900", "hurry = 900", "unknown key in [accelerator] of recipe probe 'hurry'"),
        ("seed = 3", "seed = = 3", "cannot be read"),
    ],
)
def test_bad_recipes_are_refused_in_one_line(made, old, new, said):
    with pytest.raises(InputError) as error:
        quiet(made(old, new))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_accelerator_has_settings_of_its_own(made):
    assert recipes.read(made(), accelerated=True).env_steps == 900 and recipes.read(made()).env_steps == 600


@pytest.mark.parametrize("name", ladder.names())
def test_every_recipe_reads(name):
    for accelerated in (False, True):
        recipe = recipes.read(name, accelerated)
        assert recipe.reference_episodes >= 100 and recipe.ids[1] == f"trained/{name}-medium-v0"
        assert ladder.recipe_of(recipe.ids[1]) == name


def test_every_control_and_mujoco_task_has_a_recipe():
    there = {recipes.read(name).environment for name in ladder.names()}
    assert {"Pendulum-v1", "CartPole-v1", "Acrobot-v1", *maze.LAYOUTS, *suites.MUJOCO} <= there


@pytest.mark.slow
def test_a_recipe_that_changed_is_trained_anew(made):
    recipe = ladder.read(made())
    training.train(recipe, lambda text: None)
    said: list[str] = []
    training.train(recipe, said.append)
    assert said and all("going on" in text for text in said)
    said.clear()
    training.train(recipe._replace(seed=4), said.append)
    assert len(said) == recipe.snapshots


def test_episodes_are_cut_out_of_interleaved_rows():
    count = np.arange(8, dtype=np.float32).reshape(4, 2)
    terminated = np.array([[0, 1], [0, 0], [1, 0], [0, 0]], np.float32)
    rows = Transition(
        count[..., None], count[..., None] / 8, count, count[..., None] + 2, None, terminated, np.zeros((4, 2)), None,
        {"log_prob": -count},
    )  # fmt: skip
    spec = Spec("x", 1, 1, 10, low=(-2.0,), high=(2.0,))
    whole = by_episode(spec, rows, cut=False)
    assert whole.arrays.reward.tolist() == [0, 2, 4, 1] and whole.arrays.last.tolist() == [False, False, True, True]
    cut = by_episode(spec, rows, cut=True)
    assert cut.arrays.reward.tolist() == [0, 2, 4, 6, 1, 3, 5, 7] and cut.arrays.truncated.sum() == 2
    assert cut.arrays.action[1, 0] == pytest.approx(0.5) and cut.log_prob.tolist() == [-0, -2, -4, -6, -1, -3, -5, -7]
    assert shortened(whole, 2).arrays.reward.tolist() == [0, 2, 4] and isinstance(whole, Logged)
