"""Learners with logged data that go on in the environment: reductions of one to another, and numbers by hand."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.offline_to_online import cal_ql, cql_finetune, rlpd, wsrl
from jaxrl.algorithms.online import redq, sac
from jaxrl.compose import calibrated, terms
from jaxrl.compose.actor_critic import Recipe, View
from jaxrl.compose.repeat import repeat
from jaxrl.core.types import Env, Given
from tests import made
from tests.contract.made_up import batch_of, close, same, spec_of

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = spec_of("continuous")
ENV = Env(SPEC, (), None, None)
SMALL = {"width": 16, "depth": 2}


def train(algo, hyper, updates=3, rows=32):
    """The state after updates on batches of their own."""
    state = jax.jit(algo.init)(jax.random.key(0), hyper)
    update = jax.jit(algo.update)
    for i in range(updates):
        state, _ = update(jax.random.key(10 + i), hyper, state, batch_of(SPEC, seed=i, rows=rows))
    return state


def test_rlpd_without_normalised_critics_is_redq():
    """On batches of one composition; what the source mixes is tested with it."""
    (phase,) = rlpd.rlpd(ENV, 8, critics=3, subset=2, repeat=4, layer_norm=False, **SMALL)
    ours = train(phase.learner, rlpd.Hyper(entropy_per_dimension=-1.0))
    theirs = train(redq.redq(SPEC, critics=3, subset=2, repeat=4, **SMALL), redq.Hyper())
    assert same(ours, theirs)
    (phase,) = rlpd.rlpd(ENV, 8, critics=3, subset=2, repeat=4, **SMALL)
    assert "LayerNorm_0" in phase.learner.init(jax.random.key(0), rlpd.Hyper()).params["critic"]
    assert "LayerNorm_0" not in phase.learner.init(jax.random.key(0), rlpd.Hyper()).params["actor"]


def test_rlpds_backup_carries_entropy_unless_told_otherwise():
    """With a temperature of next to nothing both backups agree."""
    sizes = {"critics": 2, "subset": 2, "repeat": 1, "width": 4, "depth": 1}
    both = [rlpd.rlpd(ENV, 8, entropy_backup=flag, **sizes)[0].learner for flag in (True, False)]
    hyper = rlpd.Hyper()
    state = jax.jit(both[0].init)(jax.random.key(0), hyper)
    cold = state._replace(params={**state.params, "temperature": jnp.float32(-60.0)})
    updates = [jax.jit(algo.update) for algo in both]
    warm, frozen = (
        [update(jax.random.key(1), hyper, one, batch_of(SPEC))[0].params["critic"] for update in updates]
        for one in (state, cold)
    )
    assert close(*frozen) and not same(*warm)


def test_rlpds_source_takes_one_step_for_its_updates_and_half_its_rows_from_the_data():
    (phase,) = rlpd.rlpd(ENV, 8, repeat=5, warmup=16, capacity=64)
    source = phase.source(Given(None), None)
    assert source.cost == 1 and source.before == 16 and phase.updates == 0


def gap(floor, samples=2, rows=4):
    """A View of two critics, the first 3 and the second -1 everywhere, and the penalty above that floor; [B]."""
    propose = lambda key, obs: (jnp.zeros((*obs.shape[:-1], 2)), jnp.full(obs.shape[:-1], -0.5))
    batch = batch_of(SPEC, rows=rows)._replace(extras={"to_go": jnp.full(rows, floor)})

    def penalty(q):
        q_fn = lambda obs, action: jnp.broadcast_to(q.reshape(2, *(1,) * (obs.ndim - 1)), (2, *obs.shape[:-1]))
        seen = View(
            q_fn=q_fn,
            propose=propose,
            batch=batch,
            obs=batch.obs,
            action=batch.action,
            key=jax.random.key(0),
            hyper=SimpleNamespace(conservatism=1.0),
        )
        return calibrated.conservative(seen, samples=samples), terms.conservative(seen, samples=samples)

    return penalty


def test_cal_qls_floor_counts_for_the_policys_actions_alone():
    """Six draws: two random ones of density 1/4, four of the policy with density exp(-0.5)."""
    q, floor = jnp.array([3.0, -1.0]), 1.0
    ours, plain = gap(floor)(q)

    def by_hand(q, counted):
        return np.log(2 * np.exp(q) * 4 + 4 * np.exp(counted + 0.5)) - q

    np.testing.assert_allclose(ours, by_hand(3.0, 3.0) + by_hand(-1.0, 1.0), rtol=1e-5)
    np.testing.assert_allclose(plain, by_hand(3.0, 3.0) + by_hand(-1.0, -1.0), rtol=1e-5)
    for inactive in (-1.5, -np.inf):
        np.testing.assert_array_equal(*gap(inactive)(q))


def test_values_below_their_return_are_pushed_down_at_random_actions_only():
    """Its slope in Q is the random actions' share of the sum, less one; with the floor far above, minus one."""
    slope = lambda floor: jax.grad(lambda q: gap(floor)(q)[0].mean())(jnp.array([3.0, -1.0]))
    random, policy = 2 * np.exp(-1.0) * 4, 4 * np.exp(1.0 + 0.5)
    np.testing.assert_allclose(slope(1.0)[1], random / (random + policy) - 1, rtol=1e-4)
    np.testing.assert_allclose(slope(50.0), [-1, -1], atol=1e-5)
    np.testing.assert_allclose(slope(-np.inf), [0, 0], atol=1e-5)


def test_cal_ql_with_returns_that_bound_nothing_is_cql():
    sizes = {"critics": 2, "samples": 2, "width": 4, "depth": 1}
    states = []
    for make in (cal_ql.cal_ql, cql_finetune.cql_finetune):
        learner = make(ENV, 8, **sizes)[0].learner
        state = jax.jit(learner.init)(jax.random.key(0), cal_ql.Hyper())
        for i in range(2):
            batch = batch_of(SPEC, seed=i)._replace(extras={"to_go": jnp.full(8, -jnp.inf)})
            state, _ = jax.jit(learner.update)(jax.random.key(i), cal_ql.Hyper(), state, batch)
        states.append(state)
    assert close(*states, rtol=1e-6)


@pytest.mark.parametrize("make", [cql_finetune.cql_finetune, cal_ql.cal_ql, wsrl.wsrl])
def test_going_online_keeps_parameters_targets_and_optimisers(make):
    first, second = make(ENV, 8, critics=2, width=4, depth=1)
    trained = first.learner.init(jax.random.key(0), cal_ql.Hyper())._replace(step=jnp.int32(7))
    begun = second.begin(second.learner.init(jax.random.key(1), cal_ql.Hyper()), {"offline": trained})
    assert same(begun._replace(step=trained.step), trained) and int(begun.step) == 0


def test_the_first_steps_online_are_the_frozen_policys():
    """A policy that pushes one way: none of its steps is random."""
    task = made.task()
    _, online = wsrl.wsrl(task.env, 8, critics=2, width=4, depth=1, warmup=12, capacity=32)
    hyper = cal_ql.Hyper()
    state = online.learner.init(jax.random.key(0), hyper)
    actor = jax.tree.map(jnp.zeros_like, state.params["actor"])
    actor["Dense_1"]["bias"] = jnp.array([1.0, -5.0])
    trained = state._replace(params={**state.params, "actor": actor})
    given = Given(task.dataset, task.env.params)
    stock = online.stock(jax.random.key(0), hyper, given, {"offline": trained})
    source = online.source(given, stock)
    feed = source.init(jax.random.key(2))
    np.testing.assert_allclose(feed.ring.rows.action[:12], np.tanh(1.0), atol=0.03)
    assert source.before == 12 and int(feed.ring.step) == 12
    _, batch = source.next(jax.random.key(3), feed, online.learner.explore(hyper, trained))
    assert batch.reward.shape == (32,) and "to_go" not in batch.extras


def test_wsrl_online_is_redq_without_entropy_in_the_backup_and_the_smallest_of_all_for_the_actor():
    _, online = wsrl.wsrl(ENV, 8, critics=3, subset=2, repeat=2, **SMALL)
    hyper = cal_ql.Hyper()
    recipe = Recipe(backup=(terms.with_subset(2),), actor=(terms.maximise_min_q, terms.entropy_cost), slow_actor=False)
    net = {"norm_first": True}
    plain = sac.soft_actor_critic(SPEC, recipe, critics=3, delay=2, actor_options=net, critic_options=net, **SMALL)
    assert same(train(online.learner, hyper, rows=16), train(repeat(plain, 2), hyper, rows=16))
