"""What tasks observe and reward, against Gymnasium; how their first states are drawn."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.mujoco import models
from jaxrl.envs.mujoco.tasks import TASKS, Look

BODIES = {"Reacher-v5": {3: "fingertip", 4: "target"}, "Pusher-v5": {10: "tips_arm", 11: "object", 12: "goal"}}
"""Bodies that the tasks name by number."""
HEALTHY = ("Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5")


def made(name: str):
    spec = gymnasium.spec(name)
    return adapter.maker(spec, spec.max_episode_steps)()


def snapshot(data) -> Look:
    return Look(*(array.copy() for array in models.look(data)))


@pytest.mark.parametrize("name", TASKS)
def test_one_step_is_gymnasiums_bit_for_bit(name):
    env, task, draws = made(name), TASKS[name], np.random.default_rng(3)
    data, space = env.unwrapped.data, env.action_space
    np.testing.assert_array_equal(task.observe(np, models.look(data)), env.unwrapped._get_obs())
    ends = 0
    env.reset(seed=1)
    for _ in range(60):
        before, action = snapshot(data), draws.uniform(space.low, space.high).astype(np.float32)
        obs, reward, terminated, _, _ = env.step(action)
        after = models.look(data)
        np.testing.assert_array_equal(task.observe(np, after), obs)
        assert task.reward(np, before, after, action) == reward
        assert bool(task.terminated(np, after)) is bool(terminated)
        ends += terminated
        if terminated:
            env.reset()
    assert ends > 0 or name not in (*HEALTHY[:2], "Humanoid-v5", "InvertedPendulum-v5")
    env.close()


@pytest.mark.parametrize("name", TASKS)
def test_functions_are_the_same_in_jax_and_over_leading_axes(name):
    env, task, draws = made(name), TASKS[name], np.random.default_rng(0)
    env.reset(seed=0)
    rows = [snapshot(env.unwrapped.data)]
    actions = draws.uniform(-1, 1, (5, *env.action_space.shape)).astype(np.float32)
    for action in actions:
        env.step(action)
        rows.append(snapshot(env.unwrapped.data))
    looks = Look(*(np.stack(field) for field in zip(*rows, strict=True)))
    before, after = (Look(*(field[part] for field in looks)) for part in (slice(0, 5), slice(1, 6)))
    in_jax = lambda look: Look(*(jnp.asarray(field, jnp.float32) for field in look))
    close = {"rtol": 2e-4, "atol": 2e-4}
    np.testing.assert_allclose(task.observe(jnp, in_jax(after)), task.observe(np, after), **close)
    ours = task.reward(jnp, in_jax(before), in_jax(after), jnp.asarray(actions))
    theirs = task.reward(np, before, after, actions)
    assert ours.shape == theirs.shape == (5,)
    np.testing.assert_allclose(ours, theirs, **close)
    np.testing.assert_array_equal(task.terminated(jnp, in_jax(after)), task.terminated(np, after))
    env.close()


class Reader:
    """A `Look` that remembers what was read."""

    def __init__(self, look: Look):
        self.look, self.names = look, set()

    def __getattr__(self, name):
        self.names.add(name)
        return getattr(self.look, name)


@pytest.mark.parametrize("name", TASKS)
def test_facts_are_those_of_the_model_and_needs_are_what_is_read(name):
    env, task = made(name), TASKS[name]
    model = env.unwrapped.model
    assert (task.timestep, task.frame_skip) == (model.opt.timestep, env.unwrapped.frame_skip)
    assert task.horizon == gymnasium.spec(name).max_episode_steps
    assert str(models.path(task)) == env.unwrapped.fullpath
    assert {i: model.body(i).name for i in BODIES.get(name, {})} == BODIES.get(name, {})
    before, after = Reader(models.look(env.unwrapped.data)), Reader(models.look(env.unwrapped.data))
    task.observe(np, after)
    task.terminated(np, after)
    task.reward(np, before, after, np.zeros(model.nu, np.float32))
    assert after.names | before.names == {"qpos", "qvel", *task.needs} | after.names & {"qvel", "qpos"}
    assert before.names - {"qpos", "qvel"} == set(task.lags) <= set(task.needs)
    env.close()


@pytest.mark.parametrize("name", HEALTHY)
def test_ends_are_gymnasiums_in_states_far_and_near(name):
    env, draws, seen = made(name), np.random.default_rng(0), set()
    inner = env.unwrapped
    env.reset(seed=0)
    start = inner.data.qpos.copy()
    for i in range(400):
        inner.data.qpos[:] = start + draws.normal(0, 0.3, start.shape)
        inner.data.qvel[:] = draws.normal(0, 30 if i % 2 else 1, inner.data.qvel.shape)
        if name == "Ant-v5" and i % 20 == 0:
            inner.data.qvel[3] = np.nan
        ours = bool(TASKS[name].terminated(np, models.look(inner.data)))
        assert ours is not bool(inner.is_healthy)
        seen.add(ours)
    assert seen == {True, False}
    env.close()


def starts(name: str, count: int = 4000):
    task = TASKS[name]
    model = models.load(task)
    draw = jax.vmap(lambda key: task.start(key, jnp.asarray(model.qpos0, jnp.float32), jnp.zeros(model.nv)))
    qpos, qvel = (np.asarray(x, float) for x in jax.jit(draw)(jax.random.split(jax.random.key(0), count)))
    return qpos - model.qpos0, qvel


@pytest.mark.parametrize(
    ("name", "scale", "normal"),
    [
        *(("Hopper-v5", 5e-3, False), ("HalfCheetah-v5", 0.1, True), ("Walker2d-v5", 5e-3, False)),
        *(("Ant-v5", 0.1, True), ("Swimmer-v5", 0.1, False), ("InvertedPendulum-v5", 0.01, False)),
        *(("InvertedDoublePendulum-v5", 0.1, True), ("Humanoid-v5", 1e-2, False)),
    ],
)
def test_first_states_are_spread_as_gymnasiums(name, scale, normal):
    assert made(name).unwrapped._reset_noise_scale == scale
    qpos, qvel = starts(name)
    for noise in (qpos,) if normal else (qpos, qvel):
        assert np.abs(noise).max() <= scale * 1.0001 + 1e-6
        np.testing.assert_allclose(noise.std(0), scale / np.sqrt(3), rtol=0.05)
    np.testing.assert_allclose(qvel.std(0), scale / (1 if normal else np.sqrt(3)), rtol=0.05)
    assert np.abs(np.corrcoef(np.concatenate([qpos, qvel], 1).T) - np.eye(qpos.shape[1] + qvel.shape[1])).max() < 0.1


@pytest.mark.parametrize(("name", "resting"), [("Reacher-v5", 2), ("Pusher-v5", 4)])
def test_reacher_and_pusher_start_as_gymnasiums(name, resting):
    qpos, qvel = starts(name)
    ours, theirs, env = np.concatenate([qpos + models.load(TASKS[name]).qpos0, qvel], 1), [], made(name)
    for i in range(1500):
        env.reset(seed=i)
        theirs.append(np.concatenate([env.unwrapped.data.qpos, env.unwrapped.data.qvel]))
    quantiles = [np.quantile(x, np.linspace(0, 1, 11), axis=0) for x in (ours, theirs)]
    np.testing.assert_allclose(*quantiles, atol=0.03)
    for x in (ours, np.stack(theirs)):
        distance = np.hypot(*x[:, qpos.shape[1] - resting :][:, :2].T)
        assert (distance < 0.2).all() if name == "Reacher-v5" else (distance > 0.17).all()
        assert (x[:, -resting:] == 0).all() and np.abs(x[:, qpos.shape[1] :]).max() <= 0.0050001
    env.close()


def test_a_missing_model_file_is_said():
    with pytest.raises(InputError, match=r"'Hopper-v5' needs Gymnasium's model file 'hop.xml'.*gymnasium\[mujoco\]"):
        models.load(TASKS["Hopper-v5"]._replace(file="hop.xml"))
