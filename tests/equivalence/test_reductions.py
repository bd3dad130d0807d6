"""Each variant at its neutral setting is its parent; and one straight-line reference per skeleton."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.imitation import bc, percent_bc
from jaxrl.algorithms.offline import awac, cql, cql_discrete, cql_lagrange, edac, iql, rebrac, sac_n, td3_bc
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import actor_critic
from jaxrl.core.types import Spec, Transition

SPEC = Spec("made up", 3, 2, 10, False, (-1.0, -1.0), (1.0, 1.0))
SMALL = {"width": 16, "depth": 2}


def batch_of(seed, rows=8):
    keys = jax.random.split(jax.random.key(seed), 6)
    draw = lambda i, *shape: jax.random.normal(keys[i], (rows, *shape))
    flag = (jnp.arange(rows) % 3 == 2).astype(jnp.float32)
    actions = jnp.tanh(draw(1, 2)), jnp.tanh(draw(4, 2))
    return Transition(draw(0, 3), actions[0], draw(2), draw(3, 3), actions[1], flag, flag, jnp.ones(rows))


def train(algo, hyper, updates=4, names=("actor", "critic")):
    state = algo.init(jax.random.key(0), hyper)
    update = jax.jit(algo.update)
    for i in range(updates):
        state, _ = update(jax.random.key(10 + i), hyper, state, batch_of(i))
    return [state.params[name] for name in names]


def assert_same(a, b):
    """Equal up to the order in which the compiler adds."""
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-6, atol=1e-8)


def assert_differ(a, b):
    assert any(bool((x != y).any()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.slow
def test_edac_without_diversity_is_sac_n():
    parent = train(sac_n.sac_n(SPEC, critics=4, **SMALL), sac_n.Hyper())
    assert_same(train(edac.edac(SPEC, critics=4, **SMALL), edac.Hyper(diversity=0.0)), parent)
    assert_differ(train(edac.edac(SPEC, critics=4, **SMALL), edac.Hyper()), parent)


@pytest.mark.slow
def test_cql_without_conservatism_is_sac_with_a_backup_without_entropy():
    recipe = sac_n.RECIPE._replace(backup=(terms.pessimistic,))
    parent = train(cql.soft(recipe, SPEC, critics=2, **SMALL), sac_n.Hyper(actor_lr=3e-5))
    assert_same(train(cql.cql(SPEC, **SMALL), cql.Hyper(conservatism=0.0)), parent)
    assert_differ(train(cql.cql(SPEC, **SMALL), cql.Hyper()), parent)


@pytest.mark.slow
def test_lagrange_with_a_fixed_multiplier_of_one_is_cql():
    parent = train(cql.cql(SPEC, **SMALL), cql.Hyper(conservatism=5.0, actor_lr=1e-4))
    child = cql_lagrange.cql_lagrange(SPEC, **SMALL)
    fixed = cql_lagrange.Hyper(multiplier_lr=0.0)
    for x, y in zip(jax.tree.leaves(train(child, fixed)), jax.tree.leaves(parent), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)
    assert_differ(train(child, cql_lagrange.Hyper(multiplier_lr=0.1)), parent)


@pytest.mark.slow
def test_rebrac_without_penalties_is_td3_with_a_scaled_smallest_q():
    recipe = td3_bc.RECIPE._replace(actor=(terms.maximise_scaled_min_q,))
    hyper = rebrac.Hyper(actor_bc=0.0, critic_bc=0.0)
    assert_same(
        train(rebrac.rebrac(SPEC, norm=False, **SMALL), hyper), train(actor_critic(SPEC, recipe, **SMALL), hyper)
    )
    assert_differ(train(rebrac.rebrac(SPEC, norm=False, **SMALL), rebrac.Hyper(critic_bc=1.0)), train(
        rebrac.rebrac(SPEC, norm=False, **SMALL), rebrac.Hyper(critic_bc=0.0)))  # fmt: skip


def test_td3_bc_without_q_is_cloning_and_scale_of_rewards_does_not_matter_to_the_first_actor_step():
    clone = td3_bc.RECIPE._replace(actor=(terms.clone,))
    alone = train(actor_critic(SPEC, clone, **SMALL), td3_bc.Hyper(), names=("actor",))
    assert_same(train(td3_bc.td3_bc(SPEC, **SMALL), td3_bc.Hyper(q_scale=0.0), names=("actor",)), alone)


@pytest.mark.slow
def test_iql_at_expectile_one_half_fits_the_mean():
    """tau = 1/2 is half a squared loss: the value's parameters move as under plain regression at half the size."""
    hyper = iql.Hyper(expectile=0.5)
    algo = iql.iql(SPEC, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    new, metrics = algo.update(jax.random.key(1), hyper, state, batch_of(0))
    flipped, mirrored = algo.update(jax.random.key(1), dataclasses.replace(hyper, expectile=0.5), state, batch_of(0))
    assert_same(new.params, flipped.params)
    skewed, _ = algo.update(jax.random.key(1), dataclasses.replace(hyper, expectile=0.9), state, batch_of(0))
    assert_differ(new.params["value"], skewed.params["value"])
    assert float(metrics["value"]["loss"]) == pytest.approx(float(mirrored["value"]["loss"]))


def dense(layer, x):
    return x @ layer["kernel"] + layer["bias"][None]


def mlp(params, x, layers=3):
    for i in range(layers - 1):
        x = jax.nn.relu(dense(params[f"Dense_{i}"], x))
    return dense(params[f"Dense_{layers - 1}"], x)


def q_values(params, obs, action):
    x = jnp.concatenate([obs, action], -1)
    return jax.vmap(lambda p: mlp(p, x)[:, 0])(params)


def adam(params, grads, moments, count, rate=3e-4):
    m, v = moments
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
    step = lambda p, a, b: p - rate * (a / (1 - 0.9**count)) / (jnp.sqrt(b / (1 - 0.999**count)) + 1e-8)
    return jax.tree.map(step, params, m, v), (m, v)


def zeros(params):
    return jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)


def assert_near(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=2e-7)


@pytest.mark.slow
def test_awac_is_its_straight_line_form():
    """One update of critics, then of the actor, written out. The next and the fresh action are found by their keys."""
    hyper, batch = awac.Hyper(), batch_of(3)
    algo = awac.awac(SPEC, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    key = jax.random.key(7)
    new, _ = jax.jit(algo.update)(key, hyper, state, batch)

    def gaussian(params, obs):
        mean = jnp.tanh(mlp(params["mean"], obs))
        return mean, jnp.clip(params["log_std"], -5, 2)

    def sample(params, k, obs):
        mean, log_std = gaussian(params, obs)
        return jnp.clip(mean + jnp.exp(log_std)[None] * jax.random.normal(k, mean.shape), -1, 1)

    k_critic, k_actor = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    k_ahead = jax.random.split(k_critic, 3)[0]
    ahead = sample(state.params["actor"], jax.random.split(k_ahead)[0], batch.next_obs)
    value = q_values(state.target["critic"], batch.next_obs, ahead).min(0)
    target = batch.reward + 0.99 * (1 - batch.terminated) * value
    loss = lambda c: jnp.square(q_values(c, batch.obs, batch.action) - target[None]).sum(0).mean()
    critic = state.params["critic"]
    critic, _ = adam(critic, jax.grad(loss)(critic), zeros(critic), 1)

    fresh = sample(state.params["actor"], jax.random.split(k_actor)[0], batch.obs)
    gap = q_values(critic, batch.obs, batch.action).min(0) - q_values(critic, batch.obs, fresh).min(0)
    weight = jnp.minimum(jnp.exp(3 * gap), 100)

    def actor_loss(params):
        mean, log_std = gaussian(params, batch.obs)
        z = (batch.action - mean) / jnp.exp(log_std)[None]
        log_prob = (-0.5 * z**2 - log_std[None] - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)
        return -(weight * log_prob).mean()

    actor = state.params["actor"]
    actor, _ = adam(actor, jax.grad(actor_loss)(actor), zeros(actor), 1)
    assert_near(new.params["critic"], critic)
    assert_near(new.params["actor"], actor)


def test_iql_is_its_straight_line_form():
    """Value, actor, critic, in this order, written out."""
    hyper, batch = iql.Hyper(), batch_of(4)
    algo = iql.iql(SPEC, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    new, _ = algo.update(jax.random.key(7), hyper, state, batch)
    old_q = q_values(state.target["critic"], batch.obs, batch.action).min(0)

    def value_loss(params):
        u = old_q - mlp(params, batch.obs)[:, 0]
        return (jnp.abs(0.7 - (u < 0)) * u**2).mean()

    value = state.params["value"]
    value, _ = adam(value, jax.grad(value_loss)(value), zeros(value), 1)
    weight = jnp.minimum(jnp.exp(3 * (old_q - mlp(value, batch.obs)[:, 0])), 100)

    def actor_loss(params):
        mean, log_std = jnp.tanh(mlp(params["mean"], batch.obs)), params["log_std"]
        z = (batch.action - mean) / jnp.exp(log_std)[None]
        return -(weight * (-0.5 * z**2 - log_std[None] - 0.5 * jnp.log(2 * jnp.pi)).sum(-1)).mean()

    actor = state.params["actor"]
    actor, _ = adam(actor, jax.grad(actor_loss)(actor), zeros(actor), 1)
    target = batch.reward + 0.99 * (1 - batch.terminated) * mlp(value, batch.next_obs)[:, 0]
    critic_loss = lambda c: jnp.square(q_values(c, batch.obs, batch.action) - target[None]).sum(0).mean()
    critic = state.params["critic"]
    critic, _ = adam(critic, jax.grad(critic_loss)(critic), zeros(critic), 1)
    assert_near(new.params["value"], value)
    assert_near(new.params["actor"], actor)
    assert_near(new.params["critic"], critic)
    follow = jax.tree.map(lambda t, p: 0.995 * t + 0.005 * p, state.target["critic"], critic)
    assert_near(new.target["critic"], follow)


def test_td3_bc_is_its_straight_line_form():
    """Two critic updates, then one of the actor and of all targets, written out."""
    hyper = td3_bc.Hyper()
    algo = td3_bc.td3_bc(SPEC, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    actor = target_actor = state.params["actor"]
    critic = target_critic = state.params["critic"]
    moments = zeros(critic)
    update = jax.jit(algo.update)
    for i in range(2):
        key, batch = jax.random.key(20 + i), batch_of(i)
        state, _ = update(key, hyper, state, batch)
        k_noise = jax.random.split(jax.random.fold_in(key, 0), 3)[1]
        noise = jnp.clip(0.2 * jax.random.normal(k_noise, batch.action.shape), -0.5, 0.5)
        ahead = jnp.clip(jnp.tanh(mlp(target_actor, batch.next_obs)) + noise, -1, 1)
        value = q_values(target_critic, batch.next_obs, ahead).min(0)
        target = batch.reward + 0.99 * (1 - batch.terminated) * value
        loss = lambda c, batch=batch, target=target: (
            jnp.square(q_values(c, batch.obs, batch.action) - target[None]).sum(0).mean()
        )
        critic, moments = adam(critic, jax.grad(loss)(critic), moments, i + 1)

    def actor_loss(params):
        pi = jnp.tanh(mlp(params, batch.obs))
        q = q_values(critic, batch.obs, pi)[0]
        return -2.5 * q.mean() / jax.lax.stop_gradient(jnp.abs(q).mean()) + jnp.square(pi - batch.action).mean()

    actor, _ = adam(actor, jax.grad(actor_loss)(actor), zeros(actor), 1)
    follow = lambda old, new: jax.tree.map(lambda t, p: 0.995 * t + 0.005 * p, old, new)
    assert_near(state.params["critic"], critic)
    assert_near(state.params["actor"], actor)
    assert_near(state.target["critic"], follow(target_critic, critic))
    assert_near(state.target["actor"], follow(target_actor, actor))


def test_discrete_cql_is_its_straight_line_form():
    """Double Q-learning plus log-sum-exp minus the logged value, written out."""
    spec = Spec("made up", 3, 4, 10, True)
    hyper = cql_discrete.Hyper()
    algo = cql_discrete.cql_discrete(spec, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    action = jnp.arange(8) % 4
    batch = batch_of(5)._replace(action=action, next_action=action)
    new, _ = jax.jit(algo.update)(jax.random.key(7), hyper, state, batch)
    table = lambda params, obs: jax.vmap(lambda p: mlp(p, obs))(params)
    critic, rows = state.params["critic"], jnp.arange(8)
    best = table(critic, batch.next_obs).mean(0).argmax(-1)
    value = table(state.target["critic"], batch.next_obs)[:, rows, best].min(0)
    target = batch.reward + 0.99 * (1 - batch.terminated) * value

    def loss(params):
        q = table(params, batch.obs)
        logged = q[:, rows, action]
        penalty = jnp.log(jnp.exp(q).sum(-1)) - logged
        return (0.5 * jnp.square(logged - target[None]) + penalty).sum(0).mean()

    expected, _ = adam(critic, jax.grad(loss)(critic), zeros(critic), 1)
    assert_near(new.params["critic"], expected)


def test_cloning_is_regression_and_percent_cloning_is_cloning_of_the_best():
    batch, hyper = batch_of(6), bc.Hyper()
    algo = bc.bc(SPEC, **SMALL)
    state = algo.init(jax.random.key(0), hyper)
    new, _ = algo.update(jax.random.key(1), hyper, state, batch)
    actor = state.params["actor"]
    loss = lambda p: jnp.square(jnp.tanh(mlp(p, batch.obs)) - batch.action).mean()
    expected, _ = adam(actor, jax.grad(loss)(actor), zeros(actor), 1)
    assert_near(new.params["actor"], expected)
    assert percent_bc.CARD.make is bc.CARD.make
    assert percent_bc.CARD.preparation() == {**bc.CARD.preparation(), "top_fraction": 0.1}
