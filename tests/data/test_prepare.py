"""Datasets, transforms, scaling, samplers and what cards do with them before training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import registry
from jaxrl.core.check import InputError
from jaxrl.core.types import HostEnv, Task
from jaxrl.data import dataset, prepare, samplers, scaling, transforms, weighting
from jaxrl.envs import suites
from tests import made


def logged(**sizes):
    return dataset.from_arrays(made.arrays(**sizes))


def rewarded(*episodes):
    """A dataset with these rewards, an episode a list."""
    lengths = [len(one) for one in episodes]
    data = made.arrays(1, sum(lengths))
    last = np.zeros(sum(lengths), bool)
    last[np.cumsum(lengths) - 1] = True
    rewards = np.concatenate(episodes).astype(np.float32)
    return dataset.from_arrays(data._replace(reward=rewards, last=last, truncated=last, terminated=~last & False))


def test_dataset_has_its_invariants_and_true_next_actions():
    data = dataset.check(logged(episodes=3, length=5))
    steps = data.steps
    assert dataset.size(data) == 15 and dataset.episode_ends(data).tolist() == [4, 9, 14]
    inner = np.asarray(data.last) != np.arange(15)
    following = np.minimum(np.arange(15) + 1, np.asarray(data.last))
    np.testing.assert_array_equal(steps.next_action, np.asarray(steps.action)[following])
    np.testing.assert_array_equal(np.asarray(steps.next_obs)[inner], np.asarray(steps.obs)[following[inner]])
    assert not (np.asarray(steps.next_obs)[~inner][:-1] == np.asarray(steps.obs)[[5, 10]]).any()
    assert {leaf.dtype for leaf in jax.tree.leaves(steps)} == {np.dtype("float32")}
    assert logged(discrete=True, action=3).steps.action.dtype == jnp.int32


def test_steps_after_the_last_full_episode_are_refused():
    data = made.arrays(2, 5)
    for broken in (data._replace(last=data.last & False), made.arrays(0, 5)):
        with pytest.raises(InputError, match="0 full episodes; it needs at least one"):
            dataset.from_arrays(broken)


@pytest.mark.parametrize(
    ("field", "index", "value", "message"),
    [
        ("terminated", 2, 1.0, "inside an episode"),
        ("terminated", 4, 0.0, "carries no flag"),
        ("weight", 0, -1.0, "weights"),
        ("weight", 0, 3.0, "mean one"),
        ("action", 0, 1.5, r"\[-1, 1\]"),
    ],
)
def test_broken_invariants_are_named(field, index, value, message):
    data = logged(episodes=2, length=5)
    steps = data.steps._replace(**{field: getattr(data.steps, field).at[index].set(value)})
    with pytest.raises(AssertionError, match=message):
        dataset.check(data._replace(steps=steps))


def test_episodes_out_of_order_are_named():
    data = logged(episodes=2, length=5)
    with pytest.raises(AssertionError, match="not in order"):
        dataset.check(data._replace(last=data.last[::-1]))


def test_fingerprint_is_of_every_array():
    data = logged()
    assert dataset.fingerprint(data) == dataset.fingerprint(logged()) and len(dataset.fingerprint(data)) == 12
    for field in ("obs", "action", "reward", "next_obs", "terminated", "truncated"):
        steps = data.steps._replace(**{field: getattr(data.steps, field).at[0].add(0.5)})
        assert dataset.fingerprint(data._replace(steps=steps)) != dataset.fingerprint(data), field


def test_returns_of_episodes():
    data = rewarded([1, 2], [4], [0, 0, 8])
    assert dataset.episode_returns(data).tolist() == [3, 4, 8]
    np.testing.assert_allclose(transforms.discounted_returns(data, 0.5), [2, 4, 2])


def test_kept_episodes_keep_their_order_and_weights_mean_one():
    data = logged(episodes=4, length=3)
    data = data._replace(steps=data.steps._replace(weight=jnp.repeat(jnp.array([0.0, 0.5, 1.5, 2.0]), 3)))
    kept = transforms.keep_episodes(data, np.array([False, True, False, True]))
    rows = [3, 4, 5, 9, 10, 11]
    np.testing.assert_array_equal(kept.steps.obs, data.steps.obs[np.array(rows)])
    assert kept.last.tolist() == [2, 2, 2, 5, 5, 5]
    np.testing.assert_allclose(kept.steps.weight, [0.4] * 3 + [1.6] * 3, rtol=1e-6)
    dataset.check(kept)


@pytest.mark.parametrize(
    ("fraction", "discount", "ends"),
    [(0.01, 1.0, [2]), (0.7, 1.0, [0, 3]), (0.34, 0.5, [0]), (1.0, 1.0, [1, 2, 5])],
)
def test_top_fraction_takes_the_best_episodes(fraction, discount, ends):
    data = rewarded([1, 2], [4], [0, 0, 8])
    kept = transforms.top_fraction(data, fraction, discount)
    assert dataset.episode_ends(kept).tolist() == ends
    assert (4.0 if discount < 1 else 8.0) in dataset.episode_returns(kept)


def test_rewards_are_scaled():
    data = rewarded([1, 2], [4], [0, 0, 8])
    assert transforms.scale_rewards(data, 2.0, -1.0).steps.reward.tolist() == [1, 3, 7, -1, -1, 15]
    spread = dataset.episode_returns(transforms.scale_return_range(data, 1000.0))
    assert spread.max() - spread.min() == pytest.approx(1000) and spread[0] == pytest.approx(600)
    equal = rewarded([1, 2], [3])
    assert transforms.scale_return_range(equal, 1000.0) is equal


def test_standardised_observations_have_mean_zero_and_deviation_one():
    task = made.task()
    wide = task.dataset.steps._replace(obs=5 + 3 * task.dataset.steps.obs, next_obs=5 + 3 * task.dataset.steps.next_obs)
    task = task._replace(dataset=task.dataset._replace(steps=wide))
    ready = scaling.standardise(task)
    obs = np.asarray(ready.dataset.steps.obs)
    np.testing.assert_allclose(obs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(obs.std(0), 1, atol=1e-2)
    expected = (np.asarray(wide.next_obs) - np.asarray(ready.scaler.mean)) / np.asarray(ready.scaler.std)
    np.testing.assert_allclose(ready.dataset.steps.next_obs, expected, rtol=1e-5)
    assert scaling.standardise(ready) is ready


def test_a_constant_observation_does_not_divide_by_zero():
    data = logged()
    data = data._replace(steps=data.steps._replace(obs=data.steps.obs.at[:, 0].set(2.0)))
    assert scaling.standard(data).std[0] == pytest.approx(1e-3)
    assert bool(jnp.isfinite(scaling.scale_dataset(data, scaling.standard(data)).steps.obs).all())


def test_a_scaled_environment_shows_what_the_scaled_data_show():
    env, key = suites.environment("Pendulum-v1"), jax.random.key(0)
    scaler = scaling.standard(logged())
    scaled = scaling.scale_env(env, scaler)
    state, first = env.reset(key, env.params)
    scaled_state, scaled_first = scaled.reset(key, scaled.params)
    np.testing.assert_allclose(scaled_first.obs, scaler(first.obs), rtol=1e-6)
    _, after = env.step(key, env.params, state, jnp.ones(1))
    _, scaled_after = scaled.step(key, scaled.params, scaled_state, jnp.ones(1))
    np.testing.assert_allclose(scaled_after.obs, scaler(after.obs), rtol=1e-6)
    assert scaled_after.reward == after.reward
    again = scaling.scale_env(env, scaler)
    assert (again.reset, again.step) == (scaled.reset, scaled.step), "else every task would compile anew"


def test_a_host_environment_is_observed_through_the_scaler():
    env = HostEnv(suites.environment("Pendulum-v1").spec, lambda: None)
    scaler = scaling.standard(logged())
    obs = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(scaling.scale_env(env, scaler).observe(obs), scaler(obs), rtol=1e-6)


def test_raw_changes_nothing_unless_asked():
    task = made.task()
    ready = prepare.raw(task)
    assert all(x is y for x, y in zip(jax.tree.leaves(ready.dataset), jax.tree.leaves(task.dataset), strict=True))
    assert ready.scaler is None and ready.env is task.env
    bare = Task("no data", task.env)
    assert prepare.raw(bare, standardise=True, top_fraction=0.1) is bare


def test_preparation_goes_in_order_best_episodes_rewards_observations():
    task = made.task(episodes=10)
    ready = prepare.raw(task, top_fraction=0.3, return_range=100.0, reward_shift=1.0, standardise=True)
    best = transforms.top_fraction(task.dataset, 0.3)
    expected = transforms.scale_return_range(best, 100.0).steps.reward + 1
    np.testing.assert_allclose(ready.dataset.steps.reward, expected, rtol=1e-6)
    np.testing.assert_allclose(ready.scaler.mean, best.steps.obs.mean(0), rtol=1e-6)


def test_a_cards_defaults_can_be_replaced():
    task, chosen = made.task(), prepare.varied(standardise=True, top_fraction=0.5)
    assert dataset.size(chosen(task).dataset) == dataset.size(task.dataset) / 2
    assert chosen(task, top_fraction=1.0, standardise=False).scaler is None
    assert registry.card("percent_bc").preparation()["top_fraction"] == 0.1
    assert registry.card("bc").preparation()["top_fraction"] == 1.0
    names = {tuple(card.preparation()) for card in registry.cards().values() if card.kind == "offline"}
    assert len(names) == 1 and "reward_scale" in names.pop()


def test_uniform_draws_every_step_and_follows_its_key():
    data = logged(episodes=2, length=5)
    data = data._replace(steps=data.steps._replace(reward=jnp.arange(10.0)))
    batch = samplers.uniform(400)(jax.random.key(0), data)
    counts = np.bincount(np.asarray(batch.reward, int), minlength=10)
    assert batch.obs.shape == (400, 3) and counts.min() > 15 and counts.max() < 75
    again, other = (samplers.uniform(400)(jax.random.key(seed), data) for seed in (0, 1))
    assert bool((again.reward == batch.reward).all()) and not bool((other.reward == batch.reward).all())


def test_weighted_draws_in_proportion_and_counts_each_draw_once():
    data = logged(episodes=1, length=4)
    steps = data.steps._replace(reward=jnp.arange(4.0), weight=jnp.array([0.0, 1.0, 3.0, 0.0]))
    batch = samplers.weighted(800)(jax.random.key(0), weighting.with_table(data._replace(steps=steps)))
    assert batch.extras == {}
    counts = np.bincount(np.asarray(batch.reward, int), minlength=4)
    assert counts[0] == counts[3] == 0 and abs(counts[2] / counts[1] - 3) < 0.6
    assert bool((batch.weight == 1).all())
