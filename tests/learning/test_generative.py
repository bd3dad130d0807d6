"""Generators learn what their data are drawn from, and policies from what they make."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from benchmarks.effects import synther as cases
from jaxrl.algorithms.generative import synther
from jaxrl.compose import generator
from jaxrl.core.types import Spec, Transition
from jaxrl.data import rows
from jaxrl.losses.diffusion import Noise
from jaxrl.networks.denoiser import residual_denoiser

THRESHOLD = 2.5  # gain of 16.6 - 3 x 4.7, eight seeds of `python -m benchmarks.effects synther`
HYPER = synther.Hyper(generator_lr=1e-3)


def made_like(data, updates: int, count: int = 10_000):
    """Rows of a generator of width 128 trained on rows [n, D] of about unit scale."""
    size = data.shape[1]
    network = residual_denoiser(size, width=128, blocks=3)
    learner = generator.diffusion(network, (size,), updates=updates, levels=64, noise=Noise())
    ones = jnp.ones(256)
    blank = Transition(*(ones,) * 8)

    @jax.jit
    def run(key):
        def step(i, state):
            k_draw, k_update = jax.random.split(jax.random.fold_in(key, i))
            batch = data[jax.random.randint(k_draw, (256,), 0, len(data))]
            return learner.update(k_update, HYPER, state, blank._replace(extras={"row": batch}))[0]

        state = jax.lax.fori_loop(0, updates, step, learner.init(key, HYPER))
        return learner.sample(jax.random.fold_in(key, updates), HYPER, state, count)

    return run(jax.random.key(1))


@pytest.mark.slow
def test_two_gaussians_are_made_in_their_shares():
    """Means and spreads within 5 %, correlations within 0.08, shares within 0.05: wrong where weights or scales are."""
    k_side, k_noise, k_mix = jax.random.split(jax.random.key(0), 3)
    side = jax.random.uniform(k_side, (20_000,)) < 0.3
    mix = jnp.eye(6) + 0.5 * jax.random.normal(k_mix, (6, 6)) / 6**0.5
    data = jax.random.normal(k_noise, (20_000, 6)) @ mix * 0.4 + jnp.where(side[:, None], 1.4, -0.6)
    made = np.asarray(made_like(data, 3_000))
    assert np.abs(made.mean(0) - data.mean(0)).max() < 0.05
    assert np.abs(made.std(0) / data.std(0) - 1).max() < 0.05
    assert np.abs(np.corrcoef(made.T) - np.corrcoef(data.T)).max() < 0.08
    assert abs((made.mean(1) > 0.4).mean() - float(side.mean())) < 0.05


@pytest.mark.slow
def test_rows_of_a_linear_system_obey_it():
    """Two thousand steps of s' = A s + B a: nine rows in ten lie within a tenth of a standard deviation of it."""
    spec = Spec("linear", 2, 1, 10, False, (-1.0,), (1.0,))
    turn, push = jnp.asarray([[0.9, 0.2], [-0.2, 0.9]]), jnp.asarray([[0.0, 0.5]])
    k_obs, k_action = jax.random.split(jax.random.key(0))
    obs, action = jax.random.normal(k_obs, (2_000, 2)), jax.random.uniform(k_action, (2_000, 1), minval=-1.0)
    follow = lambda obs, action: obs @ turn.T + action @ push
    zero = jnp.zeros(2_000)
    reward = -jnp.square(obs).sum(-1)
    steps = Transition(obs, action, reward, follow(obs, action), action, zero, zero, zero + 1)
    codec = rows.whitening(steps)
    made = rows.decode(codec, made_like(rows.encode(codec, steps), 5_000), spec)
    error = jnp.abs(made.next_obs - follow(made.obs, made.action)).max(-1)
    assert float((error < 0.1 * steps.next_obs.std()).mean()) > 0.9
    assert float(jnp.median(jnp.abs(made.reward + jnp.square(made.obs).sum(-1)))) < 0.1 * float(reward.std())
    assert not made.terminated.any()


@functools.cache
def scores(card: str) -> np.ndarray:
    """Of five seeds on a fiftieth of the small maze's data."""
    making = cases.MAKING if card == "synther" else {}
    return np.asarray(cases.score(jaxrl.sweep(card, cases.LITTLE, seeds=5, **cases.TRAINING, **making)))


@pytest.mark.slow
def test_made_data_are_better_than_little_real_data():
    assert (scores("synther") - scores("td3_bc")).mean() > THRESHOLD
