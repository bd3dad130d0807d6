"""Tasks by id: what a task holds, and what is refused."""

import json

import gymnasium
import jax
import numpy as np
import pytest

import jaxrl
from jaxrl import forge, tasks
from jaxrl.core.check import InputError
from jaxrl.core.types import Env, HostEnv
from jaxrl.data import dataset
from tests import made


@pytest.fixture(autouse=True)
def sets(tmp_path, monkeypatch):
    """Minari's own path, empty."""
    return made.set_roots(monkeypatch, tmp_path)


def changed(folder, **entries):
    """Metadata of a written dataset with some entries replaced."""
    file = folder / "data" / "metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def test_a_task_is_an_environment_with_its_data(sets):
    made.write(sets, "mine/swing-v0", episodes=3, length=7)
    task = jaxrl.load("mine/swing-v0")
    assert isinstance(task, jaxrl.Task) and isinstance(task.env, Env) and task.env.spec.name == "Pendulum-v1"
    assert task.name == "mine/swing-v0" and task.scaler is None and task.references == ()
    assert dataset.size(task.dataset) == 21 and task.version == dataset.fingerprint(task.dataset)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(task.dataset))
    expected = dataset.from_arrays(made.arrays(episodes=3, length=7))
    for ours, theirs in zip(jax.tree.leaves(task.dataset), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_actions_come_scaled_and_references_from_metadata(sets):
    folder = made.write(sets, "mine/swing-v0")
    changed(folder, ref_min_score=-1000.0, ref_max_score=-100.0)
    (reference,) = tasks.load("mine/swing-v0").references
    assert (reference.low, reference.high, reference.convention) == (-1000.0, -100.0, "metadata")
    assert reference.score(np.array([-1000.0, -550.0, -100.0])).tolist() == [0, 50, 100]


def test_datasets_of_one_environment_share_its_functions(sets):
    """So that a program compiled for one serves the other."""
    for name in ("mine/one-v0", "mine/two-v0"):
        made.write(sets, name)
    one, two = (tasks.load(name).env for name in ("mine/one-v0", "mine/two-v0"))
    assert (one.reset, one.step) == (two.reset, two.step)


def test_other_environments_are_stepped_on_the_host(sets):
    folder = made.write(sets, "mine/car-v0", obs=2)
    changed(folder, env_spec=gymnasium.spec("MountainCarContinuous-v0").to_json())
    task = tasks.load("mine/car-v0")
    assert isinstance(task.env, HostEnv)
    assert task.env.spec.name == "MountainCarContinuous-v0" and task.env.spec.horizon == 999


def test_embedded_sets_are_built_on_first_use(monkeypatch, capsys):
    name = "embedded/pendulum-random-v0"
    small = {name: forge.recipes()[name]._replace(steps=400, reference_episodes=4)}
    monkeypatch.setattr(forge, "recipes", lambda: small)
    first = tasks.load(name)
    assert "400 steps" in capsys.readouterr().out
    again = tasks.load(name)
    assert capsys.readouterr().out == "" and again.version == first.version
    assert len(first.references) == 1 and dataset.size(first.dataset) == 400


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"obs": 4},
            "mine/swing-v0 has 4 observation and 1 action numbers, but its environment Pendulum-v1 has 3 and 1",
        ),
        ({"action": 2}, "mine/swing-v0 has 3 observation and 2 action numbers"),
        ({"discrete": True}, "mine/swing-v0 has discrete actions, but its environment Pendulum-v1 has continuous ones"),
    ],
)
def test_data_that_do_not_fit_their_environment_are_refused(sets, sizes, message):
    made.write(sets, "mine/swing-v0", **sizes)
    with pytest.raises(InputError, match=f"{message}.*import it with the right --env"):
        tasks.load("mine/swing-v0")


def test_data_without_an_environment_are_refused(sets):
    folder = made.write(sets, "mine/swing-v0")
    metadata = json.loads((folder / "data" / "metadata.json").read_text())
    del metadata["env_spec"]
    (folder / "data" / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(InputError, match=r"mine/swing-v0 names no environment.*jaxrl data import"):
        tasks.load("mine/swing-v0")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine/swin-v0", "did you mean 'mine/swing-v0'"),
        ("mine/swin-v0", "minari download mine/swin-v0"),
        ("swing", "malformed; write it as namespace/name-v0"),
        ("embedded/pendulum-medum-v0", "unknown embedded dataset.*did you mean 'embedded/pendulum-medium-v0'"),
    ],
)
def test_unknown_ids_are_refused_with_the_nearest(sets, name, message):
    made.write(sets, "mine/swing-v0")
    with pytest.raises(InputError, match=message) as caught:
        tasks.load(name)
    assert "\n" not in str(caught.value)


def test_an_imported_file_is_a_task(sets, tmp_path):
    data = made.arrays(episodes=2, length=5)
    file = tmp_path / "mine.npz"
    ends = {"terminations": data.terminated, "truncations": data.truncated, "next_observations": data.next_obs}
    np.savez(file, observations=data.obs, actions=data.action, rewards=data.reward, **ends)
    assert tasks.import_file(str(file), "Pendulum-v1", "mine/swing-v0") == str(sets / "mine/swing-v0")
    task = tasks.load("mine/swing-v0")
    np.testing.assert_allclose(task.dataset.steps.action, data.action / 2, rtol=1e-6)
    np.testing.assert_array_equal(task.dataset.steps.next_obs, data.next_obs)
    with pytest.raises(InputError, match="unknown environment 'Pendulun-v1'"):
        tasks.import_file(str(file), "Pendulun-v1", "mine/other-v0")
