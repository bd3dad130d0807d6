"""Parts: turns, targets, isolation, schedules."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.compose.learn import Part, learn, part_key
from jaxrl.core.types import Spec, blank_batch

BATCH = blank_batch(Spec("made up", 2, 1, 10), 4)


def part(**options):
    """A number pulled towards the batch's mean reward plus one."""
    loss = lambda params, state, hyper, batch, key: (jnp.square(params - batch.reward - 1), {})
    return Part(lambda key: jnp.zeros(()), loss, lambda hyper, count: 0.1, **options)


def run(parts, calls):
    init, update = learn(parts)
    state, seen = init(jax.random.key(0), ()), []
    for i in range(calls):
        state, metrics = jax.jit(update)(jax.random.key(i), (), state, BATCH)
        seen.append((state, metrics))
    return seen


def test_a_delayed_part_moves_on_every_nth_call_and_reports_nan_between():
    seen = run({"slow": part(every=3)}, 6)
    values = [float(state.params["slow"]) for state, _ in seen]
    assert (
        values[0] == values[1] == 0.0
        and values[2] > 0
        and values[2] == values[3] == values[4]
        and values[5] > values[2]
    )
    assert [bool(jnp.isnan(metrics["slow"]["loss"])) for _, metrics in seen] == [True, True, False, True, True, False]


def test_a_target_follows_its_part_at_its_own_pace():
    seen = run({"fast": part(follow=lambda hyper: 0.5, follow_every=2)}, 2)
    (first, _), (second, _) = seen
    assert float(first.target["fast"]) == 0.0
    np.testing.assert_allclose(second.target["fast"], 0.5 * second.params["fast"], rtol=1e-6)


def test_weights_scale_the_loss_and_a_gradient_reaches_only_its_part():
    def greedy(params, state, hyper, batch, key):
        return state.params["first"] * params * jnp.ones(4), {}

    parts = {"first": part(), "second": Part(lambda key: jnp.ones(()), greedy, lambda hyper, count: 0.1)}
    alone, both = run({"first": part()}, 3), run(parts, 3)
    assert float(alone[-1][0].params["first"]) == float(both[-1][0].params["first"])
    assert float(both[-1][0].params["second"]) < 1.0


def test_a_rate_sees_the_parts_own_updates():
    counts = []

    def rate(hyper, count):
        counts.append(count)
        return jnp.where(count < 2, 0.1, 0.0)

    loss = lambda params, state, hyper, batch, key: (-params * jnp.ones(4), {})
    values = [float(s.params["x"]) for s, _ in run({"x": Part(lambda key: jnp.zeros(()), loss, rate, every=2)}, 8)]
    assert values[3] > values[1] > 0 and values[7] == values[3]


def test_the_key_of_a_part_is_the_one_its_loss_sees():
    def loss(params, state, hyper, batch, key):
        return params * jnp.ones(4), {"draw": jax.random.uniform(key)}

    parts = {name: Part(lambda key: jnp.zeros(()), loss, lambda hyper, count: 0.1) for name in "ab"}
    init, update = learn(parts)
    _, metrics = update(jax.random.key(3), (), init(jax.random.key(0), ()), BATCH)
    for name in "ab":
        assert metrics[name]["draw"] == jax.random.uniform(part_key(jax.random.key(3), parts, name))
