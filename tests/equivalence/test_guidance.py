"""Guidance by a policy: closed forms, the distributions it leads to on Gaussians, and what it refuses."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl.algorithms.generative.pgd import Hyper
from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import guidance, guided
from jaxrl.core.check import InputError
from jaxrl.core.types import Scaler, Spec, reactive
from jaxrl.losses.diffusion import Noise, along, heun
from jaxrl.networks import temporal
from jaxrl.networks.basic import Network
from tests import made

NOISE = Noise()
CHURN = {"churn": 80.0, "s_min": 0.05, "s_max": 50.0, "s_noise": 1.003}


def optimal(x, sigma):
    """The denoiser of data that are standard normal."""
    return x / (1 + along(jnp.square(sigma), x))


def normal(mean: float, std: float, squashed: bool = True):
    """Log-density of actions, or of their arctanh."""

    def log_prob(obs, action):
        value = action if squashed else jnp.arctanh(action)
        return (-0.5 * jnp.square((value - mean) / std) - jnp.log(std)).sum(-1)

    return log_prob


def target(log_prob, mean: float, std: float, actions: int = 1):
    """A policy over rows that hold nothing but raw actions of this mean and spread."""
    return guidance.Target(log_prob, Scaler(jnp.full(actions, mean), jnp.full(actions, std)), 0, actions)


def test_the_gradient_is_the_one_derived_by_hand():
    seen = target(normal(0.3, 0.5), 0.1, 0.8)
    x = jnp.asarray([-1.0, 0.0, 1.0]).reshape(1, 3, 1)
    np.testing.assert_allclose(guidance.gradient(seen, x)[0, :, 0], [1.836922, 0.634694, -0.648649], rtol=1e-5)


def test_the_curvature_is_the_second_derivative_and_never_negative():
    seen = target(normal(0.3, 0.5), 0.1, 0.8, actions=2)
    x = jax.random.normal(jax.random.key(0), (2, 3, 2))
    step = jnp.zeros(2).at[1].set(1e-2)
    change = guidance.gradient(seen, x + step[None, None]) - guidance.gradient(seen, x - step[None, None])
    slope = np.maximum(-change[..., 1] / 2e-2, 0)
    assert (slope == 0).any() and (slope > 0.1).any()
    np.testing.assert_allclose(guidance.curvature(seen, x)[..., 1], slope, atol=2e-3)


def test_observations_and_rewards_are_not_moved_and_observations_reach_the_policy_in_their_units():
    scaler = Scaler(jnp.asarray([5.0, 0.0, 9.0]), jnp.asarray([2.0, 1.0, 1.0]))
    seen = guidance.Target(lambda obs, action: obs[..., 0] * action[..., 0], scaler, 1, 1)
    x = jnp.ones((2, 4, 3))
    nudge = guidance.released(seen, optimal, lambda i: 0.5)
    moved = nudge(0, x, jnp.ones(2)) - x
    assert (moved[..., [0, 2]] == 0).all()
    np.testing.assert_allclose(jnp.sqrt(jnp.square(moved).sum((1, 2))), 0.5, rtol=1e-5)
    np.testing.assert_allclose(guidance.gradient(seen, x), 7 * (1 - jnp.tanh(1.0) ** 2), rtol=1e-5)


def test_schedules_have_the_numbers_of_the_specification():
    found = [float(guidance.index_schedule(i, 256, 1.0, 0.3)) for i in (0, 64, 127, 128, 192, 254)]
    np.testing.assert_allclose(found, [1.003681, 0.964719, 0.803906, 0.799977, 0.459513, 0.011494], atol=2e-6)
    by_sigma = [float(guidance.sigma_schedule(NOISE, i, 32, 1.0, 0.3)) for i in (0, 16)]
    np.testing.assert_allclose(by_sigma, [80.0, 2.17386 + 24.0], rtol=1e-4)


@functools.cache
def sampled(levels: int, rule: str, churn: bool = True):
    """(mean, std) of samples for behaviour N(-.5, .4^2) and policy N(.6, .3^2) of raw actions, with exact denoising."""
    seen, noise = target(normal(0.6, 0.3, squashed=False), 0.0, 1.0), NOISE._replace(sigma_data=0.4)

    def denoise(x, sigma):
        square = along(jnp.square(sigma), x)
        return (0.4**2 * x - 0.5 * square) / (0.4**2 + square)

    def at_the_mean(x, estimate, sigma):
        square = along(jnp.square(sigma), x)
        return estimate + 0.4**2 * square / (0.4**2 + square) * guidance.gradient(seen, estimate)

    rules = {"consistent": guidance.consistent(seen, noise, 1.0), "at the mean": at_the_mean, "none": None}
    options = CHURN if churn else {}
    one = lambda key: heun(denoise, NOISE, key, (20_000, 1, 1), levels, guide=rules[rule], **options)
    found = jax.jit(one)(jax.random.key(0))
    return float(found.mean()), float(found.std())


def test_the_consistent_rule_samples_the_product_of_behaviour_and_policy():
    precision = 1 / 0.4**2 + 1 / 0.3**2
    mean, std = (-0.5 / 0.4**2 + 0.6 / 0.3**2) / precision, precision**-0.5
    assert sampled(64, "consistent") == pytest.approx((mean, std), rel=0.03)
    assert sampled(256, "consistent") == pytest.approx((mean, std), rel=0.02)


def test_the_slope_at_the_denoised_mean_alone_samples_something_else():
    assert sampled(256, "at the mean") == pytest.approx((0.276, 0.231), rel=0.03)


def test_without_guidance_the_sampler_returns_the_behaviour_with_the_measured_widths():
    assert sampled(32, "none") == pytest.approx((-0.5, 0.420), abs=0.01)
    assert sampled(64, "none", churn=False) == pytest.approx((-0.5, 0.402), abs=0.01)


def actions(rule: str, coefficient: float, std: float, normalise: bool = True):
    """(mean, std) of actions for behaviour tanh(.6 u) and a policy N(.5, std^2), windows of 32 rows of 6 actions."""
    seen = target(normal(0.5, std), 0.0, 0.6, actions=6)
    schedule = lambda i: guidance.index_schedule(i, 256, coefficient, 0.3)
    nudge = guidance.released(seen, optimal, schedule, normalise=normalise)
    rules = {"released": {"nudge": nudge}, "consistent": {"guide": guidance.consistent(seen, NOISE, coefficient)}}
    one = lambda key: heun(optimal, NOISE, key, (64, 32, 6), 256, **CHURN, **rules[rule])
    found = jnp.tanh(0.6 * jax.jit(one)(jax.random.key(1)))
    return float(found.mean()), float(found.std())


@pytest.mark.parametrize(
    ("coefficient", "std", "normalise", "measured"),
    [
        (0.01, 1.0, False, (0.022, 0.458)),
        (0.1, 1.0, False, (0.244, 0.332)),
        (1.0, 1.0, False, (0.506, 0.036)),
        (0.01, 0.3, False, (0.270, 0.315)),
        (0.1, 0.3, False, (0.506, 0.031)),
        (0.1, 1.0, True, (0.07, 0.44)),
        (1.0, 1.0, True, (0.500, 0.01)),
    ],
)
def test_the_released_rule_has_the_measured_strengths(coefficient, std, normalise, measured):
    assert actions("released", coefficient, std, normalise) == pytest.approx(measured, abs=0.015)


@pytest.mark.parametrize("std", [1.0, 0.3])
def test_the_consistent_rule_samples_the_product_of_squashed_actions_too(std):
    """The product by quadrature: .099 and .442 for a policy of spread 1, .405 and .248 for one of .3."""
    u = np.linspace(-6, 6, 4001)
    weight = np.exp(-0.5 * u**2 - 0.5 * ((np.tanh(0.6 * u) - 0.5) / std) ** 2)
    weight /= weight.sum()
    mean = (weight * np.tanh(0.6 * u)).sum()
    exact = mean, (weight * (np.tanh(0.6 * u) - mean) ** 2).sum() ** 0.5
    assert exact == pytest.approx({1.0: (0.099, 0.442), 0.3: (0.405, 0.248)}[std], abs=1e-3)
    assert actions("consistent", 1.0, std) == pytest.approx(exact, abs=0.03)


SPEC = Spec("made up", 2, 1, 10, False, (-1.0,), (1.0,))


def model():
    """A model of windows of four rows with next to no network, and a record without guidance."""
    network = Network(lambda key: jnp.ones(()), lambda params, x, level: params * jnp.tanh(x))
    return guided.model(network, 4, 5, updates=10, levels=8), Hyper(guidance=0.0)


@pytest.mark.slow
def test_guidance_of_strength_zero_makes_the_unguided_windows():
    small, hyper = model()
    params = small.network.init(jax.random.key(0))
    policy = reactive(lambda key, obs: obs[..., :1], lambda obs, action: -jnp.square(action - obs[..., :1]).sum(-1))
    scaler = Scaler(jnp.zeros(5), jnp.ones(5))
    sizes = {"count": 5, "chunk": 2}
    make = lambda policy, rule: guided.made(
        jax.random.key(1), hyper, small, params, scaler, SPEC, policy, rule, **sizes
    )
    plain = jax.jit(lambda: make(None, guided.Rule()))()
    assert plain.shape == (5, 4, 5)
    for rule in (guided.Rule(), guided.Rule(consistent=False), guided.Rule(consistent=False, by_sigma=True)):
        np.testing.assert_allclose(jax.jit(functools.partial(make, policy, rule))(), plain, atol=1e-4)


def test_the_model_warms_up_and_cools_down():
    rates = [float(guided.warm_cosine(1.0, n, 100)) for n in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(rates, [0.1, 0.55, 1.0, 0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize("length", [5, 8])
def test_the_network_keeps_any_length(length):
    network = temporal.temporal_unet(3, width=16, blocks=3)
    once = lambda key: network.apply(network.init(key), jnp.ones((2, length, 3)), jnp.zeros(2))
    assert jax.eval_shape(once, jax.random.key(0)).shape == (2, length, 3)


@pytest.mark.slow
def test_an_actor_without_a_density_gets_one_around_its_action():
    agent, hyper = td3_bc.td3_bc(SPEC, width=8), td3_bc.Hyper()
    state = agent.init(jax.random.key(0), hyper)
    obs, action = jnp.ones((3, 2)), jnp.full((3, 1), 0.2)
    mean, _ = agent.policy(hyper, state).act(jax.random.key(1), jaxrl.core.types.first_steps(obs), ())
    found = guidance.around(agent, lambda hyper: 0.5).explore(hyper, state).log_prob(obs, action)
    np.testing.assert_allclose(found, jax.scipy.stats.norm.logpdf(action[:, 0], mean[:, 0], 0.5), rtol=1e-5)


def test_a_policy_without_a_density_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^a policy without a density cannot guide[^\n]*$"):
        guidance.target(reactive(lambda key, obs: obs), Scaler(jnp.zeros(5), jnp.ones(5)), SPEC)


@pytest.mark.parametrize("card", ["pgd", "pgd_iql"])
def test_what_cannot_be_made_is_refused_in_one_line(card):
    task = made.task(length=20)
    with pytest.raises(InputError, match=r"^window=32 is longer than the episodes[^\n]*; set window=21 or less$"):
        jaxrl.sweep(card, task, batch=8)
    with pytest.raises(InputError, match=r"^window=1 holds no step[^\n]*$"):
        jaxrl.sweep(card, task, batch=8, window=1)
    with pytest.raises(InputError, match=r"^real_share=1 of a batch of 8 leaves none[^\n]*$"):
        jaxrl.sweep(card, task, batch=8, window=8, real_share=1.0)
    with pytest.raises(InputError, match=r"^generator width 12 is no multiple of 8[^\n]*$"):
        jaxrl.sweep(card, task, batch=8, window=8, generator_width=12)
    with pytest.raises(InputError, match=r"^made=10+ windows of 8 rows [^\n]*; make at most 10+$"):
        jaxrl.sweep(card, task, batch=8, window=8, made=10**12)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_convolution_and_its_gradients_are_those_of_the_library_mapped_or_not(size):
    x = jax.random.normal(jax.random.key(0), (3, 2, 7, 5))
    ours, theirs = temporal.Conv(6, size), nn.Conv(6, (size,))
    params = jax.vmap(lambda key: ours.init(key, x[0]))(jax.random.split(jax.random.key(1), 3))

    def both(net):
        loss = lambda params, x: (jnp.sin(net.apply(params, x)) ** 2).sum()
        one = lambda params, x: (net.apply(params, x), jax.grad(loss, (0, 1))(params, x))
        first = jax.tree.map(lambda leaf: leaf[0], params)
        return one(first, x[0]), jax.vmap(one)(params, x), jax.vmap(one, (None, 0))(first, x)

    found, expected = jax.jit(both, static_argnums=0)(ours), jax.jit(both, static_argnums=0)(theirs)
    for got, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
