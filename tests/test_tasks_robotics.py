"""Tasks of D4RL's AntMaze sets, written by Minari: data and evaluation show the same, scores are of successes."""

import json
import warnings

import numpy as np
import pytest

from jaxrl import tasks
from jaxrl.core.check import InputError
from jaxrl.core.types import HostEnv
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.adapters import robotics
from tests import made

STORED = [[1, 1, 1, 1, 1], [1, 0, 0, "r", 1], [1, 0, 1, 1, 1], [1, 0, 0, "g", 1], [1, 1, 1, 1, 1]]
"""Evaluation map of Minari's umaze sets, turned by 180 degrees against their data."""
EPISODES, LENGTH = 3, 5

# Minari's collector leaves a temporary folder to the garbage collector, which says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def recorded(dataset_id: str, places: list):
    """Write random steps of the continuing AntMaze with a turned evaluation map; the ant's x, y go to `places`."""
    import gymnasium
    import minari

    spec = adapter.find("AntMaze_UMaze-v4")
    settings = {**spec.kwargs, "continuing_task": True, "reset_target": False}
    spec = robotics.replaced(spec, kwargs=settings, max_episode_steps=LENGTH)
    env = minari.DataCollector(gymnasium.make(spec))
    env.action_space.seed(0)
    for episode in range(EPISODES):
        env.reset(seed=episode)
        places.append(env.unwrapped.ant_env.data.qpos[:2].copy())
        for _ in range(LENGTH):
            env.step(env.action_space.sample())
            places.append(env.unwrapped.ant_env.data.qpos[:2].copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari asks for an author and a licence
        evaluation = robotics.replaced(spec, kwargs={**settings, "maze_map": STORED}, max_episode_steps=7)
        dataset = env.create_dataset(dataset_id, eval_env=evaluation)
    env.close()
    return dataset


@pytest.fixture
def task(tmp_path, monkeypatch):
    """The task of such a dataset, with the ant's places."""
    root = made.set_roots(monkeypatch, tmp_path)
    try:
        robotics.register("a test")
    except InputError:
        pytest.skip("needs the extra robotics")
    places = []
    recorded("D4RL/antmaze/umaze-v1", places)
    file = root / "D4RL/antmaze/umaze-v1/data/metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "ref_min_score": 0.0, "ref_max_score": 500.0}))
    return tasks.load("D4RL/antmaze/umaze-v1"), np.array(places).reshape(EPISODES, LENGTH + 1, 2)


def test_antmaze_from_data_to_evaluation(task):
    task, places = task
    obs = np.asarray(task.dataset.steps.obs).reshape(EPISODES, LENGTH, 31)
    np.testing.assert_allclose(obs[..., :2], places[:, :-1], atol=1e-5)
    np.testing.assert_allclose(np.asarray(task.dataset.steps.next_obs)[:, :2], places[:, 1:].reshape(-1, 2), atol=1e-5)
    assert isinstance(task.env, HostEnv) and task.env.spec.horizon == 7
    env = task.env.make()
    first, _ = env.reset(seed=0)
    place = lambda xy: tuple(int(i) for i in env.unwrapped.maze.cell_xy_to_rowcol(xy))
    assert (place(first[:2]), place(first[2:4])) == ((3, 1), (1, 1))  # start and goal, turned with the map
    assert not env.unwrapped.continuing_task
    np.testing.assert_allclose(np.ptp(obs[..., 2:4], axis=1), 0)  # one goal an episode, in the places of the data's


def test_scores_are_of_successes(task):
    """The metadata's pair is of rewards that add up at the goal; it would give a success a fifth of a percent."""
    (pair,) = task[0].references
    assert (pair.low, pair.high, pair.convention) == (0.0, 1.0, "d4rl") and pair.score(1.0) == 100.0


def test_its_environments_alone(monkeypatch, tmp_path):
    made.set_roots(monkeypatch, tmp_path)
    try:
        task = tasks.load("AdroitHandDoor-v1")
    except InputError as error:
        assert "jaxrl-suite[robotics]" in str(error) and "AdroitHandDoor-v1" in str(error)
    else:
        assert task.dataset is None and (task.env.spec.obs, task.env.spec.horizon) == (39, 200)
