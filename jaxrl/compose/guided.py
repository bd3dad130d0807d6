"""A diffusion model of whole trajectories, and the plan that trains an actor on what it makes under guidance."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax.numpy as jnp
import optax

from jaxrl.compose import generator, guidance
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Generator, Phase, Policy, Scaler, Spec
from jaxrl.losses.diffusion import Noise, heun
from jaxrl.networks.basic import Network

NOISE = Noise()


@hyper
class Numbers(generator.Numbers):
    """The generator's numbers and those of guidance.

    guidance: lambda of the paper. guidance_cosine: hump of the released rule's schedule.
    """

    generator_lr: float = 2e-3
    guidance: float = 1.0
    guidance_cosine: float = 0.3


class Model(NamedTuple):
    """learner: the generator of scaled windows [window, D]. network, levels: what its sampler is made of."""

    learner: Generator
    network: Network
    window: int
    columns: int
    levels: int


class Rule(NamedTuple):
    """How a policy guides. consistent: by the score, else as the released code does, with or without its norm, at the
    denoised or the noisy trajectory, by its schedule or the paper's."""

    consistent: bool = True
    normalise: bool = True
    denoised: bool = False
    by_sigma: bool = False


class Data(Protocol):
    """Where a plan gets its data.

    find: given -> stock of the generator, with a `scaler`. draw: (given, stock) -> Source of scaled windows. remake:
    (given, scaler, make) -> Source of steps from make(key, policy or None) -> scaled windows.
    """

    find: Callable
    draw: Callable
    remake: Callable


def warm_cosine(rate, count, updates: int):
    """Step size that rises from a tenth of `rate` over the first tenth of so many updates, then falls to zero."""
    first = jnp.maximum(0.1 * updates, 1.0)
    falling = generator.cosine(rate, count - first, updates - first)
    return jnp.where(count < first, rate * (0.1 + 0.9 * count / first), falling)


def model(network: Network, window: int, columns: int, *, updates: int, levels: int) -> Model:
    """A model of windows of that many rows and columns; see `generator.diffusion` for what the record has to have."""
    learner = generator.diffusion(
        network, (window, columns), updates=updates, levels=levels, noise=NOISE, rate=warm_cosine, read="window",
        optimiser=lambda hyper, rate: optax.adam(rate),
    )  # fmt: skip
    return Model(learner, network, window, columns, levels)


def made(
    key, hyper, model: Model, params, scaler: Scaler, spec: Spec, policy: Policy | None, rule: Rule, count: int,
    chunk: int,
):  # fmt: skip
    """`count` scaled windows [count, window, D], `chunk` at a time, guided by the policy where one is given.

    Needs `Numbers` in the record.
    """
    denoise = generator.denoiser(model.network, NOISE, params)
    guiding = guide(hyper, denoise, model.levels, guidance.target(policy, scaler, spec), rule) if policy else {}

    def one(key, size):
        return heun(
            denoise, NOISE, key, (size, model.window, model.columns), model.levels, churn=hyper.churn,
            s_min=hyper.churn_low, s_max=hyper.churn_high, s_noise=hyper.churn_noise, **guiding,
        )  # fmt: skip

    return generator.in_chunks(one, key, (model.window, model.columns), count, chunk)


def guide(hyper, denoise: Callable, levels: int, target: guidance.Target, rule: Rule) -> dict[str, Callable]:
    """The rule as the option of `heun` that it is."""
    if rule.consistent:
        return {"guide": guidance.consistent(target, NOISE, hyper.guidance)}

    def schedule(i):
        if rule.by_sigma:
            return guidance.sigma_schedule(NOISE, i, levels, hyper.guidance, hyper.guidance_cosine)
        return guidance.index_schedule(i, levels, hyper.guidance, hyper.guidance_cosine)

    options = {"normalise": rule.normalise, "denoised": rule.denoised}
    return {"nudge": guidance.released(target, denoise, schedule, **options)}


def plan(
    spec: Spec, agent: Algorithm, model: Model, data: Data, rule: Rule, *, updates: int, count: int, chunk: int
) -> tuple[Phase, ...]:
    """Phase "generator" that learns windows, then phase "policy" on `count` of its own at a time, which are made anew
    under the guidance of the policy as it is."""

    def freeze(key, hyper, given, earlier):
        params = earlier["generator"].target[generator.PART]
        return {"hyper": hyper, "params": params, "scaler": data.find(given).scaler}

    def remake(given, stock):
        def make(key, policy):
            return made(key, stock["hyper"], model, stock["params"], stock["scaler"], spec, policy, rule, count, chunk)

        return data.remake(given, stock["scaler"], make)

    find = lambda key, hyper, given, earlier: data.find(given)
    return Phase("generator", model.learner, data.draw, updates, find), Phase("policy", agent, remake, stock=freeze)
