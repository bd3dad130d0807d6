"""Embedded datasets: recipes are checked, builds are the same twice, and the ladder climbs."""

import json

import numpy as np
import pytest

from jaxrl import forge
from jaxrl.core import paths
from jaxrl.core.check import InputError
from jaxrl.data import load
from jaxrl.data.dataset import check, episode_returns, fingerprint, from_arrays

FAMILIES = ("pendulum", "pointmaze-umaze", "pointmaze-medium", "pointmaze-large")


def test_four_families_of_four_qualities_and_bandits():
    found = forge.recipes()
    bandits = {"embedded/bandits-random-v0", "embedded/bandits-expert-v0"}
    ids = {f"embedded/{family}-{quality}-v0" for family in FAMILIES for quality in forge.QUALITIES}
    assert set(found) == ids | bandits
    for family in FAMILIES:
        of_family = [r for name, r in found.items() if name in {f"embedded/{family}-{q}-v0" for q in forge.QUALITIES}]
        assert len({(r.environment, r.steps, r.seed, r.reference_episodes) for r in of_family}) == 1
        assert of_family[0].reference_episodes >= 100
        assert 20_000 <= of_family[0].steps <= 40_000


@pytest.fixture
def built(tmp_path, monkeypatch):
    """An empty folder that is the only place where datasets are looked for."""
    monkeypatch.setenv("JAXRL_DATA", str(tmp_path / "built"))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.delenv("JAXRL_EXTERNAL_DATA", raising=False)
    return tmp_path / "built"


def small(dataset_id: str, steps: int) -> forge.Recipe:
    """The recipe of that id with fewer steps and reference episodes."""
    return forge.recipes()[dataset_id]._replace(steps=steps, reference_episodes=20)


def loaded(dataset_id: str):
    """(Dataset, reference returns from the metadata)."""
    logged = load.read(dataset_id, download=False)
    pair = logged.metadata["ref_min_score"], logged.metadata["ref_max_score"]
    return check(from_arrays(load.scaled(logged)[0])), pair


@pytest.mark.slow
def test_the_ladder_climbs_and_scores_are_measured(built):
    means, pairs = {}, set()
    for quality in forge.QUALITIES:
        name = f"embedded/pointmaze-umaze-{quality}-v0"
        folder = forge.build(name, report=lambda line: None, recipe=small(name, 6000))
        assert folder == built / name
        dataset, pair = loaded(name)
        means[quality] = episode_returns(dataset).mean()
        pairs.add(pair)
        assert len(episode_returns(dataset)) == 60
        assert dataset.steps.truncated.sum() == 60
        assert dataset.steps.terminated.sum() == 0
    assert means["random"] < means["medium-replay"] < means["medium"] < means["expert"]
    assert len(pairs) == 1
    low, high = pairs.pop()
    share = (means["medium"] - low) / (high - low)
    assert 0.2 < share < 0.6
    assert means["expert"] == pytest.approx(high, rel=0.1)


def test_the_same_bytes_twice_and_nothing_left_beside(built, tmp_path):
    name = "embedded/pendulum-medium-replay-v0"
    prints = []
    for seed in (1, 1, 2):
        lines = []
        forge.build(name, report=lines.append, recipe=small(name, 2000)._replace(seed=seed))
        dataset, _ = loaded(name)
        prints.append(fingerprint(dataset))
        assert len(lines) == 1
        assert name in lines[0]
        assert "2000 steps" in lines[0]
    assert prints[0] == prints[1] != prints[2]
    assert sorted(path.name for path in built.iterdir()) == ["embedded"]
    action = np.asarray(dataset.steps.action)
    assert action.min() < -0.9
    assert action.max() > 0.9
    torque = -np.asarray(dataset.steps.reward) - np.arctan2(*np.asarray(dataset.steps.obs).T[[1, 0]]) ** 2
    speed = np.asarray(dataset.steps.obs)[:, 2]
    np.testing.assert_allclose(torque - 0.1 * speed**2, 0.001 * (2 * action[:, 0]) ** 2, atol=1e-4)


def test_the_recipe_travels_with_the_data(built):
    name = "embedded/pendulum-random-v0"
    forge.build(name, report=lambda line: None, recipe=small(name, 2000))
    metadata = load.read(name, download=False).metadata
    recipe = json.loads(metadata["jaxrl_recipe"])
    assert (recipe["environment"], recipe["steps"]) == ("Pendulum-v1", 2000)
    assert "20 episodes" in metadata["ref_origin"]


def test_mixtures_follow_their_fractions():
    cast = forge.recipes()["embedded/pendulum-medium-replay-v0"].behaviours
    arrays = forge.roll(forge.jax.random.key(0), "Pendulum-v1", cast, 10)
    episodes = arrays.action.reshape(10, 200)
    wide = np.abs(episodes).mean(axis=1) > 0.85
    assert wide.tolist() == [True] * 3 + [False] * 7
    shares = [one.fraction for one in cast]
    assert sum(shares) == pytest.approx(1)


GOOD = """
environment = "Pendulum-v1"
steps = 400
seed = 1
reference_episodes = 2
random.behaviours = [{ kind = "random" }]
expert.behaviours = [{ kind = "swing_up", sigma = 0.1 }]
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("steps = 400", "stepz = 400", "unknown key in recipe x.toml 'stepz'; did you mean 'steps'"),
        ("sigma", "sigmas", r"unknown key in recipe x.toml \[expert\] 'sigmas'; did you mean 'sigma'"),
        ("swing_up", "waypoint", "unknown kind for Pendulum-v1"),
        ("Pendulum-v1", "Pendulum-v2", "did you mean 'Pendulum-v1'"),
        ("sigma = 0.1", "fraction = 0.5", "sum to 0.5; make them sum to 1"),
        ("steps = 400", "steps = 0", "steps in recipe x.toml is 0"),
        ("steps = 400", "steps = 'many'", "steps in recipe x.toml is 'many'; it must be a number"),
        ("seed = 1\n", "", "lacks 'seed'"),
        ("expert.behaviours", "expert.behavior", "'behaviours' alone"),
        ("steps = 400", "steps = ", "not valid TOML"),
    ],
)
def test_bad_recipes_are_refused(tmp_path, before, after, message):
    file = tmp_path / "x.toml"
    file.write_text(GOOD)
    assert set(forge.recipes(tmp_path)) == {"embedded/x-random-v0", "embedded/x-expert-v0"}
    file.write_text(GOOD.replace(before, after))
    with pytest.raises(InputError, match=message) as caught:
        forge.recipes(tmp_path)
    assert "\n" not in str(caught.value)


def test_unknown_dataset_and_unwritable_folder(tmp_path):
    with pytest.raises(InputError, match="did you mean 'embedded/pendulum-medium-v0'"):
        forge.build("embedded/pendulum-medum-v0", tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    name = "embedded/pendulum-random-v0"
    with pytest.raises(InputError, match="cannot be written"):
        forge.build(name, blocked, recipe=small(name, 200))


def test_recipes_lie_where_paths_says():
    assert (paths.shared("datasets/recipes") / "pendulum.toml").is_file()


def test_a_set_built_from_another_recipe_is_built_again(built, monkeypatch):
    dataset_id = "embedded/pendulum-random-v0"
    said = []
    older, current = small(dataset_id, 600), small(dataset_id, 400)
    for recipe in (older, current, current):
        monkeypatch.setattr(forge, "recipes", lambda recipe=recipe: {dataset_id: recipe})
        forge.ensure(dataset_id, report=said.append)
    assert len(said) == 2
    assert len(loaded(dataset_id)[0].last) == 400
    forge.ensure("somebody/else-v0", report=said.append)
    assert len(said) == 2
