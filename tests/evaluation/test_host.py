import gymnasium
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import HostEnv, Spec
from jaxrl.evaluation import host


@pytest.fixture(autouse=True)
def _closed():
    yield
    host.close()


def pendulum(**more) -> HostEnv:
    spec = Spec("Pendulum-v1", obs=3, action=1, horizon=200, low=(-2.0,), high=(2.0,))
    return HostEnv(spec, lambda: gymnasium.make("Pendulum-v1", disable_env_checker=True), **more)


def cartpole() -> HostEnv:
    spec = Spec("CartPole-v1", obs=4, action=2, horizon=500, discrete=True)
    return HostEnv(spec, lambda: gymnasium.make("CartPole-v1", disable_env_checker=True))


def feedback(obs):
    return np.clip(-obs[..., 1:2] - 0.2 * obs[..., 2:3], -1, 1)


def alone(env, act, seed):
    """One episode by a plain loop; continuous actions are Pendulum's."""
    machine = env.make()
    obs, _ = machine.reset(seed=seed)
    total, steps, over = 0.0, 0, False
    while not over:
        action = act(np.asarray(obs, np.float32))
        obs, reward, terminated, truncated, _ = machine.step(action if env.spec.discrete else 2.0 * action)
        total, steps, over = total + reward, steps + 1, terminated or truncated
    machine.close()
    return total, steps


def test_returns_equal_a_plain_loop_with_the_documented_seeds():
    got = host.rollouts(pendulum(), feedback, [5, 5], 3)
    expected = [alone(pendulum(), feedback, seed)[0] for seed in host.episode_seeds(5, 3)]
    np.testing.assert_allclose(got.returns, [expected, expected], rtol=1e-5)
    assert (got.lengths == 200).all() and got.steps_per_second > 0


def test_members_act_by_their_own_policy_and_finished_episodes_rest():
    def act(obs):
        balance = (obs[1:, :, 2] + 0.5 * obs[1:, :, 3] > 0).astype(np.int32)
        return np.concatenate([np.zeros((1, *balance.shape[1:]), np.int32), balance])

    got = host.rollouts(cartpole(), act, [0, 0], 3)
    left = [alone(cartpole(), lambda obs: 0, seed) for seed in host.episode_seeds(0, 3)]
    np.testing.assert_array_equal(got.lengths[0], [steps for _, steps in left])
    np.testing.assert_array_equal(got.returns, got.lengths)
    assert got.returns[1].min() > got.returns[0].max()


def test_one_policy_call_a_step_and_none_after_the_last_end():
    shapes = []
    got = host.rollouts(cartpole(), lambda obs: shapes.append(obs.shape) or np.zeros((2, 3), int), [0, 0], 3)
    assert shapes == [(2, 3, 4)] * got.lengths.max()


def test_horizon_cuts():
    env = pendulum()
    got = host.rollouts(env._replace(spec=env.spec._replace(horizon=7)), feedback, [0], 2)
    assert (got.lengths == 7).all()


def test_first_episodes_do_not_depend_on_their_number_nor_on_reuse():
    env = pendulum()
    first = host.evaluate(env, feedback, [3], 2)
    more = host.evaluate(env, feedback, [3], 4)
    np.testing.assert_array_equal(first, more[:, :2])
    np.testing.assert_array_equal(first, host.evaluate(env, feedback, [3], 2))
    assert not np.allclose(first, host.evaluate(env, feedback, [4], 2))


def test_environments_are_made_once_and_kept_few():
    made = []

    def maker():
        return lambda: made.append(1) or gymnasium.make("Pendulum-v1", disable_env_checker=True)

    envs = [pendulum()._replace(make=maker()) for _ in range(host.KEPT + 1)]
    short = [env._replace(spec=env.spec._replace(horizon=1)) for env in envs]
    for _ in range(2):
        host.evaluate(short[0], feedback, [0, 0], 2)
    assert len(made) == 4
    for env in short[1:]:
        host.evaluate(env, feedback, [0], 1)
    host.evaluate(short[0], feedback, [0], 1)
    assert len(made) == 4 + host.KEPT + 1, "the maker used longest ago was closed"


def test_observe_is_applied_before_the_policy():
    seen = []

    def act(obs):
        seen.append(obs)
        return feedback(obs / 10)

    env = pendulum(observe=lambda obs: 10 * obs)
    np.testing.assert_allclose(host.evaluate(env, act, [0], 2), host.evaluate(pendulum(), feedback, [0], 2), rtol=1e-4)
    assert np.linalg.norm(seen[0][0, 0, :2]) == pytest.approx(10, rel=1e-5)
    assert seen[0].dtype == np.float32


def test_actions_are_clipped_and_scaled():
    spec = Spec("x", obs=1, action=2, horizon=1, low=(-2.0, 0.0), high=(2.0, 10.0))
    commands, sound = host._commands(spec, np.array([[[0.0, 0.0]], [[1.5, -1.0]], [[np.nan, 0.0]]]), (3, 1))
    np.testing.assert_array_equal(commands[:2], [[0.0, 5.0], [2.0, 0.0]])
    assert sound.tolist() == [True, True, False] and commands.dtype == np.float32


def test_member_with_broken_actions_is_nan_and_the_others_go_on():
    def act(obs):
        actions = feedback(obs)
        actions[1] = np.nan
        return actions

    got = host.rollouts(pendulum(), act, [0, 0], 2)
    assert np.isnan(got.returns[1]).all() and (got.lengths[1] == 0).all()
    assert np.isfinite(got.returns[0]).all() and (got.lengths[0] == 200).all()


def test_wrong_sizes_are_refused():
    with pytest.raises(InputError, match="spec says"):
        env = pendulum()
        host.evaluate(env._replace(spec=env.spec._replace(obs=4)), feedback, [0], 1)
    with pytest.raises(InputError, match=r"shape \(1, 1, 2\)"):
        host.evaluate(pendulum(), lambda obs: np.zeros((1, 1, 2)), [0], 1)
    with pytest.raises(InputError, match="episodes is 0"):
        host.evaluate(pendulum(), feedback, [0], 0)


def test_policies_that_remember_are_told_the_rewards_of_their_last_steps():
    """The sum of what they were told is the return less the last reward, and their memory starts anew each time."""
    told = []

    def act(obs, reward, memory):
        told.append(reward.copy())
        return feedback(obs), memory + 1

    starts = []
    env = pendulum()
    short = env._replace(spec=env.spec._replace(horizon=5))
    player = host.Player(lambda: starts.append(1) or np.zeros((2, 3)), act)
    got = host.rollouts(short, player, [0, 1], 3)
    assert len(starts) == 1 and len(told) == 5 and (told[0] == 0).all() and told[1].shape == (2, 3)
    one_less = host.evaluate(env._replace(spec=env.spec._replace(horizon=4)), feedback, [0, 1], 3)
    np.testing.assert_allclose(np.sum(told, 0), one_less, rtol=1e-5)
    assert (got.returns < one_less).all()


def test_an_observation_may_grow_before_the_policy_sees_it():
    """As where a goal is shown beside it; the spec counts what the policy sees."""
    env = pendulum(observe=lambda obs: np.concatenate([obs, 0 * obs], -1))
    longer = env._replace(spec=env.spec._replace(obs=6, horizon=3))
    assert host.evaluate(longer, feedback, [0], 2).shape == (1, 2)
    with pytest.raises(InputError, match="spec says"):
        host.evaluate(env, feedback, [0], 2)
