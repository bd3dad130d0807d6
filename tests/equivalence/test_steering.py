import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.online import ppo
from jaxrl.algorithms.steering import resip, v_gps
from jaxrl.compose import residual as residuals
from jaxrl.compose.policy_gradient import Stage, policy_gradient
from jaxrl.compose.select import value_guided
from jaxrl.core.types import Spec, blank_batch, first_steps
from jaxrl.networks import heads
from tests.contract.made_up import same

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = Spec("made-up", obs=3, action=2, horizon=9)


def test_choice_tilts_the_proposals_exponentially():
    """Of N(0, 1) and Q = 2a at softness 1 the choice is N(2, 1)."""
    propose = lambda key, obs: jax.random.normal(key, obs.shape)
    choose = lambda key: value_guided(key, propose, lambda obs, a: 2 * a[..., 0], jnp.zeros(1), 10_000, 1.0)[0]
    chosen = jax.vmap(choose)(jax.random.split(jax.random.key(0), 2000))
    np.testing.assert_allclose([chosen.mean(), chosen.std()], [2, 1], rtol=0.05)


def test_choice_is_the_best_at_zero_and_the_policy_itself_at_infinity():
    propose = lambda key, obs: jax.random.normal(key, (*obs.shape[:-1], 2))
    q_fn = lambda obs, action: action.sum(-1)
    pick = lambda softness, count: value_guided(jax.random.key(3), propose, q_fn, jnp.zeros((5, 3)), count, softness)
    best = pick(0.0, 8)
    proposed = propose(jax.random.split(jax.random.key(3))[0], jnp.zeros((8, 5, 3)))
    np.testing.assert_allclose(q_fn(None, best), q_fn(None, proposed).max(axis=0), rtol=1e-6)
    many = jax.vmap(lambda key: value_guided(key, propose, q_fn, jnp.zeros((1, 3)), 8, jnp.inf))
    free = many(jax.random.split(jax.random.key(4), 4000))
    np.testing.assert_allclose([free.mean(), free.std()], [0, 1], atol=0.05)


def corrected():
    """A small corrected clone with its state."""
    pi = heads.deterministic(SPEC, width=8)
    inner = policy_gradient(
        residuals.widened(SPEC), ppo.RECIPE, (Stage(("actor", "critic"), 2, 2),), width=8, head=resip.small
    )
    algorithm = residuals.residual(pi.init, pi.mode, inner)
    return pi, algorithm, algorithm.init(jax.random.key(0), resip.Hyper())


def test_correction_starts_at_the_base_and_stays_within_its_scale():
    pi, algorithm, state = corrected()
    obs = jax.random.normal(jax.random.key(1), (50, 3))
    act = lambda make, state: make(resip.Hyper(), state).act(jax.random.key(2), first_steps(obs), ())[0]
    base = pi.mode(state.base, obs)
    np.testing.assert_array_equal(act(algorithm.policy, state), base)
    noise = (act(algorithm.explore, state) - base) / resip.Hyper().residual_scale
    np.testing.assert_allclose(noise.std(), np.exp(-1), rtol=0.2)
    wild = jax.tree.map(lambda x: x + 1.0, state.learner)
    moved = jnp.abs(act(algorithm.policy, state._replace(learner=wild)) - base)
    assert 0 < moved.max() <= resip.Hyper().residual_scale + 1e-6


def test_correction_learns_from_its_own_unscaled_actions_and_leaves_the_base_alone():
    pi, algorithm, state = corrected()
    obs = jax.random.normal(jax.random.key(1), (8, 2, 3))
    own = jax.random.normal(jax.random.key(2), (8, 2, 2))
    base = pi.mode(state.base, obs)
    batch = jax.tree.map(lambda x: x.reshape(8, 2, *x.shape[1:]), blank_batch(SPEC, 16))
    batch = batch._replace(obs=obs, next_obs=obs, reward=own[..., 0])
    after, _ = algorithm.update(jax.random.key(3), resip.Hyper(), state, batch._replace(action=base + 0.1 * own))
    wide = jnp.concatenate([obs, base], -1)
    inner = policy_gradient(
        residuals.widened(SPEC), ppo.RECIPE, (Stage(("actor", "critic"), 2, 2),), width=8, head=resip.small
    )
    plain = batch._replace(obs=wide, next_obs=wide, action=own)
    straight, _ = inner.update(jax.random.key(3), resip.Hyper(), state.learner, plain)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), after.learner, straight)
    assert same(after.base, state.base)
    assert not same(after.learner, state.learner)


@pytest.mark.parametrize("count", [1, 4])
def test_steered_policy_is_cloned_by_likelihood_and_uses_its_critic(count):
    critic = v_gps.parent.cql.soft(
        v_gps.parent.cql.recipe(v_gps.calibrated.conservative, 2, False), SPEC, width=8, depth=1
    )
    pi = heads.tanh_gaussian(SPEC, width=8)
    learner = v_gps.steered(pi, critic, count, 8, 1, 2, SPEC)
    hyper = v_gps.Hyper(softness=0.0)
    state = learner.init(jax.random.key(0), hyper)
    state = state._replace(critic=critic.init(jax.random.key(1), hyper).params["critic"])
    obs = jnp.ones((3, 3))
    action, _ = learner.policy(hyper, state).act(jax.random.key(2), first_steps(obs), ())
    many = jnp.broadcast_to(obs, (count, 3, 3))
    proposed = pi.propose(state.base.params["base"], jax.random.split(jax.random.key(2))[0], many)[0]
    q = v_gps.values.q(SPEC, width=8, depth=1)
    best = q.apply(state.critic, many, proposed).min(axis=0).argmax(axis=0)
    np.testing.assert_array_equal(action, proposed[best, jnp.arange(3)])
