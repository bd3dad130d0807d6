"""The ring of recent steps: what it holds, who is drawn how often, and that nothing as large as the ring is copied."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core import hyper as records
from jaxrl.core.check import InputError
from jaxrl.core.types import Phase, Spec, Transition, blank_batch
from jaxrl.envs import suites
from jaxrl.registry import card
from jaxrl.sources import ring
from jaxrl.sources.replay import replay
from jaxrl.train import driver
from jaxrl.train.fit import advance, begin, improve

SPEC = Spec("made up", 1, 2, 10, discrete=True)
ROW = jax.tree.map(lambda x: x[0], blank_batch(SPEC, 1))
BATCH = 64


def steps_at(time, envs):
    """A step of every environment whose observation is its number and whose reward is the time."""
    blank = blank_batch(SPEC, envs)
    return blank._replace(
        obs=jnp.arange(envs, dtype=jnp.float32)[:, None],
        reward=jnp.full(envs, time, jnp.float32),
        action=jnp.full(envs, 1, jnp.int32),
    )


def filled(buffer, envs, count):
    """The ring after `count` steps of every environment."""
    start = buffer.init(ROW)
    return jax.jit(lambda ring: jax.lax.fori_loop(0, count, lambda t, r: buffer.add(r, steps_at(t, envs)), ring))(start)


def draws(buffer, store, times=200):
    """Batches of many draws, leaves [times, B, ...]."""
    keys = jax.random.split(jax.random.key(3), times)
    return jax.jit(lambda store: jax.lax.map(lambda k: buffer.draw(k, store)[1], keys))(store)


def chi_square(counts):
    """Statistic of counts that ought to be equal, less its mean, in standard deviations."""
    wanted = counts.sum() / counts.size
    free = counts.size - 1
    return (((counts - wanted) ** 2).sum() / wanted - free) / (2 * free) ** 0.5


def made(kind, envs, capacity, steps=1, batch=BATCH, **options):
    return kind(batch, capacity=capacity, envs=envs, steps=steps, **options)


KINDS = pytest.mark.parametrize("kind", [ring.uniform, ring.prioritised], ids=lambda kind: kind.__name__)


@KINDS
@pytest.mark.parametrize(("envs", "steps", "count"), [(1, 1, 3), (2, 1, 30), (1, 3, 4), (3, 3, 8), (2, 4, 25)])
def test_draws_are_whole_recent_windows_and_every_one_occurs(kind, envs, steps, count):
    """Windows hold consecutive times of one environment, none before the ring's reach; in the ring of 8 columns."""
    columns = 8
    buffer = made(kind, envs, columns * envs, steps)
    batch = draws(buffer, filled(buffer, envs, count))
    reward, env = (np.asarray(x).reshape(-1, steps) for x in (batch.reward, batch.obs[..., 0]))
    assert (np.diff(reward) == 1).all() and (np.diff(env) == 0).all()
    oldest, newest = max(count - columns, 0), count - steps
    starts = {(float(t), float(e)) for t, e in zip(reward[:, 0], env[:, 0], strict=True)}
    assert starts == {(float(t), float(e)) for t in range(oldest, newest + 1) for e in range(envs)}
    assert batch.action.dtype == jnp.int32 and bool((batch.action == 1).all())


@KINDS
def test_even_draws_are_even(kind):
    """Also by priority, where all priorities are equal or count nothing."""
    options = {} if kind is ring.uniform else {"exponent": 0.0, "correction": 0.0}
    buffer = made(kind, 2, 46, 2, **options)
    store = filled(buffer, 2, 40)
    if buffer.observe:
        store = buffer.observe(buffer.draw(jax.random.key(0), store)[0], jnp.linspace(0.1, 9.0, BATCH))
    batch = draws(buffer, store)
    place = (batch.reward[..., 0] * 2 + batch.obs[..., 0, 0]).astype(jnp.int32).reshape(-1)
    counts = np.bincount(np.asarray(place) - 2 * (40 - 23))
    assert counts.size == 2 * 22 and chi_square(counts) < 4
    assert bool((batch.weight == 1).all())


def with_priorities(buffer, envs, count, priority):
    """A ring of one-step windows whose rows, in the order of their places, have the given priorities."""
    store = filled(buffer, envs, count)
    places = jnp.arange(len(priority))
    return buffer.observe(store._replace(drawn=(places, jnp.ones(len(priority)))), jnp.asarray(priority))


def test_frequencies_follow_priorities_and_weights_undo_them():
    size, exponent = 30, 0.7
    priority = np.linspace(0.2, 6.0, size).astype(np.float32)
    buffer = made(ring.prioritised, 1, size, batch=size, exponent=exponent, correction=0.5)
    batch = draws(buffer, with_priorities(buffer, 1, size, priority), 1000)
    share = priority**exponent / (priority**exponent).sum()
    row = np.asarray(batch.reward).astype(int)
    counts = np.bincount(row.reshape(-1), minlength=size)
    assert ((counts - counts.sum() * share) ** 2 / (counts.sum() * share)).sum() < size + 4 * (2 * size) ** 0.5
    each = np.stack([np.bincount(one, minlength=size) for one in row])
    assert (np.abs(each.cumsum(1) - size * share.cumsum()) <= 1.001).all(), "one row from each equal share of the sum"
    weight = (size * share[row]) ** -0.5
    np.testing.assert_allclose(batch.weight, weight / weight.max(1, keepdims=True), rtol=1e-4)


def test_a_new_row_has_the_largest_priority_seen_and_takes_the_place_of_an_old_one():
    buffer = made(ring.prioritised, 2, 8, batch=8, exponent=0.5)
    store = with_priorities(buffer, 2, 4, [1.0, 2.0, 3.0, 16.0, 5.0, 6.0, 7.0, 8.0])
    assert float(store.rank.largest) == pytest.approx(16, rel=1e-5)
    after = buffer.add(store, steps_at(4, 2)).rank.priority.reshape(-1)[:8]
    np.testing.assert_allclose(after, np.sqrt([16.0, 16, 3, 16, 5, 6, 7, 8]), rtol=1e-5)
    calm = buffer.observe(store._replace(drawn=(jnp.arange(8), jnp.ones(8))), jnp.full(8, 0.25))
    assert float(calm.rank.largest) == pytest.approx(16, rel=1e-5), "the largest of all time"
    np.testing.assert_allclose(calm.rank.priority.reshape(-1)[:8], 0.5, rtol=1e-5)


@pytest.mark.parametrize(("envs", "steps"), [(1, 1), (2, 3), (1, 5)])
def test_exactly_the_whole_windows_have_a_priority_at_every_time(envs, steps):
    columns = 6
    buffer = made(ring.prioritised, envs, columns * envs, steps, batch=16)
    add, draw, observe = jax.jit(buffer.add), jax.jit(buffer.draw), jax.jit(buffer.observe)
    store = buffer.init(ROW)
    for time in range(20):
        store = add(store, steps_at(time, envs))
        whole = range(max(time + 1 - columns, 0), time + 2 - steps)
        wanted = {t % columns * envs + e for t in whole for e in range(envs)}
        assert set(np.flatnonzero(np.asarray(store.rank.priority).reshape(-1))) == wanted
        if wanted:
            store, batch = draw(jax.random.key(time), store)
            assert bool((batch.weight > 0).all())
            store = observe(store, jax.random.uniform(jax.random.key(time), (16,)) * 3)
        np.testing.assert_allclose(store.rank.sums, store.rank.priority.sum(-1), rtol=1e-6)


def test_rows_without_priority_are_never_chosen():
    """Zeros at the edges of blocks, whole blocks of them, and sums that do not add up exactly."""
    priority = jax.random.uniform(jax.random.key(0), (40, 37)) ** 8
    priority = priority.at[:, :3].set(0).at[7:11].set(0).at[:, 30:].set(0).at[-5:].set(0).at[0].set(0)
    rank = ring.Rank(priority, priority.sum(-1), jnp.ones(()))
    index = jax.jit(lambda keys: jax.lax.map(lambda k: ring.chosen(k, rank, 256), keys))(
        jax.random.split(jax.random.key(1), 2000)
    )
    assert float(priority.reshape(-1)[index].min()) > 0


def test_an_error_of_no_size_still_leaves_a_chance():
    buffer = made(ring.prioritised, 1, 4, batch=4)
    store = with_priorities(buffer, 1, 4, jnp.zeros(4))
    assert float(store.rank.priority.reshape(-1)[:4].min()) > 0
    assert bool(jnp.isfinite(buffer.draw(jax.random.key(0), store)[1].weight).all())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"capacity": 10, "warmup": 20}, ("capacity=10", "warmup=20", "larger")),
        ({"capacity": 10, "warmup": 5, "steps": 6}, ("warmup=5", "6 steps", "larger")),
    ],
)
def test_sizes_that_cannot_work_are_refused(options, words):
    with pytest.raises(InputError) as caught:
        replay(suites.environment("CartPole-v1"), 4, **options)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_the_warm_up_is_random_and_batches_hold_what_the_environment_showed():
    env = suites.environment("CartPole-v1")
    source = replay(env, 32, capacity=64, warmup=60, envs=2, per=3)
    assert (source.cost, source.before) == (6, 60)
    feed = jax.jit(source.init)(jax.random.key(0))
    rows = feed.ring.rows
    assert int(feed.ring.step) == 30 and 0 < float(rows.action[:30].mean()) < 1
    goes_on = np.asarray((rows.terminated + rows.truncated)[:29] == 0)
    assert (np.asarray(rows.obs[1:30])[goes_on] == np.asarray(rows.next_obs[:29])[goes_on]).all()
    policy = card("dqn").make(env.spec, width=4).policy
    state = card("dqn").make(env.spec, width=4).init(jax.random.key(1), card("dqn").hyper())
    feed, batch = jax.jit(lambda k, f: source.next(k, f, policy(None, state)))(jax.random.key(2), feed)
    assert int(feed.ring.step) == 33 and batch.obs.shape == (32, 4)
    assert isinstance(batch, Transition) and bool((batch.reward == 1).all())


@pytest.mark.slow
def test_the_learners_errors_reach_the_ring():
    """Rows last drawn have the priority that the update reported; a learner that reports none is refused."""
    env, one = suites.environment("ProbeClass-v0"), card("prioritised_dqn")
    learner, hyper = one.make(env.spec, width=8), one.hyper()
    source = one.collect(env, 4, capacity=64, warmup=64, per=1)
    key, seen = jax.random.key(0), []
    told = source._replace(observe=lambda feed, priority: (seen.append(priority), source.observe(feed, priority))[1])
    progress = begin(key, learner, hyper, source)
    feed, batch = source.next(jax.random.key(1), progress.feed, learner.explore(hyper, progress.state))
    progress, metrics = improve(key, learner, hyper, progress._replace(feed=feed), batch, told.observe)
    rank = progress.feed.ring.rank
    rows = rank.priority.reshape(-1)[feed.ring.drawn[0]]
    np.testing.assert_allclose(rows, (seen[0] + 1e-6) ** 0.6, rtol=1e-5)
    assert seen[0].shape == (4,) and float(seen[0].std()) > 0 and set(metrics) == {"critic"}
    silent = learner._replace(update=lambda *args: (learner.update(*args)[0], {}))
    with pytest.raises(InputError, match="reports none"):
        improve(key, silent, hyper, progress, batch, source.observe)


COLUMNS = 5003


@functools.cache
def compiled(name: str, per: int, members: int) -> str:
    """The compiled program of training with a ring of `COLUMNS` columns; no members: one run, not vmapped."""
    env, one = suites.environment("CartPole-v1"), card(name)
    learner, hyper = one.make(env.spec, width=8), one.hyper()
    source = one.collect(env, 16, capacity=COLUMNS, warmup=100, per=per)
    key = jax.random.key(0)
    if not members:
        progress = jax.eval_shape(lambda: begin(key, learner, hyper, source))
        go = jax.jit(lambda k, p, n: advance(k, learner, hyper, source, p, n), donate_argnums=1)
        return go.lower(key, progress, jnp.int32(5)).compile().as_text()
    keys, hypers = jax.random.split(key, members), records.stack(*[hyper] * members)
    program = driver.program(Phase("only", learner, lambda given, stock: source))
    progress = program.begin(keys, hypers, None, {})
    return program.advance.lower(keys, hypers, progress, None, jnp.int32(5)).compile().as_text()


@pytest.mark.parametrize(
    ("name", "per", "members"),
    [
        *(("dqn", 1, 0), ("dqn", 1, 3), ("prioritised_dqn", 1, 0)),
        *(pytest.param("prioritised_dqn", per, 3, marks=pytest.mark.slow) for per in (1, 4)),
    ],
)
def test_nothing_of_the_rings_size_is_copied(name, per, members):
    """Neither its rows nor the table of priorities (72 blocks of 70), alone or with members side by side."""
    text = compiled(name, per, members)
    front = f"{members}," if members else ""
    assert re.search(rf"f32\[{front}{COLUMNS},1\]\S* dynamic-update-slice\(", text), "the ring is there"
    assert name == "dqn" or f"f32[{front}72,70]" in text
    assert not re.findall(rf"\[{front}(?:{COLUMNS},1|72,70)[^=]*\]\S* copy\(", text)
