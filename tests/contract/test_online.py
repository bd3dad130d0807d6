"""Promises that every online card keeps, for every kind of action it takes. The list is the registry's."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import registry
from jaxrl.core import hyper as records
from jaxrl.core.types import first_steps
from jaxrl.envs import suites
from jaxrl.train.fit import advance, begin
from tests.contract.made_up import ROWS, Acts, batch_of, close, same, shape_of, spec_of

SMALL = {
    "width": 8, "depth": 1, "passes": 2, "minibatches": 2, "critics": 3, "repeat": 2, "atoms": 5, "quantiles": 4,
    "envs": 2, "length": ROWS // 2, "chunks": 1, "behaviour_passes": 2, "behaviour_minibatches": 2,
}  # fmt: skip
GATHER = {"envs": 2, "length": 4, "capacity": 40, "warmup": 16}
WORLDS = {"continuous": "ProbeAction-v0", "discrete": "ProbeClass-v0"}
CARDS = [card for card in registry.cards().values() if card.kind == "online"]
CASES = [(card, kind) for card in CARDS for kind in card.actions]


def chosen(wanted, there):
    return {name: value for name, value in wanted.items() if name in there}


class Learner:
    """A small instance of a card, a batch such as its source gives, its first state and a jitted update."""

    def __init__(self, card, kind):
        self.card, self.spec = card, spec_of(kind)
        self.algo, self.hyper = card.make(self.spec, **chosen(SMALL, card.structure())), card.hyper()
        rows = batch_of(self.spec, rows=4 * ROWS if "repeat" in card.structure() else ROWS)
        self.batch = rows if card.batch else jax.tree.map(lambda x: x.reshape(ROWS // 2, 2, *x.shape[1:]), rows)
        self.init, self.update, self.acts = jax.jit(self.algo.init), jax.jit(self.algo.update), Acts(self.algo)
        self.state = self.init(jax.random.key(0), self.hyper)

    def after(self, hyper, calls=2, key=1):
        state = self.state
        for i in range(calls):
            state, _ = self.update(jax.random.key(key + i), hyper, state, self.batch)
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
    assert int(new.step) >= 1


@pytest.mark.slow
def test_every_hyperparameter_matters(learner):
    obs, plain = batch_of(learner.spec, seed=1, rows=64).obs, learner.hyper
    if "explore_updates" in records.names(plain):  # so that exploration is on its way after three updates
        plain = dataclasses.replace(plain, explore_updates=4.0)

    @jax.jit
    def seen(hyper, state):
        """Three updates, one at a time, and what is explored after them."""
        for i in range(3):
            state = learner.algo.update(jax.random.key(1 + i), hyper, state, learner.batch)[0]
        return state, learner.algo.explore(hyper, state).act(jax.random.key(2), first_steps(obs), ())[0]

    base = seen(plain, learner.state)
    for name in records.names(plain):
        value = getattr(plain, name)
        moved = (dataclasses.replace(plain, **{name: v}) for v in (1.5 * value + 0.5, 1e-4 * value, 1e-6 * value))
        assert not all(same(base, seen(one, learner.state)) for one in moved), name


def test_the_key_alone_decides_the_draws(learner):
    obs = batch_of(learner.spec, seed=1, rows=64).obs
    sample = lambda key: learner.acts.explore(jax.random.key(key), learner.hyper, learner.state, obs)
    once, again = learner.after(learner.hyper, key=5), learner.after(learner.hyper, key=5)
    assert same(once, again)
    first, other = (learner.init(jax.random.key(i), learner.hyper) for i in (0, 1))
    assert same(first, learner.state) and not same(first.params, other.params)
    assert same(sample(1), sample(1)) and not same(sample(1), sample(2))


def test_a_part_without_step_size_stays_and_the_others_move(learner):
    for name in learner.state.params:
        frozen = dataclasses.replace(learner.hyper, **{f"{name}_lr": 0.0})
        new = learner.after(frozen, calls=3)
        for other, params in new.params.items():
            assert same(params, learner.state.params[other]) == (other == name), (name, other)


def test_actions_are_legal_and_finite_for_extreme_observations(learner):
    state = learner.after(learner.hyper)
    for scale in (0.0, 1.0, 1e6):
        obs = jnp.asarray(scale * np.asarray(batch_of(learner.spec).obs), jnp.float32)
        explored, action = (
            np.asarray(act(jax.random.key(0), learner.hyper, state, obs))
            for act in (learner.acts.explore, learner.acts.policy)
        )
        for one in (explored, action):
            if learner.spec.discrete:
                assert one.dtype == np.int32 and ((one >= 0) & (one < learner.spec.action)).all()
            else:
                assert one.shape == (ROWS, learner.spec.action) and np.isfinite(one).all()
        assert learner.spec.discrete or np.abs(action).max() <= 1


def test_density_is_that_of_the_exploring_policy(learner):
    """Where a policy claims a density: it is finite and differs between actions."""
    if learner.algo.explore(learner.hyper, learner.state).log_prob is None:
        assert learner.card.batch or learner.spec.discrete  # learners from rollouts of continuous actions need one
        return
    obs = batch_of(learner.spec).obs
    action = learner.acts.explore(jax.random.key(0), learner.hyper, learner.state, obs)
    density = jax.jit(lambda state: learner.algo.explore(learner.hyper, state).log_prob(obs, action))(learner.state)
    assert density.shape == (ROWS,) and np.isfinite(density).all()


@pytest.mark.slow
def test_cut_and_resumed_is_bit_for_bit_the_run_uncut(learner):
    env = suites.environment(WORLDS["discrete" if learner.spec.discrete else "continuous"])
    card = learner.card
    algo = card.make(env.spec, **chosen(SMALL | GATHER, card.structure()))
    source = card.collect(env, *((ROWS,) if card.batch else ()), **chosen(GATHER, card.collection()))
    go = jax.jit(lambda progress, n: advance(jax.random.key(4), algo, learner.hyper, source, progress, n)[0])
    start = jax.jit(lambda: begin(jax.random.key(4), algo, learner.hyper, source))()
    cut, whole = go(go(start, 3), 4), go(start, 7)
    assert same(cut.state, whole.state) and same(cut.feed, whole.feed) and int(whole.step) == 7
