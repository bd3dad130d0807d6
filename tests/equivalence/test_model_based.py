"""The model's loss, penalties and rollouts against numbers by hand; neutral settings are the parents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.model_based import mopo, ravl
from jaxrl.algorithms.online import sac
from jaxrl.compose import dynamics, penalties
from jaxrl.core import hyper as records
from jaxrl.core.check import InputError
from jaxrl.core.types import Given, Phase, Spec, blank_batch, reactive
from jaxrl.data import samplers
from jaxrl.data.dataset import Arrays, from_arrays
from jaxrl.envs import endings, small, suites
from jaxrl.envs.control import State
from jaxrl.losses.dynamics import gaussian_cost, layer_decay, layer_rates
from jaxrl.networks.dynamics import held_between
from jaxrl.sources.imagined import imagined, renewed, rollout
from jaxrl.sources.logged import logged
from jaxrl.sources.resampled import resampled, shared_out
from jaxrl.train.driver import drive, program
from jaxrl.train.fit import fit
from tests import made
from tests.contract.made_up import close, same

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = Spec("Pendulum-v1", 3, 1, 10, False, (-1.0,), (1.0,))
MEANS = np.array([[[1.0, 0.0]], [[-1.0, 2.0]], [[0.0, 1.0]]], np.float32)
VARIANCES = np.array([[[1.0, 4.0]], [[0.25, 1.0]], [[4.0, 9.0]]], np.float32)


def penalty(name, means=MEANS, variances=VARIANCES):
    return float(penalties.KINDS[name](jnp.asarray(means), jnp.log(jnp.asarray(variances)))[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_aleatoric", 13**0.5),  # of the third member
        ("max_difference", 8**0.5),  # between the first two
        ("max_deviation", 2**0.5),  # of either from (0, 1)
        ("ensemble_variance", (5.25 + 14) / 3 + 2 / 3 + 2 / 3),
        ("ensemble_std", ((5.25 + 14) / 3 + 4 / 3) ** 0.5),
    ],
)
def test_penalties_are_those_by_hand(name, value):
    assert penalty(name) == pytest.approx(value, rel=1e-5)


def test_leave_one_out_and_likelihood_are_those_of_the_formulas():
    gaps = []
    for i in range(3):
        rest = [j for j in range(3) if j != i]
        centre = MEANS[rest].mean(0)
        spread = (VARIANCES[rest] + MEANS[rest] ** 2).mean(0) - centre**2
        ratio = (VARIANCES[i] + (MEANS[i] - centre) ** 2) / spread
        gaps.append(0.5 * (np.log(spread / VARIANCES[i]) + ratio - 1).sum())
    assert penalty("leave_one_out") == pytest.approx(max(gaps), rel=1e-5)
    logs = -0.5 * ((MEANS.mean(0) - MEANS) ** 2 / VARIANCES + np.log(2 * np.pi * VARIANCES)).sum(-1)
    assert penalty("likelihood_variance") == pytest.approx(float(logs.var()), rel=1e-5)


def test_members_that_agree_are_penalised_by_what_they_say_alone():
    agreed = np.broadcast_to(MEANS[:1], MEANS.shape), np.broadcast_to(VARIANCES[:1], VARIANCES.shape)
    for name in ("leave_one_out", "likelihood_variance", "max_difference", "max_deviation"):
        assert penalty(name, *agreed) == pytest.approx(0, abs=1e-6)
    assert penalty("ensemble_variance", *agreed) == pytest.approx(5.0)
    assert penalty("max_aleatoric", MEANS * 10) == penalty("max_aleatoric")


def test_reward_is_lowered_by_the_weighted_penalty():
    extras = {"means": jnp.asarray(MEANS), "log_variances": jnp.log(jnp.asarray(VARIANCES))}
    step = blank_batch(SPEC, 1)._replace(reward=jnp.asarray([2.0]), extras=extras)
    change = mopo.penalised(penalties.max_aleatoric)
    assert float(change(mopo.Hyper(penalty_weight=0.5), step).reward[0]) == pytest.approx(2 - 0.5 * 13**0.5)
    assert float(change(mopo.Hyper(penalty_weight=0.0), step).reward[0]) == 2


def test_log_variances_stay_within_their_bounds_and_are_free_inside():
    raw = jnp.asarray([-1e3, -4.0, 1e3])
    low, high = jnp.full(3, -10.0), jnp.full(3, 0.5)
    np.testing.assert_allclose(held_between(raw, low, high), [-10, -4, 0.5], atol=0.02)


def test_loss_is_that_of_the_formula():
    draw = np.random.default_rng(0)
    mean, log_variance, target = draw.normal(size=(3, 2, 5, 4))
    by_hand = ((mean - target) ** 2 * np.exp(-log_variance) + log_variance).mean(-1)
    np.testing.assert_allclose(gaussian_cost(*map(jnp.asarray, (mean, log_variance, target))), by_hand, rtol=1e-4)
    assert layer_rates(5) == pytest.approx([2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4])
    nets = {f"Dense_{i}": {"kernel": jnp.full((2, 3, 3), i + 1.0), "bias": jnp.ones((2, 3))} for i in range(3)}
    assert float(layer_decay(nets)) == pytest.approx(0.5 * 18 * (2.5e-5 + 4 * 5e-5 + 9 * 1e-4), rel=1e-5)


A, B = np.array([[0.9, 0.2], [-0.1, 0.8]]), np.array([[0.1], [0.5]])


def linear_data(count=4000):
    """Steps of s' = A s + B a with noise of 0.1, and a reward with the same noise."""
    draw = np.random.default_rng(0)
    obs, action = draw.uniform(-1, 1, (count, 2)), draw.uniform(-1, 1, (count, 1))
    after = obs @ A.T + action @ B.T + 0.1 * draw.normal(size=(count, 2))
    reward = obs[:, 0] + 0.1 * draw.normal(size=count)
    last = np.arange(count) % 20 == 19
    return from_arrays(Arrays(obs, action, reward, after, last & False, last, last))


@pytest.fixture(scope="module")
def linear():
    """(model, its trained state, the data's draw)."""
    spec = Spec("LQR-v0", 2, 1, 20, False, (-1.0,), (1.0,))
    model = dynamics.ensemble(spec, endings.never, width=32, depth=2, members=5, elites=3, check_every=100)
    data = linear_data()
    draw = shared_out(jax.random.key(1), data, 5)
    source = resampled(data, 128, draw)
    trained = jax.jit(lambda key: fit(key, model, mopo.Hyper(), source, 3000)[0].state)
    return model, trained(jax.random.key(0)), draw


def test_a_linear_system_is_learned_with_its_noise(linear):
    model, state, draw = linear
    held = draw.held_out
    step = model.predict(jax.random.key(0), mopo.Hyper(), state, held.obs, held.action)
    std = np.exp(0.5 * np.asarray(step.extras["log_variances"]))
    assert abs(std.mean() / 0.1 - 1) < 0.2
    truth = np.concatenate([held.obs @ A.T + held.action @ B.T - held.obs, held.obs[:, :1]], -1)
    said = np.concatenate([held.next_obs - held.obs, held.reward[:, None]], -1)
    floor = np.square(said - truth).mean()
    assert np.asarray(state.errors).mean() < 1.1 * floor
    drawn = np.concatenate([step.next_obs - held.obs, step.reward[:, None]], -1)
    assert abs((drawn - truth).std() / 0.1 - 1) < 0.2


def test_members_disagree_far_from_the_data(linear):
    model, state, draw = linear
    near = draw.held_out
    spread = lambda obs, action: model.predict(jax.random.key(0), mopo.Hyper(), state, obs, action).extras["means"]
    inside = np.asarray(spread(near.obs, near.action)).std(0).mean()
    outside = np.asarray(spread(3 * near.obs, 3 * near.action)).std(0).mean()
    assert outside > 5 * inside


def test_the_best_members_on_held_out_steps_are_asked(linear):
    _, state, _ = linear
    errors = np.asarray(state.errors)
    assert list(dynamics.chosen(state.errors, 3)) == list(np.argsort(errors)[:3])
    net = dynamics.networks.gaussians(3, 3, width=32, depth=2, members=5)
    best = {**state.learned.params["model"], "nets": state.best}
    held = linear[2].held_out
    x = jnp.broadcast_to(state.scaler(jnp.concatenate([held.obs, held.action], -1)), (5, *held.obs.shape[:-1], 3))
    mean, _ = net.apply(best, x)
    np.testing.assert_allclose(jnp.square(mean - dynamics.outcome(held)[None]).mean((1, 2)), errors, rtol=1e-4)


def test_members_learn_from_other_draws_of_the_rest_of_the_data():
    data = linear_data(100)
    draw = shared_out(jax.random.key(0), data, 3)
    assert draw.rows.shape == (3, 80) and draw.held_out.reward.shape == (20,)
    held = set(np.asarray(draw.held_out.reward).tolist())
    assert not held & set(np.asarray(data.steps.reward)[np.asarray(draw.rows).ravel()].tolist())
    assert len(np.unique(draw.rows[0])) < 80 and (draw.rows[0] != draw.rows[1]).any()
    _, batch = resampled(data, 8, draw).next(jax.random.key(1), (), None)
    assert batch.obs.shape == (3, 8, 2) and batch.reward.shape == (3, 8)


def constant_policy(value):
    return reactive(lambda key, obs: jnp.full((*obs.shape[:-1], 1), value))


def counting(key, obs, action):
    """Adds 1 to the observation, ends beyond 2, rewards by the action."""
    step = blank_batch(Spec("made up", 1, 1, 10), obs.shape[0])
    ended = jnp.asarray(obs[:, 0] + 1 > 2, jnp.float32)
    return step._replace(obs=obs, action=action, reward=action[:, 0], next_obs=obs + 1, terminated=ended)


def test_a_rollout_of_one_step_is_the_models_step():
    policy, obs = constant_policy(0.5), jnp.asarray([[0.0], [1.0], [2.0]])
    rows = rollout(jax.random.key(0), counting, policy, obs, 1)
    assert same(jax.tree.map(lambda x: x[0], rows), counting(None, obs, jnp.full((3, 1), 0.5)))


def test_nothing_is_kept_after_an_end_and_only_that():
    rows = rollout(jax.random.key(0), counting, constant_policy(0.5), jnp.asarray([[0.0], [1.0], [2.0]]), 4)
    np.testing.assert_array_equal(rows.weight.T, [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(rows.terminated.sum(0), 4 - rows.weight.sum(0) + 1)
    assert np.isfinite(rows.obs).all() and not rows.truncated.any()


def flat_data(count=12):
    """Steps with rewards of 7 and observations 0, 1, 2, 0, ..."""
    obs = np.arange(count, dtype=float)[:, None] % 3
    last = np.arange(count) % 4 == 3
    return from_arrays(Arrays(obs, 0 * obs, 0 * obs[:, 0] + 7, obs, last & False, last, last))


def test_batches_hold_the_share_of_logged_steps_and_the_newest_rounds():
    source = imagined(flat_data(), 16, counting, real=3, horizon=4, starts=9, kept=2, every=2)
    feed = source.init(jax.random.key(0))
    for turn in range(6):
        feed, batch = source.next(jax.random.key(turn), feed, constant_policy(turn / 10))
        assert (np.asarray(batch.reward) == 7).sum() == 3 and batch.weight.min() == 1
        assert np.asarray(batch.obs)[3:].max() <= 2, "rows after an end are not drawn"
        newest = turn // 2 * 2
        seen = np.round(10 * np.asarray(batch.reward)[3:]).astype(int)
        assert set(seen.tolist()) <= {newest, max(newest - 2, 0)}
    assert int(feed.count) == int((feed.ring.rows.weight > 0).sum())


def test_rollouts_start_from_logged_states():
    data = flat_data()
    feed = imagined(data, 16, counting, real=0, horizon=1, starts=9, kept=1, every=1).init(jax.random.key(0))
    feed = renewed(jax.random.key(1), feed, data, counting, constant_policy(0.0), 1)
    assert set(np.unique(feed.ring.rows.obs)) <= {0.0, 1.0, 2.0}


OPTIONS = {"width": 8, "depth": 1, "critics": 2, "model_width": 8, "model_depth": 1, "members": 2, "elites": 1}
ROUNDS = {"model_updates": 2, "horizon": 2, "starts": 8, "kept": 2, "every": 2}


def trained(stages, hyper, updates=4):
    task = made.task()
    keys, hypers = jax.random.split(jax.random.key(0), 2), records.stack(hyper, hyper)
    given = Given(task.dataset, task.env.params)
    return [jax.device_get(s.state) for s in drive([program(p) for p in stages], keys, hypers, given, [updates])][-1]


def test_mopo_on_logged_steps_alone_is_sac():
    env = made.task().env._replace(params=())
    stages = mopo.mopo(env, 8, real_share=1.0, **OPTIONS, **ROUNDS)
    drawn = lambda given, stock: logged(given.dataset, samplers.uniform(8))
    parent = Phase("agent", sac.sac(env.spec, width=8, depth=1), drawn)
    assert same(trained(stages[-1:], mopo.Hyper()), trained([parent], mopo.Hyper()))


def test_ravl_without_diversity_updates_as_mopo_does():
    agent = ravl.diverse(SPEC, width=8, depth=1, critics=2)
    numbers = ravl.Hyper(diversity=0.0)
    state = agent.init(jax.random.key(0), numbers)
    batch = blank_batch(SPEC, 8)._replace(obs=jax.random.normal(jax.random.key(1), (8, 3)), reward=jnp.arange(8.0))
    parent = mopo.soft(mopo.RECIPE, SPEC, width=8, depth=1, critics=2)
    own, parents = jax.jit(agent.update), jax.jit(parent.update)
    one, other = (update(jax.random.key(2), numbers, state, batch)[0] for update in (own, parents))
    assert close(one, other, rtol=1e-5, atol=1e-7)
    assert not close(one, own(jax.random.key(2), ravl.Hyper(), state, batch)[0], rtol=1e-5, atol=1e-7)


def test_true_dynamics_are_certain_and_true():
    env = small.point_mass()

    def step(key, obs, action):
        _, after = env.step(key, env.params, State(obs, jnp.int32(0)), action)
        return after.obs, after.reward, after.terminated

    obs, action = jnp.asarray([[0.5, 0.2, 0.0, 0.1]]), jnp.asarray([[1.0, -1.0]])
    said = dynamics.oracle(step).predict(jax.random.key(0), None, (), obs, action)
    np.testing.assert_allclose(said.next_obs, [[0.52, 0.1895, 0.2, -0.105]], atol=1e-6)
    assert float(penalties.max_aleatoric(said.extras["means"], said.extras["log_variances"])[0]) == 0


def test_ends_are_told_from_observations():
    hopper = jnp.zeros((4, 11)).at[:, 0].set(1.2)
    hopper = hopper.at[1, 0].set(0.6).at[2, 1].set(-0.3).at[3, 5].set(-150.0)
    np.testing.assert_array_equal(endings.hopper(hopper), [False, True, True, True])
    walker = jnp.zeros((3, 17)).at[:, 0].set(jnp.asarray([1.2, 2.1, 0.7]))
    np.testing.assert_array_equal(endings.walker(walker), [False, True, True])


def test_what_cannot_be_is_said_in_one_line():
    env = suites.environment("Pendulum-v1")
    with pytest.raises(InputError, match="elites=3 of members=2; choose"):
        mopo.mopo(env, 8, members=2, elites=3)
    with pytest.raises(InputError, match="nothing tells from an observation when Unheard-v0 ends"):
        mopo.mopo(env._replace(spec=env.spec._replace(name="Unheard-v0")), 8)
    with pytest.raises(InputError, match="choose a real_share from 0 to 1"):
        imagined(flat_data(), 8, counting, real=9)
