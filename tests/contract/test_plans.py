"""Promises that every plan keeps, in every phase. The list is the registry's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl import registry
from jaxrl.core import hyper as records
from jaxrl.core.types import Algorithm, Given
from jaxrl.experiment import phases, settings
from jaxrl.train.driver import drive, program
from tests import made
from tests.contract.made_up import same

PLANS = [card for card in registry.cards().values() if card.kind == "plan"]
SMALL = {
    "width": 8, "depth": 1, "critics": 3, "samples": 2, "members": 2, "elites": 1, "warmup": 16, "capacity": 64,
    "levels": 4, "blocks": 1, "made": 64, "starts": 16, "kept": 2, "every": 2, "window": 4, "lifetime": 2, "horizon": 2,
    "generator_width": 8, "inverse_width": 8, "inverse_batch": 16, "anchor_width": 8, "rank": 4, "residual_width": 8,
    "choices": 2, "length": 8, "passes": 1, "minibatches": 2,
}  # fmt: skip
"""Keywords that make a plan small; those that end in `_updates` become 2."""


def small(card):
    """Options that make the plan quick."""
    names = card.structure()
    return {name: value for name, value in SMALL.items() if name in names} | {
        name: 2 for name in names if name.endswith("_updates")
    }


@functools.cache
def case(name):
    """(card, its phases when small, their programs, what they are given, two members), compiled once for all tests."""
    card = registry.card(name)
    task = made.task("Pendulum-v1" if "continuous" in card.actions else "CartPole-v1", card.needs)
    ready = card.prepare(task, **settings(card, small(card), 8).preparation)
    stages = phases(card, ready.env._replace(params=()), 8, small(card), {})
    keys = jax.random.split(jax.random.key(0), 2)
    members = keys, records.stack(*[card.hyper()] * 2)
    return card, stages, [program(phase) for phase in stages], Given(ready.dataset, ready.env.params), *members


@pytest.fixture(params=PLANS, ids=lambda card: card.name)
def plan(request):
    return case(request.param.name)


def test_the_last_phase_takes_the_runs_updates_and_trains_an_algorithm(plan):
    card, stages, *_ = plan
    assert isinstance(stages[-1].learner, Algorithm) and stages[-1].updates == 0
    assert all(phase.updates == 2 for phase in stages[:-1])
    assert len({phase.name for phase in stages}) == len(stages)
    settings(card, small(card), 8)


def test_a_source_computes_nothing_and_tells_its_cost(plan):
    card, stages, *_ = plan
    if card.online:
        source = stages[-1].source(Given(None), None)
        assert source.cost > 0


@pytest.mark.slow
def test_trains_and_stays_finite_with_two_members(plan):
    _, stages, programs, given, keys, hypers = plan
    stretches = [s for s in map(jax.device_get, drive(programs, keys, hypers, given, [1, 3])) if s.last]
    first, last = (s._replace(progress=s.progress.state) for s in stretches)
    assert np.asarray(last.finite).all() and set(last.earlier) == {phase.name for phase in stages[:-1]}
    assert not same(first.progress, last.progress)
    leaves = [x for x in jax.tree.leaves(last.progress) if np.ndim(x) > 1 and jnp.issubdtype(x.dtype, jnp.inexact)]
    assert any(not np.allclose(x[0], x[1]) for x in leaves), "members have keys of their own"


@pytest.mark.slow
def test_the_same_keys_give_the_same_run_and_stretches_do_not_matter(plan):
    _, _, programs, given, keys, hypers = plan
    whole = [jax.device_get(s.state) for s in drive(programs, keys, hypers, given, [4])][-1]
    cut = [jax.device_get(s.state) for s in drive(programs, keys, hypers, given, [1, 4])][-1]
    assert same(whole, cut)


@pytest.mark.slow
def test_trains_through_the_public_call(plan):
    card, *_ = plan
    task = made.task("Pendulum-v1" if "continuous" in card.actions else "CartPole-v1", card.needs)
    result = jaxrl.sweep(card.name, task, seeds=2, updates=2, evaluate_every=1, episodes=1, batch=8, **small(card))
    assert np.isfinite(result.returns).all()
    assert list(result.updates) == ([0, 1, 2] if card.online else [1, 2])
