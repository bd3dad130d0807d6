import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import jaxrl
from benchmarks.effects import robust as cases
from jaxrl import registry, tasks
from jaxrl.algorithms.online import ppo
from jaxrl.core.check import InputError
from jaxrl.core.types import Env, Spec, reactive
from jaxrl.envs.control import timed
from jaxrl.envs.noisy import noisy
from jaxrl.evaluation import certify

pytestmark = pytest.mark.slow
"""They compile for minutes together."""


def line() -> Env:
    """One step from zero: the reward is 1 where the action is positive."""
    spec = Spec("Line-v0", obs=1, action=1, horizon=1, low=(-1.0,), high=(1.0,))
    move = lambda key, params, values, action: (values, (action[0] > 0).astype(jnp.float32), True)
    return timed(spec, (), lambda key, params: jnp.full(1, 0.5), move, lambda values: values)


FOLLOW = reactive(lambda key, obs: obs)


def test_bound_on_the_mean_is_monotone_and_close_to_the_mean_without_adversary():
    returns = jax.random.randint(jax.random.key(0), (4000,), 0, 200).astype(jnp.float32)
    bounds = [float(certify.certified_mean(returns, budget, 0.2)) for budget in (0.0, 0.05, 0.1, 0.4)]
    slack = np.sqrt(np.log(20) / 8000)
    assert returns.mean() - 200 * slack <= bounds[0] <= returns.mean()
    assert bounds[0] > bounds[1] > bounds[2] > bounds[3] >= 0


def test_bound_by_hand():
    shares = [1.0, 0.5]
    slack = np.sqrt(np.log(20) / 4)
    low = [norm.cdf(norm.ppf(np.clip(p - slack, 0, 1)) - 0.5) for p in shares]
    expected = 10 + 1 * low[0] + 3 * low[1]
    np.testing.assert_allclose(certify.certified_mean(jnp.array([14.0, 11.0]), 0.1, 0.2, low=10.0), expected, rtol=1e-5)
    with pytest.raises(InputError, match="below low=12"):
        certify.certified_mean(jnp.array([11.0]), 0.1, 0.2, low=12.0)


def test_lowest_share_is_exact():
    np.testing.assert_allclose(certify.lowest_share(10, 10), 0.05 ** (1 / 10), rtol=1e-9)
    assert certify.lowest_share(0, 10) == 0
    with pytest.raises(InputError, match="successes=11"):
        certify.lowest_share(11, 10)


def test_certificate_is_tight_for_a_threshold_in_one_dimension():
    """P(s + noise > 0) falls to exactly Phi(Phi^-1(p) - budget / std) under the worst change."""
    std, budget = 0.5, 0.4
    push = lambda key, obs, most: -most * jnp.ones_like(obs)
    run = lambda budget: certify.attacked(
        jax.random.key(0), line(), FOLLOW, push, std=std, budget=budget, episodes=40_000
    )  # fmt: skip
    free, hurt = run(0.0), run(budget)
    np.testing.assert_allclose(free.returns.mean(), norm.cdf(0.5 / std), atol=0.01)
    np.testing.assert_allclose(
        hurt.returns.mean(), certify.certified_share(norm.cdf(0.5 / std), budget, std), atol=0.01
    )
    np.testing.assert_allclose(hurt.spent, budget, rtol=1e-5)


def test_attack_keeps_to_its_budget_whatever_it_asks_for():
    greedy = lambda key, obs, most: 100.0 * jnp.ones_like(obs)
    env = jaxrl.environment("CartPole-v1")
    policy = ppo.ppo(env.spec, width=8)
    policy = policy.policy(ppo.Hyper(), policy.init(jax.random.key(0), ppo.Hyper()))
    out = certify.attacked(jax.random.key(0), env, policy, greedy, std=0.1, budget=0.3, share=0.25, episodes=20)
    assert (out.spent <= 0.3 + 1e-5).all() and (out.spent > 0.2).all()


def test_gradient_attack_lowers_the_density_and_needs_one():
    density = lambda obs, action: -jnp.square(obs - jnp.array([2.0, 0.0])).sum()
    policy = reactive(lambda key, obs: jnp.zeros(2), density)
    change = certify.against_density(policy)(jax.random.key(0), jnp.zeros(2), 0.5)
    np.testing.assert_allclose(change, [-0.5, 0.0], atol=0.05)
    with pytest.raises(InputError, match="density"):
        certify.against_density(FOLLOW)


def test_noise_is_fresh_has_its_std_and_leaves_the_dynamics_alone():
    plain = jaxrl.environment("Pendulum-v1")
    env = noisy(plain, 0.3)
    keys = jax.random.split(jax.random.key(0), 4000)
    state, first = jax.vmap(env.reset, (0, None))(keys, env.params)
    angle = state.values[:, 0]
    error = first.obs - jnp.stack([jnp.cos(angle), jnp.sin(angle), state.values[:, 1]], axis=1)
    np.testing.assert_allclose(error.std(axis=0), 0.3, rtol=0.05)
    assert env.reset is noisy(plain, 0.1).reset, "one compiled program for every level of noise"


def test_smoothing_wraps_online_cards_on_environments_in_jax():
    card = registry.card("smoothing+ppo")
    task = card.prepare(tasks.load("CartPole-v1"), smoothing=0.2)
    assert task.env.params.std == 0.2
    result = jaxrl.sweep(
        "smoothing+ppo", "CartPole-v1", updates=1, episodes=2, envs=2, length=8, minibatches=2, width=8
    )
    assert np.isfinite(result.returns).all()
    with pytest.raises(InputError, match="kind 'offline'"):
        registry.card("smoothing+td3_bc")
    with pytest.raises(InputError, match="smoothing=-1"):
        card.prepare(tasks.load("CartPole-v1"), smoothing=-1.0)


@pytest.mark.slow
def test_certificate_holds_under_attack():
    """Mean of two agents; the margin is measured in benchmarks/tables/effects.md."""
    budgets = (0.05, 0.1, 0.2)
    free, hurt = jax.jit(jax.vmap(lambda key: cases.held(key, budgets, 30, 200)))(
        jax.random.split(jax.random.key(0), 2)
    )
    assert free.mean() > 60
    for i, budget in enumerate(budgets):
        for agent in range(2):
            assert hurt[agent, i] >= certify.certified_mean(free[agent], budget, cases.STD)
