"""The batch beside Gymnasium's environments: the same numbers, bit for bit, for every task."""

import copy

import gymnasium
import mujoco
import numpy as np
import pytest

from jaxrl.core.types import HostEnv
from jaxrl.envs.adapters import gymnasium as adapter
from jaxrl.envs.mujoco import batch
from jaxrl.envs.mujoco.tasks import TASKS
from jaxrl.evaluation import host

LAST_BITS = dict.fromkeys(("Reacher-v5", "Pusher-v5"), 1e-13)
"""Tasks whose reward has lengths of vectors, which NumPy computes for one vector in another order than for many."""
NAMES = ("obs", "reward", "terminated", "truncated")


@pytest.fixture(autouse=True)
def _closed():
    yield
    host.close()


def both(name: str, count: int, workers: int | None = None, horizon: int | None = None):
    """(spec, batch, Gymnasium's environments)."""
    known = gymnasium.spec(name)
    horizon = horizon or known.max_episode_steps
    make = adapter.maker(known, horizon)
    ours, theirs = batch.Physics(make, TASKS[name], horizon, count, workers), [make() for _ in range(count)]
    return adapter.describe(name, theirs[0], horizon), ours, theirs


def assert_same(ours, theirs, tolerance: float, where: str):
    """The four arrays of a step against Gymnasium's tuples."""
    for name, mine, one in zip(NAMES, ours, zip(*(row[:4] for row in theirs), strict=True), strict=True):
        one, allowed = np.array(one), tolerance if name == "reward" else 0
        assert mine.shape == one.shape, f"{where}: {name}"
        np.testing.assert_allclose(mine, one, rtol=allowed, atol=0, err_msg=f"{where}: {name}")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_takes_the_same_steps_as_gymnasium(name):
    count, draws = 5, np.random.default_rng(1)
    spec, ours, theirs = both(name, count, workers=2)
    seeds, everyone = np.arange(count) + 7, np.arange(count)
    first = np.stack([one.reset(seed=int(seed))[0] for one, seed in zip(theirs, seeds, strict=True)])
    np.testing.assert_array_equal(ours.reset(everyone, seeds), first)
    for step in range(70):
        indices = everyone if step % 3 else np.sort(draws.choice(count, 3, replace=False))
        commands = draws.uniform(spec.low, spec.high, (len(indices), spec.action)).astype(np.float32)
        expected = [theirs[i].step(command) for i, command in zip(indices, commands, strict=True)]
        got = ours.step(indices, commands)
        assert_same(got, expected, LAST_BITS.get(name, 0), f"{name}, step {step}")
        over = indices[got[2] | got[3]] if step < 40 else np.zeros(0, int)
        if len(over):
            again = np.stack([theirs[i].reset(seed=step)[0] for i in over])
            np.testing.assert_array_equal(ours.reset(over, [step] * len(over)), again)
    for one in (ours, *theirs):
        one.close()


def test_time_limit_counts_each_environment_by_itself():
    _, ours, theirs = both("InvertedPendulum-v5", 2, horizon=3)
    zeros, ends = np.zeros((2, 1), np.float32), []
    for seeds in ([0, 1], [2]):
        ours.reset(np.arange(len(seeds)), seeds)
    for _ in range(3):
        ends.append(ours.step(np.arange(2), zeros)[3].tolist())
    ours.reset([1], [5])
    ends.append(ours.step(np.array([1]), zeros[:1])[3].tolist())
    assert ends == [[False, False], [False, False], [True, True], [False]]
    for one in (ours, *theirs):
        one.close()


def test_what_was_given_out_stays_as_it_was():
    spec, ours, theirs = both("Hopper-v5", 4)
    ours.reset(np.arange(4), range(4))
    commands = np.zeros((4, spec.action), np.float32)
    first = ours.step(np.arange(4), commands)
    kept = [array.copy() for array in first]
    ours.step(np.arange(4), commands + 1)
    for array, kept_copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, kept_copy)
    for one in (ours, *theirs):
        one.close()


def swing(obs):
    """A policy under which episodes [members, episodes] end at different times."""
    return np.linspace(0, 0.9, obs.shape[1], dtype=np.float32)[:, None] * np.sin(3 * obs[..., :3] + obs[..., 5:8])


def test_evaluation_has_the_same_returns_with_the_batch_and_without():
    env = adapter.host("Hopper-v5")
    fast = host.rollouts(env, swing, [0, 3], 4)
    host.close()
    plain = host.rollouts(env._replace(many=None), swing, [0, 3], 4)
    np.testing.assert_array_equal(fast.returns, plain.returns)
    np.testing.assert_array_equal(fast.lengths, plain.lengths)
    assert len(set(fast.lengths.ravel())) > 4, "episodes end at different times"


def test_members_with_broken_actions_end_and_the_others_go_on():
    def act(obs):
        actions = swing(obs)
        actions[1] = np.nan
        return actions

    env = adapter.host("Hopper-v5")
    got = host.rollouts(env, act, [3, 3], 4)
    assert np.isnan(got.returns[1]).all() and (got.lengths[1] == 0).all()
    np.testing.assert_array_equal(got.returns[0], host.rollouts(env, swing, [3], 4).returns[0])


def test_threads_do_not_change_results():
    seen = []
    for workers in (1, 3):
        spec, ours, theirs = both("HalfCheetah-v5", 6, workers)
        draws = np.random.default_rng(0)
        ours.reset(np.arange(6), range(6))
        for _ in range(20):
            got = ours.step(np.arange(6), draws.uniform(-1, 1, (6, spec.action)).astype(np.float32))
        seen.append(got)
        for one in (ours, *theirs):
            one.close()
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)


def test_mujocos_clock_runs_again_after_a_step():
    spec, ours, theirs = both("Hopper-v5", 1)
    ours.reset([0], [0])
    data = theirs[0].unwrapped.data
    theirs[0].reset(seed=0)
    ours.step(np.array([0]), np.zeros((1, spec.action), np.float32))
    with batch.unclocked():
        mujoco.mj_step(theirs[0].unwrapped.model, data)
        stopped = data.timer[mujoco.mjtTimer.mjTIMER_STEP].duration
    mujoco.mj_step(theirs[0].unwrapped.model, data)
    assert stopped == 0 < data.timer[mujoco.mjtTimer.mjTIMER_STEP].duration
    for one in (ours, *theirs):
        one.close()


def test_only_unchanged_tasks_come_as_a_batch():
    assert set(TASKS) == {name for name in TASKS if adapter.host(name).many}
    for changed in ({"reset_noise_scale": 0.5}, {"xml_file": "hopper.xml"}):
        known = copy.deepcopy(gymnasium.spec("Hopper-v5"))
        known.kwargs = changed
        assert adapter.host(known).many is None
    drawn = copy.deepcopy(gymnasium.spec("Hopper-v5"))
    drawn.kwargs = {"render_mode": "rgb_array"}
    assert isinstance(adapter.host(drawn), HostEnv) and adapter.host(drawn).many
    assert adapter.host("Hopper-v4").many is None and adapter.host("Acrobot-v1").many is None
    wrapped = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("Hopper-v5"))
    assert adapter.host(wrapped.spec).many is None
    wrapped.close()
