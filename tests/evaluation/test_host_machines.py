"""Machines behind an evaluation: a list of Gymnasium environments, in threads or not, and ones of another kind."""

import gymnasium
import numpy as np
import pytest

from jaxrl.core.types import HostEnv, Spec
from jaxrl.envs.adapters import machines
from jaxrl.evaluation import host


@pytest.fixture(autouse=True)
def _closed():
    yield
    host.close()


def pendulum(**more) -> HostEnv:
    spec = Spec("Pendulum-v1", obs=3, action=1, horizon=200, low=(-2.0,), high=(2.0,))
    return HostEnv(spec, make_pendulum, **more)


def make_pendulum():
    return gymnasium.make("Pendulum-v1", disable_env_checker=True)


def feedback(obs):
    return np.clip(-obs[..., 1:2] - 0.2 * obs[..., 2:3], -1, 1)


def test_threads_give_the_same_steps():
    plain, threaded = machines.Listed(make_pendulum, 7), machines.Listed(make_pendulum, 7, workers=3)
    seeds, draws = np.arange(7), np.random.default_rng(0)
    np.testing.assert_array_equal(plain.reset(seeds, seeds), threaded.reset(seeds, seeds))
    for count in (7, 5, 2):
        indices = np.sort(draws.choice(7, count, replace=False))
        commands = draws.uniform(-2, 2, (count, 1)).astype(np.float32)
        for ours, theirs in zip(threaded.step(indices, commands), plain.step(indices, commands.copy()), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype and len(ours) == count
    for one in (plain, threaded):
        one.close()


def test_a_list_steps_only_those_it_is_told_to_and_says_how_episodes_end():
    made = machines.Listed(lambda: gymnasium.make("CartPole-v1", max_episode_steps=3, disable_env_checker=True), 3)
    made.reset(np.arange(3), [0, 1, 2])
    for _ in range(2):
        _, reward, terminated, truncated = made.step(np.array([0, 2]), np.array([1, 0]))
        np.testing.assert_array_equal(reward, [1.0, 1.0])
        assert not (terminated | truncated).any()
    truncated = made.step(np.arange(3), np.zeros(3, np.int64))[3]
    assert truncated.tolist() == [True, False, True]
    made.close()


class Counted:
    """A list that says how it was used."""

    def __init__(self, log, count):
        self.log, self.inner = log, machines.Listed(make_pendulum, count)
        log.append(("made", count))

    def reset(self, indices, seeds):
        return self.inner.reset(indices, seeds)

    def step(self, indices, commands):
        return self.inner.step(indices, commands)

    def close(self):
        self.log.append(("closed", len(self.inner._all)))
        self.inner.close()


def test_many_is_used_kept_made_larger_and_closed():
    log = []
    fast = pendulum(many=lambda count: Counted(log, count))
    plain = host.rollouts(pendulum(), feedback, [1, 2], 2)
    for _ in range(2):
        np.testing.assert_array_equal(host.rollouts(fast, feedback, [1, 2], 2).returns, plain.returns)
    np.testing.assert_array_equal(host.rollouts(fast, feedback, [1], 2).returns, plain.returns[:1])
    assert log == [("made", 4)]
    np.testing.assert_array_equal(host.rollouts(fast, feedback, [1, 2], 3).returns[:, :2], plain.returns)
    assert log == [("made", 4), ("closed", 4), ("made", 6)]
    host.close()
    assert log[-1] == ("closed", 6)


def test_an_evaluation_within_another_leaves_one_set_of_machines_open():
    log = []
    fast = pendulum(many=lambda count: Counted(log, count))

    def act(obs):
        if len(log) == 1:
            host.rollouts(fast, feedback, [0], 1)
        return feedback(obs)

    inside = host.rollouts(fast, act, [0], 2).returns
    np.testing.assert_array_equal(inside, host.rollouts(pendulum(), feedback, [0], 2).returns)
    assert log == [("made", 2), ("made", 1), ("closed", 1)]


def test_threads_pay_for_many_only(monkeypatch):
    monkeypatch.setattr(machines.os, "cpu_count", lambda: 64)
    assert [machines.threads(count) for count in (1, machines.FEWEST - 1, machines.FEWEST)] == [1, 1, machines.MOST]
    monkeypatch.setattr(machines.os, "cpu_count", lambda: None)
    assert machines.threads(100) == 1
