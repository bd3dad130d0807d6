"""The trainer on a learner so small that its numbers can be written down."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Source, reactive
from jaxrl.train.fit import SETUP, advance, begin, fit


class State(NamedTuple):
    x: Any
    step: Any


def learner():
    """x moves by `rate` times the batch plus noise; every second call is idle."""

    def init(key, hyper):
        return State(jax.random.normal(key), jnp.int32(0))

    def update(key, hyper, state, batch):
        idle = jnp.where(state.step % 2 == 1, jnp.nan, 1.0)
        x = state.x + hyper * batch + 0.01 * jax.random.normal(key)
        return State(x, state.step + 1), {"x": x, "turn": state.step * idle, "never": jnp.nan}

    policy = lambda hyper, state: reactive(lambda key, obs: state.x)
    return Algorithm(init, update, policy, policy)


def source(draws=lambda key: jax.random.normal(key)):
    """Batches of one number; the feed counts them, and is the last number that the policy would have done."""
    return Source(lambda key: jnp.int32(0), lambda key, feed, policy: (feed + 1, draws(key)))


KEY = jax.random.key(0)


def test_advance_can_be_cut_anywhere():
    go = jax.jit(lambda progress, steps: advance(KEY, learner(), 0.1, source(), progress, steps))
    start = begin(KEY, learner(), 0.1, source())
    whole, metrics = go(start, 7)
    first, early = go(start, 3)
    second, late = go(first, 4)
    assert all(bool(a == b) for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(second), strict=True))
    assert int(whole.step) == int(whole.state.step) == int(whole.feed) == 7
    assert float(metrics["x"]) == pytest.approx((3 * float(early["x"]) + 4 * float(late["x"])) / 7, rel=1e-5)
    assert go._cache_size() == 1


def test_metrics_leave_idle_calls_out():
    metrics = advance(KEY, learner(), 0.1, source(), begin(KEY, learner(), 0.1, source()), 5)[1]
    assert float(metrics["turn"]) == 2.0, "mean of 0, 2, 4"
    assert np.isnan(metrics["never"])


def test_a_run_depends_on_its_key_alone():
    run = lambda key: advance(key, learner(), 0.1, source(), begin(key, learner(), 0.1, source()), 3)[0].state.x
    assert float(run(KEY)) == float(run(KEY)) != float(run(jax.random.key(1)))


def test_updates_and_their_draws_differ_from_step_to_step():
    seen = fit(KEY, learner(), 1.0, source(), 4, every=1)[1]["x"]
    assert len(set(np.diff(seen).round(6).tolist())) == 3


def test_begin_goes_on_from_a_given_state():
    given = State(jnp.float32(5), jnp.int32(9))
    progress = begin(KEY, learner(), 0.1, source(), state=given, step=9)
    assert float(progress.state.x) == 5 and int(progress.step) == 9
    fresh = begin(KEY, learner(), 0.1, source())
    assert float(fresh.state.x) != 5 and int(fresh.step) == 0
    assert SETUP > 2**30, "one-off draws must not meet those of updates"


def test_fit_reports_as_often_as_asked():
    report = lambda key, state: {"seen": state.x, "draw": jax.random.uniform(key)}
    progress, log = fit(KEY, learner(), 0.1, source(), 6, every=2, report=report)
    assert {name: value.shape for name, value in log.items()} == dict.fromkeys(
        ("x", "turn", "never", "seen", "draw"), (3,)
    )
    assert float(log["seen"][-1]) == float(progress.state.x) and int(progress.step) == 6
    assert len(set(log["draw"].tolist())) == 3
    once, log = fit(KEY, learner(), 0.1, source(), 6)
    assert float(once.state.x) == pytest.approx(float(progress.state.x), rel=1e-6) and log["x"].shape == (1,)


def test_fit_goes_on_from_its_own_end():
    whole = fit(KEY, learner(), 0.1, source(), 6)[0]
    half = fit(KEY, learner(), 0.1, source(), 3)[0]
    rest = fit(KEY, learner(), 0.1, source(), 3, start=half)[0]
    assert float(rest.state.x) == pytest.approx(float(whole.state.x), rel=1e-6) and int(rest.step) == 6


def test_fit_refuses_what_does_not_divide():
    with pytest.raises(InputError, match="7 updates do not divide into reports every 2; choose a multiple"):
        fit(KEY, learner(), 0.1, source(), 7, every=2)


def test_fit_maps_over_keys_and_numbers():
    keys, rates = jax.random.split(KEY, 3), jnp.array([0.0, 0.1, 1.0])
    many = jax.vmap(lambda key, rate: fit(key, learner(), rate, source(), 4, every=2)[1]["x"])(keys, rates)
    one = fit(keys[2], learner(), rates[2], source(), 4, every=2)[1]["x"]
    assert many.shape == (3, 2)
    np.testing.assert_allclose(many[2], one, rtol=1e-5)


def test_a_source_sees_the_exploring_policy_of_the_present_state():
    watching = Source(
        lambda key: jnp.float32(0), lambda key, feed, policy: (policy.act(key, probe, ())[0], jnp.float32(1))
    )
    from jaxrl.core.types import first_steps

    probe = first_steps(jnp.zeros(3))
    start = begin(KEY, learner(), 0.0, watching)
    progress = advance(KEY, learner(), 0.0, watching, start, 1)[0]
    assert float(progress.feed) == float(start.state.x)
