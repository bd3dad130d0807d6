"""Replay: length of the warm-up, cost of a batch, old steps making room, rows as seen, cuts that change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import reactive
from jaxrl.envs import suites
from jaxrl.registry import card
from jaxrl.sources.replay import replay
from jaxrl.train.fit import advance, begin
from tests.contract.made_up import same

ENV = suites.environment("PointMass-v0")
CORNER = reactive(lambda key, obs: jnp.full((*obs.shape[:-1], 2), 0.75))
NOISY = reactive(lambda key, obs: 3 * jax.random.normal(key, (*obs.shape[:-1], 2)), lambda obs, action: action.sum(-1))


def go(source, feed, policy, times, key=1):
    """The feed and the batches [times, ...] of so many calls."""

    def one(feed, time):
        return source.next(jax.random.fold_in(jax.random.key(key), time), feed, policy)

    return jax.jit(lambda feed: jax.lax.scan(one, feed, jnp.arange(times)))(feed)


@pytest.mark.parametrize(("warmup", "envs", "columns"), [(10, 1, 10), (10, 4, 3), (1, 1, 1), (4, 4, 1)])
def test_the_warm_up_takes_at_least_its_steps_and_says_how_many(warmup, envs, columns):
    source = replay(ENV, 4, capacity=64, warmup=warmup, envs=envs)
    feed = jax.jit(source.init)(jax.random.key(0))
    assert int(feed.ring.step) == columns and source.before == columns * envs >= warmup
    seen = feed.ring.rows.action[:columns]
    assert float(jnp.abs(seen).max()) <= 1 and np.unique(np.asarray(seen)).size == seen.size
    assert float(jnp.abs(feed.ring.rows.action[columns:]).max()) == 0


@pytest.mark.parametrize(("envs", "per"), [(1, 1), (1, 5), (3, 2)])
def test_a_batch_costs_its_steps_by_the_learners_policy(envs, per):
    source = replay(ENV, 4, capacity=300, warmup=30, envs=envs, per=per)
    feed, batches = go(source, source.init(jax.random.key(0)), CORNER, 3)
    assert source.cost == envs * per and batches.reward.shape == (3, 4)
    before = 30 // envs
    assert int(feed.ring.step) == before + 3 * per
    assert bool((feed.ring.rows.action[before : before + 3 * per] == 0.75).all())
    assert bool((feed.ring.rows.action[:before] != 0.75).all())


def test_the_oldest_steps_make_room_and_are_never_drawn_again():
    source = replay(ENV, 64, capacity=20, warmup=20, envs=2)
    feed, batches = go(source, source.init(jax.random.key(0)), CORNER, 30)
    assert feed.ring.rows.reward.shape == (10, 2) and int(feed.ring.step) == 40
    random = np.asarray((batches.action != 0.75).all(-1)).mean(1)
    np.testing.assert_allclose(random[:10], 1 - np.arange(1, 11) / 10, atol=0.25)
    assert random[0] > random[5] > random[9] == 0 and (random[10:] == 0).all()


def test_what_is_drawn_is_what_was_seen():
    """Every row is one step of the environment: its equations hold, time-outs are flagged and keep their successor."""
    source = replay(ENV, 256, capacity=400, warmup=100, envs=2, per=2)
    feed, batches = go(source, source.init(jax.random.key(0)), NOISY, 40)
    batch = jax.tree.map(lambda x: x[-1], batches)
    push = 2.0 * jnp.clip(batch.action, -1, 1) - 0.5 * batch.obs[:, 2:]
    velocity = batch.obs[:, 2:] + 0.1 * push
    position = batch.obs[:, :2] + 0.1 * velocity
    np.testing.assert_allclose(batch.next_obs, jnp.concatenate([position, velocity], -1), atol=1e-5)
    np.testing.assert_allclose(batch.reward, -jnp.square(position).sum(-1), atol=1e-4)
    assert float(jnp.abs(batch.action).max()) > 1, "the action as proposed"
    rows = feed.ring.rows
    time = np.arange(130) % 50
    assert (np.asarray(rows.truncated[:130]) == (time == 49)[:, None]).all() and not bool(rows.terminated.any())
    assert (np.asarray(rows.obs[1:130])[time[1:] > 0] == np.asarray(rows.next_obs[:129])[time[:-1] < 49]).all()
    starts = np.asarray(rows.obs[:130])[time == 0]
    assert (starts[..., 2:] == 0).all() and np.unique(starts[..., 0]).size == starts[..., 0].size


def test_densities_are_kept_where_asked_for():
    source = replay(ENV, 16, capacity=20, warmup=10, densities=True)
    feed, batches = go(source, source.init(jax.random.key(0)), NOISY, 20)
    np.testing.assert_allclose(batches.extras["log_prob"][-1], batches.action[-1].sum(-1), atol=1e-6)
    warm = source.init(jax.random.key(0)).ring.rows.extras["log_prob"][:10]
    np.testing.assert_allclose(warm, -2 * np.log(2.0), rtol=1e-6)
    with pytest.raises(InputError, match="densities=true"):
        source.next(jax.random.key(0), feed, CORNER)


def test_windows_are_rows_in_a_row():
    source = replay(ENV, 32, capacity=60, warmup=20, envs=2, steps=3)
    _, batches = go(source, source.init(jax.random.key(0)), NOISY, 5)
    assert batches.obs.shape == (5, 32, 3, 4)
    follows = (batches.obs[:, :, 1:] == batches.next_obs[:, :, :-1]).all(-1)
    assert bool((follows | (batches.truncated[:, :, :-1] > 0)).all())


@pytest.mark.slow
def test_a_run_cut_and_resumed_is_the_same_to_the_last_bit():
    """Also with the ring gone round in between, and for keys the same at every call."""
    one = card("td3")
    algorithm, hyper = one.make(ENV.spec, width=8), one.hyper()
    source = replay(ENV, 8, capacity=24, warmup=16, envs=2, per=2)
    key = jax.random.key(0)
    go = jax.jit(lambda progress, count: advance(key, algorithm, hyper, source, progress, count)[0])
    start = jax.jit(lambda: begin(key, algorithm, hyper, source))()
    cut, whole = go(go(start, 4), 9), go(start, 13)
    assert int(whole.feed.ring.step) == 8 + 26 > 12
    assert same(cut.state, whole.state) and same(cut.feed, whole.feed)
    assert not same(whole.feed.ring.rows.obs, go(start, 12).feed.ring.rows.obs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"capacity": 99, "warmup": 100}, ("capacity=99", "warmup=100", "larger")),
        ({"capacity": 8, "warmup": 4, "envs": 9}, ("capacity=8", "9 environments", "larger")),
        ({"warmup": 0}, ("warmup=0", "larger")),
        ({"warmup": 5, "envs": 2, "steps": 3}, ("warmup=5", "3 steps", "2 environments", "larger")),
    ],
)
def test_sizes_that_cannot_work_are_refused(options, words):
    with pytest.raises(InputError) as caught:
        replay(ENV, 4, **options)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)
