"""Generators by denoising diffusion: one network, an average of its parameters over time, and sampling in chunks."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose.learn import Part, learn
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Generator
from jaxrl.losses.diffusion import Noise, denoising_loss, heun, preconditioned
from jaxrl.networks.basic import Network

PART = "denoiser"


@hyper
class Numbers:
    """What a record has to have beside the learner's numbers, for a generator.

    average_rate: last step of the parameters' average. churn, churn_low, churn_high, churn_noise: the sampler's fresh
    noise, the levels between which it is added, and its inflation (EDM, arXiv:2206.00364, algorithm 2).
    """

    generator_lr: float = 3e-4
    average_rate: float = 0.005
    churn: float = 80.0
    churn_low: float = 0.05
    churn_high: float = 50.0
    churn_noise: float = 1.003


def cosine(rate, count, updates: int):
    """Step size that falls from `rate` to zero over so many updates along half a cosine."""
    return rate * (1 + jnp.cos(jnp.pi * jnp.minimum(count / updates, 1.0))) / 2


def clipped_adam(hyper, rate):
    """Adam with a memory of 0.99 for squares, on gradients of norm at most one."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, b2=0.99))


def average_step(hyper, count):
    """How far an average moves on its n-th move, from 0: the whole way at first, at last by `average_rate`.

    (n + 1)^(-2/3) until then, so that a short run's average forgets where it began.
    """
    return jnp.maximum((count + 1.0) ** (-2 / 3), hyper.average_rate)


def diffusion(
    network: Network, shape: tuple[int, ...], *, updates: int, levels: int, noise: Noise, rate: Callable = cosine,
    optimiser: Callable = clipped_adam, average_every: int = 10, read: str = "row",
) -> Generator:  # fmt: skip
    """Learner of what the batch's extra called `read` [B, *shape] is drawn from, which has about unit scale.

    network: apply(params, x [B, *shape], level [B]) -> [B, *shape]. updates: of the whole training. levels: steps of
    the sampler, which uses the parameters' average over time, moved on every `average_every`-th update.
    Needs `Numbers` in the record.
    """

    def loss(params, state, hyper, batch, key):
        return denoising_loss(denoiser(network, noise, params), noise, key, batch.extras[read])[1], {}

    part = Part(network.init, loss, lambda h, n: rate(h.generator_lr, n, updates), optimiser=optimiser)
    start, improve = learn({PART: part})

    def init(key, hyper):
        state = start(key, hyper)
        return state._replace(target=dict(state.params))

    def update(key, hyper, state, batch):
        state, metrics = improve(key, hyper, state, batch)

        def move(target):
            far = average_step(hyper, state.step // average_every - 1)
            return optax.incremental_update(state.params, target, far)

        target = jax.lax.cond(state.step % average_every == 0, move, lambda same: same, state.target)
        return state._replace(target=target), metrics

    def sample(key, hyper, state, count):
        return heun(
            denoiser(network, noise, state.target[PART]), noise, key, (count, *shape), levels,
            churn=hyper.churn, s_min=hyper.churn_low, s_max=hyper.churn_high, s_noise=hyper.churn_noise,
        )  # fmt: skip

    return Generator(init, update, sample)


def denoiser(network: Network, noise: Noise, params):
    """denoise(x [B, ...], sigma [B]) -> [B, ...] of the network with these parameters."""
    return preconditioned(lambda x, level: network.apply(params, x, level), noise)


def in_chunks(sample: Callable, key, shape: tuple[int, ...], count: int, chunk: int):
    """`count` samples [count, *shape] made `chunk` at a time by sample(key, n) -> [n, *shape].

    Beside the samples no more memory is used than for one chunk. The last chunk is as long as the others and covers
    some of the one before.
    """
    chunk = min(chunk, count)

    def fill(i, samples):
        piece = sample(jax.random.fold_in(key, i), chunk)
        return jax.lax.dynamic_update_slice_in_dim(samples, piece, jnp.minimum(i * chunk, count - chunk), 0)

    return jax.lax.fori_loop(0, -(-count // chunk), fill, jnp.zeros((count, *shape)))
