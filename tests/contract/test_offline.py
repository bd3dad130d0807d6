"""Promises that every offline card keeps, for every kind of action it takes. The list is the registry's."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import registry
from jaxrl.core import hyper as records
from jaxrl.core.types import Dataset, first_steps
from jaxrl.data import samplers
from jaxrl.sources.logged import logged
from jaxrl.train.fit import advance, begin
from tests.contract.made_up import ROWS, Acts, batch_of, close, moved, same, shape_of, spec_of

SMALL = {"width": 8, "depth": 1, "critics": 3, "samples": 2}
CARDS = [card for card in registry.cards().values() if card.kind == "offline"]
CASES = [(card, kind) for card in CARDS for kind in card.actions]


def weights(*values):
    """Weights of rows, of the type that batches have: another one would be another program."""
    return np.array(values, np.float32)


def source_of(card, dataset):
    """Where a card learns from: its own source, else even draws of steps."""
    return card.collect(dataset, ROWS) if card.collect else logged(dataset, samplers.uniform(ROWS))


def drawn(card, spec):
    """A batch as the card's own source gives it."""
    source = source_of(card, Dataset(batch_of(spec, rows=40), jnp.full((40,), 39)))
    return source.next(jax.random.key(0), source.init(jax.random.key(0)), None)[1]


class Learner:
    """A small instance of a card, its first state and a jitted update."""

    def __init__(self, card, kind):
        self.card, self.spec = card, spec_of(kind)
        structure = {name: value for name, value in SMALL.items() if name in card.structure()}
        self.algo, self.hyper = card.make(self.spec, **structure), card.hyper()
        self.batch = drawn(card, self.spec) if card.collect else batch_of(self.spec)
        self.init, self.update, self.acts = jax.jit(self.algo.init), jax.jit(self.algo.update), Acts(self.algo)
        self.state = self.init(jax.random.key(0), self.hyper)

    def after(self, hyper, calls=2, key=1, batch=None):
        state = self.state
        for i in range(calls):
            state, _ = self.update(jax.random.key(key + i), hyper, state, self.batch if batch is None else batch)
        return state


@functools.cache
def made(name, kind):
    return Learner(registry.card(name), kind)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].name}-{case[1]}")
def learner(request):
    card, kind = request.param
    return made(card.name, kind)


def test_state_keeps_its_structure_shapes_and_types(learner):
    new, _ = jax.eval_shape(learner.algo.update, jax.random.key(1), learner.hyper, learner.state, learner.batch)
    assert jax.tree.structure(new) == jax.tree.structure(learner.state)
    assert shape_of(learner.state) == jax.tree.map(lambda x: (x.shape, x.dtype), new)


def test_two_calls_take_one_trace(learner):
    learner.after(learner.hyper)
    assert learner.update._cache_size() == 1


@pytest.mark.slow
def test_jit_changes_nothing(learner):
    with jax.disable_jit():
        plain, _ = learner.algo.update(jax.random.key(1), learner.hyper, learner.state, learner.batch)
    assert close(plain.params, learner.after(learner.hyper, calls=1).params, atol=1e-5)


@pytest.mark.slow
def test_maps_over_seeds_and_hypers(learner):
    def run(key, hyper):
        state = learner.algo.init(key, hyper)
        return learner.algo.update(key, hyper, state, learner.batch)[0].params

    keys = jax.random.split(jax.random.key(3), 2)
    many = records.stack(learner.hyper, jax.tree.map(lambda x: 1.5 * x, learner.hyper))
    got = jax.jit(jax.vmap(jax.vmap(run, (0, None)), (None, 0)))(keys, many)
    one = jax.jit(run)(keys[1], jax.tree.map(lambda x: x[1], many))
    assert close(jax.tree.map(lambda x: x[1, 1], got), one, atol=1e-5)


def test_no_key_is_used_twice(learner):
    with jax.debug_key_reuse(True):
        new, _ = jax.jit(learner.algo.update)(jax.random.key(1), learner.hyper, learner.state, learner.batch)
    assert int(new.step) == 1


@pytest.mark.slow
def test_every_hyperparameter_matters(learner):
    obs = learner.batch.obs

    @jax.jit
    def seen(hyper, state):
        """Three updates, one at a time, and what is explored after them."""
        for i in range(3):
            state = learner.algo.update(jax.random.key(1 + i), hyper, state, learner.batch)[0]
        return state, learner.algo.explore(hyper, state).act(jax.random.key(2), first_steps(obs), ())[0]

    base = seen(learner.hyper, learner.state)
    for name in records.names(learner.hyper):
        value = getattr(learner.hyper, name)
        others = (
            dataclasses.replace(learner.hyper, **{name: v}) for v in (1.5 * value + 0.5, 1e-4 * value, 1e-6 * value)
        )
        assert not all(same(base, seen(one, learner.state)) for one in others), name


def test_the_key_alone_decides_the_draws(learner):
    sample = lambda key: learner.acts.explore(key, learner.hyper, learner.state, learner.batch.obs)
    once, again = learner.after(learner.hyper, key=5), learner.after(learner.hyper, key=5)
    assert same(once, again)
    first, other = (learner.init(jax.random.key(i), learner.hyper) for i in (0, 1))
    assert same(first, learner.state) and not same(first.params, other.params)
    assert same(sample(jax.random.key(1)), sample(jax.random.key(1)))


def test_a_part_without_step_size_stays_and_the_others_move(learner):
    for name in learner.state.params:
        frozen = dataclasses.replace(learner.hyper, **{f"{name}_lr": 0.0})
        new = learner.after(frozen)
        for other, params in new.params.items():
            assert same(params, learner.state.params[other]) == (other == name), (name, other)


def test_actions_are_legal_and_finite_for_extreme_observations(learner):
    state = learner.after(learner.hyper)
    for scale in (0.0, 1.0, 1e6):
        obs = jnp.asarray(scale * np.asarray(learner.batch.obs), jnp.float32)
        for act in (learner.acts.policy, learner.acts.explore):
            action = act(jax.random.key(0), learner.hyper, state, obs)
            if learner.spec.discrete:
                assert action.dtype == jnp.int32
                assert ((np.asarray(action) >= 0) & (np.asarray(action) < learner.spec.action)).all()
            else:
                assert action.shape == (ROWS, learner.spec.action)
                assert (np.isfinite(action) & (np.abs(action) <= 1)).all()


def test_a_row_of_weight_zero_is_not_there(learner):
    batch = learner.batch._replace(weight=weights(0.0, 2.0, *[1.0] * (ROWS - 2)))
    changed = batch._replace(reward=moved(batch.reward, 0, 3.0), obs=moved(batch.obs, 0, 0.3))
    one = learner.after(learner.hyper, batch=batch).params
    assert close(one, learner.after(learner.hyper, batch=changed).params, atol=1e-6)
    other = batch._replace(obs=moved(batch.obs, 1, 0.3))
    assert not same(one, learner.after(learner.hyper, batch=other).params)


def test_weight_two_is_the_row_twice(learner):
    """For cards whose update draws nothing; the others' draws depend on the batch's size."""
    if not same(learner.after(learner.hyper, key=1).params, learner.after(learner.hyper, key=2).params):
        weight = learner.batch._replace(weight=weights(*[2.0] * ROWS))
        assert not same(learner.after(learner.hyper, batch=weight).opt, learner.after(learner.hyper).opt)
        return
    rows = lambda x: np.concatenate([x, x[:1]]) if x.shape[:1] == (ROWS,) else x
    twice = jax.tree.map(jnp.asarray, jax.tree.map(rows, learner.batch))
    weight = ROWS / (ROWS + 1) * weights(2.0, *[1.0] * (ROWS - 1))
    left = learner.after(learner.hyper, batch=learner.batch._replace(weight=weight))
    assert close(left.params, learner.after(learner.hyper, batch=twice).params, atol=1e-5)


def test_needs_names_every_extra_that_is_read(learner):
    class Extras(dict):
        read: set = set()

        def __getitem__(self, name):
            self.read.add(name)
            return super().__getitem__(name)

    batch = learner.batch._replace(extras=Extras(learner.batch.extras))
    jax.eval_shape(lambda state: learner.algo.update(jax.random.key(1), learner.hyper, state, batch), learner.state)
    assert batch.extras.read == set(learner.card.needs)


@pytest.mark.slow
def test_cut_and_resumed_is_bit_for_bit_the_run_uncut(learner):
    steps = batch_of(learner.spec, rows=40)
    dataset = Dataset(steps, jnp.full((40,), 39))

    @jax.jit
    def go(progress, n):
        source = source_of(learner.card, dataset)
        return advance(jax.random.key(4), learner.algo, learner.hyper, source, progress, n)[0]

    start = begin(jax.random.key(4), learner.algo, learner.hyper, source_of(learner.card, dataset))
    assert same(go(go(start, 3), 4), go(start, 7))
