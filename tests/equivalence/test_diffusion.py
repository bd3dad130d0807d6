"""Diffusion on distributions whose optimal denoiser is known in closed form, and rows of steps there and back."""

import functools
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl.algorithms.generative import synther
from jaxrl.compose import generator
from jaxrl.core.check import InputError
from jaxrl.core.types import Spec, Transition
from jaxrl.data import rows
from jaxrl.losses import diffusion
from jaxrl.losses.diffusion import Noise, along, denoising_loss, heun, loss_weight, noise_levels, preconditioned
from jaxrl.networks.denoiser import residual_denoiser
from tests import made

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "speed" / "diffusion.py"
NOISE = Noise()
MEAN, STD = -0.5, 0.4
CHURN = {"churn": 80.0, "s_min": 0.05, "s_max": 50.0, "s_noise": 1.003}
SPEC = Spec("made up", 3, 2, 10, False, (-1.0, -1.0), (1.0, 1.0))


def optimal(x, sigma):
    """Best estimate of draws from N(MEAN, STD^2)."""
    square = along(sigma, x) ** 2
    return (STD**2 * x + square * MEAN) / (STD**2 + square)


def draws(steps, count=20_000, **options):
    sample = jax.jit(lambda key: heun(optimal, NOISE, key, (count, 1), steps, **options))
    return np.asarray(sample(jax.random.key(0)))


def test_the_levels_are_those_of_the_paper():
    levels = noise_levels(NOISE, 32)
    some = levels[jnp.asarray([0, 1, 8, 16, 24, 30, 31, 32])]
    expected = [80, 66.9309, 16.5914, 2.17386, 0.122566, 0.00426683, 0.002, 0]
    np.testing.assert_allclose(some, expected, rtol=1e-5)
    long = noise_levels(NOISE, 256)
    assert long.shape == (257,) and (np.diff(long) < 0).all()
    np.testing.assert_allclose(long[jnp.asarray([1, 64, 192])], [78.3029, 17.4116, 0.163293], rtol=1e-5)


@pytest.mark.parametrize(("steps", "raised", "rise"), [(256, 191, 0.3125), (32, 23, 2**0.5 - 1)])
def test_churn_raises_the_levels_in_its_range(steps, raised, rise):
    rises = diffusion.churned(NOISE, steps, 80.0, 0.05, 50.0)
    assert (rises > 0).sum() == raised
    np.testing.assert_allclose(rises[rises > 0], rise, rtol=1e-6)


@pytest.mark.parametrize(
    ("sigma", "skip", "out", "scale", "level", "weight"),
    [(0.1, 0.990099, 0.0995037, 0.995037, -0.575646, 101.0), (10.0, 0.00990099, 0.995037, 0.0995037, 0.575646, 1.01)],
)
def test_preconditioning_by_hand(sigma, skip, out, scale, level, weight):
    x, seen = jnp.asarray([[0.3, -2.0]]), {}

    def network(scaled, c_noise):
        seen.update(scaled=scaled, level=c_noise)
        return jnp.full_like(scaled, 7.0)

    estimate = preconditioned(network, NOISE)(x, jnp.asarray([sigma]))
    np.testing.assert_allclose(estimate, skip * x + out * 7.0, rtol=1e-5)
    np.testing.assert_allclose(seen["scaled"], scale * x, rtol=1e-5)
    np.testing.assert_allclose(seen["level"], [level], rtol=1e-5)
    np.testing.assert_allclose(loss_weight(NOISE, jnp.asarray([sigma])), [weight], rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 20.0])
def test_preconditioned_targets_and_inputs_have_unit_size_and_weights_undo_the_output_scale(sigma):
    noise = Noise(sigma_data=0.5)
    level = jnp.full((100_000,), sigma)
    k_data, k_noise = jax.random.split(jax.random.key(1))
    clean = 0.5 * jax.random.normal(k_data, (100_000, 1))
    noisy = clean + sigma * jax.random.normal(k_noise, clean.shape)
    inputs = []
    zero = preconditioned(lambda x, c: inputs.append(x) or 0 * x, noise)(noisy, level)
    one = preconditioned(lambda x, c: 0 * x + 1, noise)(noisy, level)
    out = (one - zero)[0, 0]
    assert abs(float(inputs[0].std()) - 1) < 0.01
    assert abs(float(((clean - zero) / out).std()) - 1) < 0.01, "what the network has to say"
    np.testing.assert_allclose(loss_weight(noise, level)[0] * out**2, 1.0, rtol=2e-3)


def test_the_loss_of_the_optimal_denoiser_is_the_least_and_known():
    """Its error at a level is STD^2 sigma^2 / (STD^2 + sigma^2)."""
    x = MEAN + STD * jax.random.normal(jax.random.key(2), (200_000, 1))
    loss, each = denoising_loss(optimal, NOISE, jax.random.key(3), x)
    sigma = np.exp(NOISE.mean + NOISE.std * np.random.default_rng(0).normal(size=200_000))
    expected = (np.asarray(loss_weight(NOISE, sigma)) * STD**2 * sigma**2 / (STD**2 + sigma**2)).mean()
    assert each.shape == (200_000,) and abs(float(loss) / expected - 1) < 0.02
    worse, _ = denoising_loss(lambda x, s: optimal(x, s) + 0.05, NOISE, jax.random.key(3), x)
    assert worse > loss


def test_windows_have_the_loss_of_flat_rows():
    windows = jax.random.normal(jax.random.key(4), (6, 4, 3))
    shrink = lambda x, sigma: x / (1 + along(sigma, x) ** 2)
    k_level, _ = jax.random.split(jax.random.key(5))
    one = denoising_loss(shrink, NOISE, jax.random.key(5), windows)
    sigma = jnp.exp(NOISE.mean + NOISE.std * jax.random.normal(k_level, (6,)))
    assert one[1].shape == (6,) and sigma.shape == (6,)
    flat = denoising_loss(shrink, NOISE, jax.random.key(5), windows.reshape(6, 12))
    np.testing.assert_allclose(one[1], flat[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("steps", "options", "low", "high"),
    [(16, {}, 0.41, 0.45), (32, CHURN, 0.40, 0.44), (64, {}, 0.39, 0.41), (256, CHURN, 0.39, 0.41)],
)
def test_the_sampler_reaches_the_measured_spread(steps, options, low, high):
    """An Euler step from before the churn gives 0.565 for 32 levels with churn."""
    sample = draws(steps, **options)
    assert low < sample.std() < high and -0.52 < sample.mean() < -0.48


def test_the_sampler_reproduces_a_covariance():
    covariance = jnp.asarray([[1.0, 0.6, 0.0], [0.6, 0.5, 0.1], [0.0, 0.1, 0.2]])

    def denoise(x, sigma):
        gain = jnp.linalg.inv(covariance + sigma[0] ** 2 * jnp.eye(3)) @ covariance
        return x @ gain

    sample = jax.jit(lambda key: heun(denoise, NOISE, key, (20_000, 3), 64))(jax.random.key(6))
    np.testing.assert_allclose(np.cov(sample.T), covariance, atol=0.03)
    np.testing.assert_allclose(sample.mean(0), 0.0, atol=0.02)


def test_a_guide_changes_every_estimate_and_a_nudge_every_step_but_the_last():
    """Guided by another Gaussian the sampler draws from the product: precisions add up."""
    other, spread = 0.6, 0.3

    def guide(x, denoised, sigma):
        square = along(sigma, x) ** 2
        variance = STD**2 * square / (STD**2 + square)
        return denoised - variance / (spread**2 + variance) * (denoised - other)

    sample = draws(64, guide=guide, **CHURN)
    assert abs(sample.mean() - 0.204) < 0.015 and abs(sample.std() - 0.240) < 0.01
    still = heun(lambda x, s: x, NOISE, jax.random.key(0), (2, 1), 4)
    moved = heun(lambda x, s: x, NOISE, jax.random.key(0), (2, 1), 4, nudge=lambda i, x, s: x + 1.0)
    np.testing.assert_allclose(moved - still, 3.0, rtol=1e-4)


def steps_of(count, seed=0):
    data = made.arrays(episodes=count // 20, length=20, obs=3, action=2, seed=seed)
    number = lambda x: jnp.asarray(np.asarray(x, np.float32))
    fields = data.obs, data.action, data.reward, data.next_obs, data.action, data.terminated, data.truncated
    return Transition(*map(number, fields), jnp.ones(count))


@pytest.mark.parametrize("fit", [rows.whitening, rows.min_max])
def test_rows_are_steps_there_and_back(fit):
    steps = steps_of(80)
    codec = fit(steps)
    coded = rows.encode(codec, steps)
    back = rows.decode(codec, coded, SPEC)
    assert coded.shape == (80, rows.columns(SPEC)) == (80, 10)
    for name in ("obs", "action", "reward", "next_obs", "terminated", "weight"):
        np.testing.assert_allclose(getattr(back, name), getattr(steps, name), atol=1e-5)
    np.testing.assert_array_equal(coded[:, -1], steps.terminated)
    np.testing.assert_array_equal(back.next_action, back.action)
    assert not back.truncated.any()


def test_whitened_rows_have_unit_scale_and_min_max_rows_bounds():
    steps = steps_of(2_000)._replace(reward=jnp.full(2_000, 3.0))
    white, bounded = (rows.encode(fit(steps), steps)[:, :-1] for fit in (rows.whitening, rows.min_max))
    np.testing.assert_allclose(white.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(white.std(0)[:5], 1.0, atol=1e-3)
    assert (white[:, 5] == 0).all(), "a reward that never changes"
    np.testing.assert_allclose(jnp.abs(bounded).max(0)[:5], 1.0, atol=1e-5)
    beyond = rows.decode(rows.min_max(steps), jnp.full((1, 10), 9.0), SPEC)
    np.testing.assert_allclose(beyond.obs[0], steps.obs.max(0), rtol=1e-5)


def test_flags_are_rounded_and_actions_cut():
    codec = rows.Codec(jnp.zeros(10), jnp.full(10, 2.0).at[-1].set(1.0), jnp.asarray(jnp.inf))
    coded = jnp.ones((3, 10)).at[:, -1].set(jnp.asarray([0.4, 0.6, 1.7]))
    steps = rows.decode(codec, coded, SPEC)
    np.testing.assert_array_equal(steps.terminated, [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(steps.action, 1.0)
    np.testing.assert_array_equal(steps.obs, 2.0)


def test_chunks_make_as_many_rows_as_asked_and_each_is_drawn_anew():
    sample = lambda key, count: jax.random.normal(key, (count, 2))
    found = generator.in_chunks(sample, jax.random.key(0), (2,), 25, 10)
    assert found.shape == (25, 2) and len(np.unique(found)) == 50
    np.testing.assert_array_equal(found[:10], sample(jax.random.fold_in(jax.random.key(0), 0), 10))
    assert generator.in_chunks(sample, jax.random.key(0), (2,), 5, 10).shape == (5, 2)


def test_sampling_takes_the_memory_of_one_chunk_beside_the_rows():
    network = residual_denoiser(10, width=64, blocks=2)
    learner = generator.diffusion(network, (10,), updates=10, levels=4, noise=NOISE)
    hyper = synther.Hyper()
    state = learner.init(jax.random.key(0), hyper)

    def spare(count, chunk):
        one = lambda key, count: learner.sample(key, hyper, state, count)
        make = jax.jit(lambda key: generator.in_chunks(one, key, (10,), count, chunk))
        return make.lower(jax.random.key(0)).compile().memory_analysis().temp_size_in_bytes

    assert spare(4_000, 1_000) == spare(64_000, 1_000) < spare(64_000, 64_000) / 20


def test_the_average_forgets_the_beginning_and_then_moves_by_its_rate():
    hyper = synther.Hyper()
    steps = [float(generator.average_step(hyper, jnp.asarray(n))) for n in (0, 7, 2_000, 10_000)]
    np.testing.assert_allclose(steps, [1.0, 0.25, 2001 ** (-2 / 3), 0.005], rtol=1e-5)
    np.testing.assert_allclose(
        [generator.cosine(3e-4, n, 10) for n in (0, 5, 10, 12)], [3e-4, 1.5e-4, 0, 0], atol=1e-12
    )


def test_only_every_tenth_update_moves_the_average():
    learner = generator.diffusion(
        residual_denoiser(2, width=8, blocks=1), (2,), updates=40, levels=4, noise=NOISE, average_every=3
    )
    state = learner.init(jax.random.key(0), synther.Hyper())
    update = jax.jit(learner.update)
    batch = steps_of(20)._replace(extras={"row": jax.random.normal(jax.random.key(1), (20, 2))})
    seen = []
    for i in range(4):
        state, metrics = update(jax.random.key(i), synther.Hyper(), state, batch)
        leaves = jax.tree.leaves(state.params), jax.tree.leaves(state.target)
        seen.append(all(bool((a == b).all()) for a, b in zip(*leaves, strict=True)))
    assert seen == [False, False, True, False] and np.isfinite(metrics["denoiser"]["loss"])


def test_the_fourier_waves_are_not_trained():
    network = residual_denoiser(2, width=8, blocks=1)
    params = network.init(jax.random.key(0))
    loss = lambda p: jnp.square(network.apply(p, jnp.ones((4, 2)), jnp.arange(4.0))).sum()
    grads = jax.grad(loss)(params)
    assert not grads["Fourier_0"]["frequency"].any() and grads["Dense_0"]["kernel"].any()


@functools.cache
def batch_rows():
    return made.task()


def test_more_rows_than_fit_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"made=\d+ rows of Pendulum-v1 take .* GiB .*; make at most") as caught:
        jaxrl.sweep("synther", batch_rows(), made=10**12, updates=1, batch=8)
    assert "\n" not in str(caught.value)


def test_a_share_of_one_is_refused():
    with pytest.raises(InputError, match=r"real_share is 1\.0"):
        jaxrl.sweep("synther", batch_rows(), real_share=1.0, made=10, updates=1, batch=8)


def test_batches_hold_the_real_share():
    task = batch_rows()
    steps = task.dataset.steps
    codec = rows.whitening(steps)
    far = jnp.full((7, rows.columns(task.env.spec)), 50.0)
    for real in (0, 3):
        batch = rows.mixed(codec, far, task.env.spec, 8, real)(jax.random.key(0), task.dataset)
        logged = jnp.isin(batch.reward, steps.reward)
        assert batch.reward.shape == (8,) and int(logged.sum()) == real


def test_it_learns_and_makes_what_the_straight_line_yardstick_does():
    """Parameters and their average after ten updates on the same batches, and rows by the same keys."""
    speed = runpy.run_path(str(SPEED))
    module = speed["yardstick"]()
    module.WIDTH, module.BLOCKS, module.LEVELS = 16, 2, 4
    with jax.numpy_rank_promotion("allow"):
        assert speed["learned_difference"](module, speed["dataset"](1_000)) < 1e-3
        assert speed["made_difference"](module) < 1e-4
