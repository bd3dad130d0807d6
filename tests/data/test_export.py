import hashlib
import json
import os

import gymnasium
import minari
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from jaxrl.core.check import InputError
from jaxrl.core.types import Reference
from jaxrl.data import export, load
from jaxrl.data.dataset import Arrays


def steps(lengths=(3, 1, 4), width=3, action=None, seed=0):
    """Random steps in episodes that terminate and are cut in turn."""
    source, count = np.random.default_rng(seed), sum(lengths)
    last = np.zeros(count, bool)
    last[np.cumsum(lengths) - 1] = True
    terminated = last & (np.cumsum(last) % 2 == 1)
    obs = source.standard_normal((count, width)).astype(np.float32)
    following = np.where(last[:, None], obs + 1, np.roll(obs, -1, axis=0))
    action = source.uniform(-2, 2, (count, 1)).astype(np.float32) if action is None else action
    reward = source.standard_normal(count).astype(np.float32)
    return Arrays(obs, action, reward, following, terminated, last & ~terminated, last)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder that is among the roots but is not Minari's own path."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("JAXRL_DATA", str(tmp_path / "built"))
    monkeypatch.delenv("JAXRL_EXTERNAL_DATA", raising=False)
    return tmp_path / "built"


def equal(one, other):
    """Whether two records hold the same numbers of the same types."""
    for name, left, right in zip(Arrays._fields, one, other, strict=True):
        assert left.dtype == right.dtype, name
        np.testing.assert_array_equal(left, right, err_msg=name)


def test_arrays_come_back_as_they_were(root):
    arrays = steps()
    path = export.write("toy/small-v0", arrays, root=root)
    assert path == root / "toy/small-v0"
    logged = load.read("toy/small-v0", download=False)
    equal(logged.arrays, arrays)
    assert logged.env_spec is None and not logged.discrete
    assert -2 <= logged.low[0] <= arrays.action.min() and arrays.action.max() <= logged.high[0] <= 2
    assert not (root.parent / "minari").exists() and os.environ["MINARI_DATASETS_PATH"] == str(root.parent / "minari")


def test_discrete_arrays_come_back_with_the_start_of_their_space(root):
    arrays = steps(action=np.array([0, 1, 2, 1, 0, 2, 2, 1], np.int32))
    path = export.write("toy/classes-v0", arrays, root=root, action_space=spaces.Discrete(3, start=5))
    equal(load.read("toy/classes-v0").arrays, arrays)
    stored = np.concatenate([episode.actions for episode in minari.MinariDataset(path / "data")])
    np.testing.assert_array_equal(stored, arrays.action + 5)


def test_the_environment_and_references_are_stored(root):
    pair = Reference(-1200.0, -150.0, "metadata", "a hundred episodes of a script")
    given = {"author": "someone", "algorithm_name": "script", "noise": np.float32(0.5), "description": "few"}
    spec = gymnasium.spec("Pendulum-v1")
    export.write("toy/pendulum-v0", steps(), root=root, env_spec=spec, references=(pair,), metadata=given)
    logged = load.read("toy/pendulum-v0")
    assert logged.env_spec.id == "Pendulum-v1" and (logged.low, logged.high) == ((-2.0,), (2.0,))
    told = load.describe("toy/pendulum-v0")
    assert (told["references"][0]["low"], told["references"][0]["high"]) == (-1200.0, -150.0)
    assert told["references"][0]["origin"] == "a hundred episodes of a script"
    assert told["author"] == ["someone"] and logged.metadata["noise"] == 0.5
    made = minari.MinariDataset(logged.path / "data")
    assert minari.get_normalized_score(made, np.array([-150.0])) == 1.0
    assert made.recover_environment().spec.id == "Pendulum-v1"


def test_minari_itself_lists_and_loads_it(root, monkeypatch):
    export.write("toy/deep/small-v0", steps(), root=root)
    export.write("toy/deep/small-v1", steps(seed=1), root=root)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    assert set(minari.list_local_datasets()) == {"toy/deep/small-v0", "toy/deep/small-v1"}
    assert minari.load_dataset("toy/deep/small-v0").total_steps == 8
    assert {"toy", "toy/deep"} == set(minari.namespace.list_local_namespaces())


def test_an_environment_that_cannot_be_built_is_stored_all_the_same(root):
    spec = EnvSpec(id="Nowhere-v0", entry_point="nowhere.at_all:Env")
    with pytest.warns(UserWarning, match="Nowhere-v0 cannot be built"):
        export.write("toy/nowhere-v0", steps(), root=root, env_spec=spec)
    assert load.read("toy/nowhere-v0").env_spec.id == "Nowhere-v0"
    given = {
        "observation_space": spaces.Box(-9, 9, (3,), np.float32),
        "action_space": spaces.Box(-2, 2, (1,), np.float32),
    }
    export.write("toy/nowhere-v1", steps(), root=root, env_spec=spec, **given)
    assert load.read("toy/nowhere-v1").high == (2.0,)


def test_the_same_arrays_give_the_same_bytes(root):
    first = export.write("toy/one-v0", steps(), root=root)
    second = export.write("toy/one-v1", steps(), root=root)
    digests = [hashlib.sha256((path / "data/main_data.hdf5").read_bytes()).hexdigest() for path in (first, second)]
    assert digests[0] == digests[1]


def test_an_existing_id_is_kept_unless_replaced(root):
    export.write("toy/one-v0", steps(), root=root)
    with pytest.raises(InputError, match="'toy/one-v0' exists already"):
        export.write("toy/one-v0", steps(seed=1), root=root)
    equal(load.read("toy/one-v0").arrays, steps())
    export.write("toy/one-v0", steps(seed=1), root=root, replace=True)
    equal(load.read("toy/one-v0").arrays, steps(seed=1))


def test_a_failure_leaves_nothing_behind(root, monkeypatch):
    def broken(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(minari, "create_dataset_from_buffers", broken)
    with pytest.raises(KeyboardInterrupt):
        export.write("toy/one-v0", steps(), root=root)
    assert list(root.iterdir()) == [] and load.catalogue() == []


def test_what_does_not_fit_is_refused(root, tmp_path):
    arrays = steps()
    for changed, words in (
        (arrays._replace(reward=arrays.reward[:-1]), "reward 7"),
        (arrays._replace(last=np.zeros(8, bool)), "do not end with a full episode"),
        (Arrays(*(column[:0] for column in arrays)), "do not end with a full episode"),
    ):
        with pytest.raises(InputError, match=words):
            export.write("toy/one-v0", changed, root=root)
    with pytest.raises(InputError, match="observations have 3 numbers"):
        export.write("toy/one-v0", arrays, root=root, observation_space=spaces.Box(-1, 1, (4,)))
    with pytest.raises(InputError, match="do not fit the action space"):
        export.write("toy/one-v0", arrays, root=root, action_space=spaces.Discrete(2))
    with pytest.raises(InputError, match="malformed"):
        export.write("../one-v0", arrays, root=root)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written under"):
        export.write("toy/one-v0", arrays, root=tmp_path / "file")
    assert not root.exists() or list(root.iterdir()) == []


def test_dict_environments_are_stored_flat(root):
    space = spaces.Dict({"a": spaces.Box(-9, 9, (2,), np.float32), "b": spaces.Box(-9, 9, (1,), np.float32)})
    path = export.write("toy/flat-v0", steps(), root=root, observation_space=space)
    stored = json.loads(json.loads((path / "data/metadata.json").read_text())["observation_space"])
    assert stored["type"] == "Box" and stored["shape"] == [3]
    equal(load.read("toy/flat-v0").arrays, steps())
