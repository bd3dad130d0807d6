"""Uni-O4's pieces: values as IQL's, clones that keep apart, steps that a gate lets pass, a first state online."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.offline import iql
from jaxrl.algorithms.offline_to_online import uni_o4
from jaxrl.compose import gated
from jaxrl.compose.behaviours import apart, behaviours
from jaxrl.compose.implicit_values import implicit_values
from jaxrl.compose.policy_gradient import networks
from jaxrl.core.types import Env, Spec, blank_batch
from jaxrl.networks import critics, laws
from tests.contract.made_up import batch_of, close, same, spec_of

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = spec_of("continuous")
HYPER = uni_o4.Hyper(value_lr=3e-4, clone_lr=1e-2, improve_lr=3e-3)


def test_values_are_iqls():
    q, v = critics.q(SPEC, width=8, depth=1), critics.v(SPEC, width=8, depth=1)
    theirs, ours = iql.iql(SPEC, width=8, depth=1), implicit_values(q, v)
    there = jax.jit(theirs.init)(jax.random.key(0), iql.Hyper())
    pick = lambda tree: {name: tree[name] for name in tree if name != "actor"}
    here = there._replace(params=pick(there.params), target=pick(there.target), opt=pick(there.opt))
    for i in range(3):
        batch = batch_of(SPEC, seed=i)
        there, _ = jax.jit(theirs.update)(jax.random.key(i), iql.Hyper(), there, batch)
        here, _ = jax.jit(ours.update)(jax.random.key(i), HYPER, here, batch)
    assert close((here.params, here.target), (pick(there.params), pick(there.target)), rtol=1e-6)


def test_a_member_is_kept_from_the_likeliest_of_the_others():
    """Three unit Gaussians at 0, 1 and 3: half the squared distance, to the other that is nearest to the action."""
    numbers = jnp.array([0.0, 1.0, 3.0]).reshape(3, 1, 1) * jnp.ones((1, 2, 1)), jnp.zeros((3, 2, 1))
    law = laws.normal(lambda params, obs: params)
    action = jnp.array([[0.9], [4.0]])
    likely = jax.vmap(law.log_prob, (0, None))(numbers, action)
    np.testing.assert_allclose(apart(law, numbers, likely), [[0.5, 4.5], [0.5, 2.0], [2.0, 2.0]], rtol=1e-6)
    single = jax.tree.map(lambda x: x[:1], numbers)
    np.testing.assert_array_equal(apart(law, single, likely[:1]), 0.0)


def test_diversity_keeps_clones_apart_and_without_it_they_are_clones():
    pi = networks(SPEC, None, 8, 1).pi
    learner = behaviours(pi, 3)

    @jax.jit
    def spread(diversity):
        hyper = uni_o4.Hyper(clone_lr=1e-2, diversity=diversity)
        state = learner.init(jax.random.key(0), hyper)
        batch = batch_of(SPEC, rows=64)
        step = lambda state, i: (learner.update(jax.random.key(i), hyper, state, batch)[0], None)
        actors = jax.lax.scan(step, state, jnp.arange(200))[0].params["actor"]
        numbers = jax.vmap(pi.law.numbers, (0, None))(actors, batch.obs)
        likely = jax.vmap(pi.law.log_prob, (0, None))(numbers, batch.action)
        return apart(pi.law, numbers, likely).mean(), actors

    (plain, alone), (kept, _) = spread(0.0), spread(0.3)
    assert float(kept) > 1.5 * float(plain)
    one = behaviours(pi, 1)
    first = lambda tree: jax.tree.map(lambda x: x[:1], tree)
    hyper = uni_o4.Hyper(clone_lr=1e-2, diversity=0.0)
    state = one.init(jax.random.key(5), hyper)
    start = first(learner.init(jax.random.key(0), hyper).params["actor"])
    state = state._replace(params={"actor": start})
    for i in range(200):
        state, _ = jax.jit(one.update)(jax.random.key(i), hyper, state, batch_of(SPEC, rows=64))
    assert close(state.params["actor"], first(alone), atol=2e-3)


BANDIT = Spec("made up", 1, 1, 10, False, (-1.0,), (1.0,))
STATES = jnp.linspace(-1, 1, 16)[:, None]


def exact(obs, action):
    """A bandit's reward: the right action is half the state."""
    return -jnp.square(action - 0.5 * obs).sum(-1)


@functools.cache
def improved(sign: float, gate: bool):
    """Estimates of the anchors of two policies on the bandit before every fifth of 200 updates, [40, 2].

    sign: -1 for advantages that mislead.
    """
    nets = networks(BANDIT, None, 8, 1)
    worth = lambda key, hyper, frozen, actor: exact(STATES, nets.pi.mode(actor, STATES)).mean()
    advantage = lambda frozen, obs, action: sign * exact(obs, action)
    learner = gated.gated(nets, advantage, worth, members=2, updates=200, every=5, gate=gate)
    batch = blank_batch(BANDIT, 64)._replace(obs=jnp.tile(STATES, (4, 1)), extras={"frozen": ()})

    def step(state, i):
        state, _ = learner.update(jax.random.key(i), HYPER, state, batch)
        anchors = jax.vmap(lambda actor: worth(None, HYPER, (), actor))(state.anchor)
        return state, (state.best, anchors)

    state = learner.init(jax.random.key(0), HYPER)
    best, anchors = jax.lax.scan(step, state, jnp.arange(200))[1]
    np.testing.assert_allclose(best, anchors, atol=1e-6)
    return np.asarray(anchors)[::5]


def test_offline_steps_improve_a_bandit_and_the_gate_never_lets_it_get_worse():
    for sign in (1.0, -1.0):
        assert (np.diff(improved(sign, True), axis=0) >= 0).all()
    assert (improved(1.0, True)[-1] > 0.5 * improved(1.0, True)[0]).all()  # both below zero: half the loss is gone


def test_without_the_gate_values_that_mislead_are_followed():
    free = np.diff(improved(-1.0, False), axis=0)
    assert (free < 0).mean() > 0.3
    assert (improved(-1.0, False)[-1] < improved(-1.0, True)[-1]).all()


def test_the_estimate_by_hand_ends_where_an_episode_does():
    """From 0 and 2 in steps of one, Q the place itself: 0 + 1 + 2, and 2 + 3, where 4 would be beyond the end."""

    def predict(time, obs, action):
        after = obs + action
        ended = (after[:, 0] >= 4).astype(jnp.float32)
        row = blank_batch(BANDIT, 2)
        return row._replace(obs=obs, action=action, next_obs=after, terminated=ended)

    place = lambda obs, action: obs[:, 0]
    value = gated.imagined_value(predict, place, jnp.ones_like, jnp.array([[0.0], [2.0]]), 3)
    assert float(value) == pytest.approx((0 + 1 + 2 + 2 + 3) / 6)


def test_ppo_begins_with_the_best_accepted_policy_and_iqls_value():
    phases = uni_o4.uni_o4(Env(SPEC._replace(name="PointMass-v0"), (), None, None), 8, width=4, depth=1, members=3)
    nets = networks(SPEC, None, 4, 1)
    improver, online = phases[3].learner, phases[4]
    state = improver.init(jax.random.key(0), HYPER)._replace(best=jnp.array([0.0, 2.0, 1.0]))
    value = nets.v.init(jax.random.key(1))
    fresh = online.learner.init(jax.random.key(2), HYPER)
    earlier = {"improvement": state, "values": fresh._replace(params={"value": value})}
    begun = online.begin(fresh, earlier)
    second = jax.tree.map(lambda x: x[1], state.anchor)
    obs = batch_of(SPEC).obs
    acted, _ = online.learner.policy(HYPER, begun).act(jax.random.key(0), blank_batch(SPEC, 8)._replace(obs=obs), ())
    assert same(begun.params["critic"], value) and same(acted, nets.pi.mode(second, obs))
