"""Terms on made-up Views: no network, no environment."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.compose import terms
from jaxrl.compose.actor_critic import View
from jaxrl.core.types import Spec, blank_batch

SPEC = Spec("made up", 2, 1, 10, False, (-1.0,), (1.0,))


def view(q_fn=None, *, rows=4, **fields):
    batch = blank_batch(SPEC, rows)
    base = View(
        obs=batch.obs, action=batch.action, log_prob=jnp.full(rows, -0.5), q_fn=q_fn, batch=batch, key=jax.random.key(0)
    )
    return dataclasses.replace(base, **fields)


def fixed(values):
    """Critics that say `values` [E, B] whatever the action; `members` keeps the first ones."""
    values = jnp.asarray(values)
    return lambda obs, action, members=None: values if members is None else values[:members]


def test_pessimistic_and_greedy_terms_pick_their_critic():
    v = view(fixed([[1.0, 2.0], [3.0, -4.0]]), rows=2)
    np.testing.assert_allclose(terms.pessimistic(v), [1.0, -4.0])
    np.testing.assert_allclose(terms.maximise_q(v), [-1.0, -2.0])
    np.testing.assert_allclose(terms.maximise_min_q(v), [-1.0, 4.0])


def test_the_first_critic_alone_is_asked_for():
    asked = []

    def q_fn(obs, action, members=None):
        asked.append(members)
        return jnp.ones((members, 4))

    terms.maximise_q(view(q_fn))
    assert asked == [1]


def test_scaled_q_does_not_see_the_scale_of_rewards():
    hyper = SimpleNamespace(q_scale=2.5)
    small = terms.maximise_scaled_q(view(fixed([[1.0, -3.0]]), rows=2, hyper=hyper))
    large = terms.maximise_scaled_q(view(fixed([[100.0, -300.0]]), rows=2, hyper=hyper))
    np.testing.assert_allclose(small, [-1.25, 3.75])
    np.testing.assert_allclose(small, large, rtol=1e-6)


def test_the_unit_of_q_carries_no_gradient():
    def loss(scale):
        q_fn = lambda obs, action, members=None: scale * jnp.ones((1, 4))
        return terms.maximise_scaled_q(view(q_fn, hyper=SimpleNamespace(q_scale=1.0))).mean()

    assert jax.grad(loss)(2.0) == pytest.approx(-0.5)


def test_cloning_averages_for_td3_bc_and_sums_for_rebrac():
    batch = blank_batch(Spec("two", 2, 2, 10), 1)
    v = view(rows=1, action=jnp.array([[0.3, 0.4]]), batch=batch, hyper=SimpleNamespace(actor_bc=2.0, critic_bc=3.0))
    np.testing.assert_allclose(terms.clone(v), [0.125], rtol=1e-6)
    np.testing.assert_allclose(terms.clone_weighted(v), [0.5], rtol=1e-6)
    np.testing.assert_allclose(terms.stay_near_next(v), [-0.75], rtol=1e-6)


def test_entropy_terms_cancel_between_backup_and_cost():
    v = view(state=SimpleNamespace(params={"temperature": jnp.log(0.2)}))
    np.testing.assert_allclose(terms.entropy_cost(v), -0.1, rtol=1e-5)
    np.testing.assert_allclose(terms.entropy_bonus(v) + terms.entropy_cost(v), 0.0, atol=1e-7)


def test_conservatism_of_a_constant_q_under_a_uniform_policy_is_the_number_of_draws():
    """log sum exp of Q + log 2 over 3 n draws is Q + log(3 n) + log 2 per dimension (specs 2.4)."""

    def propose(key, obs):
        action = jax.random.uniform(key, (*obs.shape[:-1], 1), minval=-1, maxval=1)
        return action, jnp.full(obs.shape[:-1], -jnp.log(2.0))

    q_fn = lambda obs, action, members=None: jnp.full((2, *obs.shape[:-1]), 7.0)
    gap = terms.soft_maximum_gap(view(q_fn, propose=propose), 10)
    np.testing.assert_allclose(gap, np.log(30) + np.log(2), rtol=1e-5)


def test_diversity_is_the_number_of_identical_critics_times_its_weight():
    q_fn = lambda obs, action, members=None: jnp.broadcast_to(action.sum(-1), (3, action.shape[0]))
    got = terms.diversify(view(q_fn, hyper=SimpleNamespace(diversity=2.0)))
    np.testing.assert_allclose(got, 6.0, rtol=1e-4)


def test_the_best_of_sampled_actions_is_at_least_one_of_them():
    propose = lambda key, obs: (jax.random.uniform(key, (*obs.shape[:-1], 1)), None)
    q_fn = lambda obs, action, members=None: jnp.stack([action[..., 0], action[..., 0] + 1])
    one = terms.best_of(view(q_fn, propose=propose), samples=1)
    many = terms.best_of(view(q_fn, propose=propose), samples=50)
    assert bool((many > 0.8).all()) and bool((many <= 1).all()) and one.shape == (4,)
