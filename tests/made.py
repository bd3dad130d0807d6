"""Small logged data for tests: arrays, tasks in memory, Minari datasets on disk."""

import numpy as np

from jaxrl.core.types import Task
from jaxrl.data import export, local
from jaxrl.data.dataset import Arrays, fingerprint, from_arrays
from jaxrl.envs import suites
from jaxrl.envs.adapters import gymnasium as adapter


def arrays(episodes: int = 4, length: int = 20, obs: int = 3, action: int = 1, discrete: bool = False, seed: int = 0):
    """Episodes of one length; the even ones end terminally, the odd ones are cut. Actions in [-1, 1], or classes."""
    draw = np.random.default_rng(seed)
    count = episodes * length
    seen = draw.normal(size=(episodes, length + 1, obs)).astype(np.float32)
    last = np.tile(np.arange(length) == length - 1, episodes)
    even = np.repeat(np.arange(episodes) % 2 == 0, length)
    return Arrays(
        seen[:, :-1].reshape(count, obs),
        draw.integers(action, size=count)
        if discrete
        else np.tanh(draw.normal(size=(count, action))).astype(np.float32),
        draw.normal(size=count).astype(np.float32),
        seen[:, 1:].reshape(count, obs),
        last & even,
        last & ~even,
        last,
    )


def task(environment: str = "Pendulum-v1", extras=(), **sizes) -> Task:
    """Random data for an environment in JAX; steps carry the extras of these names, each a class of its actions."""
    env = suites.environment(environment)
    spec = env.spec
    data = from_arrays(arrays(**{"obs": spec.obs, "action": spec.action, "discrete": spec.discrete, **sizes}))
    columns = {name: np.arange(len(data.last), dtype=np.int32) % spec.action for name in extras}
    data = data._replace(steps=data.steps._replace(extras=columns))
    return Task("made/up-v0", env, data, version=fingerprint(data))


def set_roots(monkeypatch, folder):
    """Datasets are looked for under `folder` alone, nothing is downloaded; returns Minari's own path there."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder / "sets"))
    monkeypatch.setenv("JAXRL_DATA", str(folder / "built"))
    monkeypatch.delenv("JAXRL_EXTERNAL_DATA", raising=False)
    monkeypatch.setattr(local, "unreachable", lambda: "no network")
    return folder / "sets"


def write(root, dataset_id: str, environment: str = "Pendulum-v1", **sizes):
    """Write random data as a Minari dataset of that environment, sizes as in `arrays`; returns its folder."""
    spec = suites.environment(environment).spec
    sizes = {"obs": spec.obs, "action": spec.action, "discrete": spec.discrete, **sizes}
    from gymnasium import spaces

    obs = spaces.Box(-np.inf, np.inf, (sizes["obs"],), np.float32)
    action = spaces.Discrete(sizes["action"]) if sizes["discrete"] else spaces.Box(-1.0, 1.0, (sizes["action"],))
    env_spec = adapter.env_spec(environment)
    return export.write(
        dataset_id, arrays(**sizes), root=root, env_spec=env_spec, observation_space=obs, action_space=action
    )
