"""Walking on the host: successors, new starts, seeds; and training that is cut and resumed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Env, Experience, HostEnv, Spec, reactive
from jaxrl.sources import ring
from jaxrl.sources.rollouts import rollouts
from jaxrl.train import hosted
from jaxrl.train.driver import Resume

SPEC = Spec("Counter", 1, 1, 5, low=(-2.0,), high=(2.0,))


class Counter:
    """Machines that count up from a number their seed gives; an environment ends where its count is 1003 or more."""

    def __init__(self, count):
        self.value, self.commands, self.closed = np.zeros(count), [], False

    def reset(self, indices, seeds):
        self.value[indices] = [1000 + seed % 3 for seed in seeds]
        return self.value[indices][:, None]

    def step(self, indices, commands):
        self.commands.append(commands)
        self.value[indices] += 1
        value = self.value[indices]
        return value[:, None], value * 0 + 1, value >= 1003, np.zeros(len(value), bool)

    def close(self):
        self.closed = True


@pytest.fixture
def env():
    made = []
    many = lambda count: made.append(Counter(count)) or made[-1]
    return HostEnv(SPEC, lambda: None, many=many), made


def test_successors_are_true_and_new_episodes_begin(env):
    host, made = env
    walkers = hosted.Walkers(host, [4, 9], 2, densities=True)
    assert walkers.obs.shape == (2, 2, 1)
    for _ in range(4):
        before = walkers.obs
        steps = walkers.step(*walkers.random())
        np.testing.assert_array_equal(steps.obs, before)
        np.testing.assert_array_equal(steps.next_obs, before + 1)
        over = steps.terminated > 0
        np.testing.assert_array_equal(over, before[..., 0] >= 1002)
        np.testing.assert_array_equal(walkers.obs[~over], steps.next_obs[~over])
        assert (walkers.obs[over] < 1003).all() and steps.extras["log_prob"] == pytest.approx(-np.log(2))
    assert np.abs(np.concatenate(made[0].commands)).max() > 1  # in the environment's own units
    walkers.close()
    assert made[0].closed


def test_episodes_are_cut_at_the_horizon(env):
    host, _ = env
    walkers = hosted.Walkers(host._replace(spec=SPEC._replace(horizon=1)), [0], 3)
    steps = walkers.step(*walkers.random())
    assert steps.truncated.all() and steps.extras == {}


def test_a_start_depends_on_seed_place_number_and_attempt_only(env):
    host, _ = env
    wide = hosted.Walkers(host, [4, 9], 50).obs
    np.testing.assert_array_equal(hosted.Walkers(host, [9], 50).obs[0], wide[1])
    assert (hosted.Walkers(host, [4], 50, attempt=1).obs[0] != wide[0]).any()


def test_actions_that_are_not_finite_are_refused(env):
    walkers = hosted.Walkers(env[0], [0], 1)
    with pytest.raises(InputError, match="a policy's action in Counter is not finite"):
        walkers.step(np.full((1, 1, 1), np.nan, np.float32), np.zeros((1, 1)))


def learner():
    """Sums what it sees; explores with zeros."""
    init = lambda key, hyper: jnp.zeros(())
    update = lambda key, hyper, state, batch: (state + hyper * batch.reward.sum(), {"seen": batch.obs.mean()})
    act = lambda hyper, state: reactive(lambda key, obs: jnp.zeros((*obs.shape[:-1], 1)))
    return Algorithm(init, update, act, act)


def run(host, experience, checkpoints, resume=None, seeds=(0, 1)):
    program = hosted.program(learner(), SPEC, experience)
    keys, hypers = jnp.stack([jax.random.key(s) for s in seeds]), jnp.arange(1.0, 1 + len(seeds))
    return list(hosted.drive(program, keys, hypers, host, list(seeds), checkpoints, resume))


def test_every_step_is_walked_and_learned_from(env):
    host, made = env
    stretches = run(host, Experience(ring.uniform(4, capacity=40, envs=2), 2, per=3, first=5), [2, 4])
    assert [one.update for one in stretches] == [2, 4] and len(made[0].commands) == 5 + 3 * 4 and made[0].closed
    assert stretches[-1].state.tolist() == [16.0, 32.0]  # four updates of four rows, reward one
    assert int(stretches[-1].progress.feed.step) == 17 and stretches[0].metrics["seen"].shape == (2,)
    assert np.asarray(stretches[-1].finite).all()


def test_rollouts_on_the_host_are_whole_and_in_order(env):
    host, _ = env
    source = rollouts(Env(SPEC, (), None, None), envs=2, length=6)
    stretches = run(host, source.experience, [1, 2])
    assert stretches[-1].state.tolist() == [24.0, 48.0] and int(stretches[-1].progress.feed.step) == 12


def test_a_run_goes_on_from_a_stored_progress(env):
    host, made = env
    experience = Experience(ring.uniform(4, capacity=40, envs=2), 2, per=1, first=5)
    half = jax.tree.map(jnp.copy, run(host, experience, [3])[-1].progress)
    rest = run(host, experience, [3, 6], resume=Resume(0, 3, lambda like: ({}, half)))
    assert [one.update for one in rest] == [6] and rest[0].state.tolist() == [24.0, 48.0]
    assert len(made[1].commands) == 3
