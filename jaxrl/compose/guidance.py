"""Guidance of generated trajectories by a policy: rules that make a sampler of a diffusion model prefer its actions.

Source: Policy-Guided Diffusion (arXiv:2404.06356). Rows are scaled [obs, arctanh of the action, ...]; trajectories are
[B, T, D]. Only actions are moved, observations and rewards follow through the denoiser.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Policy, Scaler, Spec, first_steps
from jaxrl.losses.diffusion import Noise, along, noise_levels
from jaxrl.networks.laws import normal_log_prob


class Target(NamedTuple):
    """A policy as guidance sees it.

    log_prob: (obs [..., D], action [..., A]) -> [...]. scaler: of rows. obs, action: how many columns they take.
    """

    log_prob: Callable
    scaler: Scaler
    obs: int
    action: int


def target(policy: Policy, scaler: Scaler, spec: Spec) -> Target:
    """The policy's density over scaled rows; InputError for a policy without one."""
    if policy.log_prob is None:
        raise InputError(
            f"a policy without a density cannot guide trajectories of {spec.name}; use an actor with log_prob, or "
            "put a normal density around its action with guidance.around"
        )
    return Target(policy.log_prob, scaler, spec.obs, spec.action)


def around(algorithm: Algorithm, std: Callable) -> Algorithm:
    """The algorithm with a density for its exploring policy: a normal one around the deterministic action.

    std: hyper -> its standard deviation in units of actions.
    """

    def explore(hyper, state):
        policy, given = algorithm.policy(hyper, state), algorithm.explore(hyper, state)

        def log_prob(obs, action):
            mean, _ = policy.act(jax.random.key(0), first_steps(obs), policy.start())
            spread = jnp.log(jnp.broadcast_to(jnp.asarray(std(hyper), mean.dtype), mean.shape))
            return normal_log_prob((action - mean) * jnp.exp(-spread), spread)

        return given._replace(log_prob=log_prob)

    return algorithm._replace(explore=explore)


def of_actions(target: Target, x):
    """(score, raw actions): sum of log-densities as a function of scaled raw actions [B, T, A], those of x [B, T, D].

    Observations are constants. No term is added for the squashing: the density is that of the squashed action.
    """
    seen, acted = slice(target.obs), slice(target.obs, target.obs + target.action)

    def plain(scaled, columns):
        return scaled * target.scaler.std[None, None, columns] + target.scaler.mean[None, None, columns]

    obs = plain(x[..., seen], seen)
    return lambda raw: target.log_prob(obs, jnp.tanh(plain(raw, acted))).sum(), x[..., acted]


def gradient(target: Target, x):
    """Gradient of the policy's log-density in the scaled raw actions of x [B, T, D]; [B, T, A]."""
    score, raw = of_actions(target, x)
    return jax.grad(score)(raw)


def curvature(target: Target, x):
    """Minus the second derivative of the log-density in each scaled raw action, at least 0; [B, T, A].

    Rows do not depend on one another, so one product with the Hessian for each column gives its diagonal.
    """
    score, raw = of_actions(target, x)
    directions = jnp.broadcast_to(jnp.eye(target.action)[:, None, None], (target.action, *raw.shape))
    bend = lambda direction: (jax.jvp(jax.grad(score), (raw,), (direction,))[1] * direction).sum(-1)
    return jnp.maximum(-jnp.moveaxis(jax.vmap(bend)(directions), 0, -1), 0.0)


def shifted(target: Target, x, change):
    """x [B, T, D] with `change` [B, T, A] added to its raw actions."""
    return x.at[..., target.obs : target.obs + target.action].add(change)


def unit(change):
    """Each trajectory's change [B, T, A] at norm one."""
    norm = jnp.sqrt(jnp.square(change).sum((1, 2), keepdims=True))
    return change / (norm + 1e-8)


def index_schedule(i, steps: int, coefficient, cosine):
    """Coefficient of step i: falls with the step's index to zero, with a hump in the middle (released code)."""
    return coefficient * ((1 - i / steps) + cosine * jnp.sin(jnp.pi * (i + 1) / steps))


def sigma_schedule(noise: Noise, i, steps: int, coefficient, cosine):
    """The same in the levels of noise (the paper): sigma_i + cosine sigma_max sin(pi i / steps)."""
    hump = noise.sigma_max * jnp.sin(jnp.pi * i / steps)
    return coefficient * (noise_levels(noise, steps)[i] + cosine * hump)


def released(
    target: Target, denoise: Callable, schedule: Callable, *, normalise: bool = True, denoised: bool = False
) -> Callable:
    """Rule of the released code, a `nudge` of `losses.diffusion.heun`: before each step actions move uphill.

    schedule: step -> coefficient. normalise: at norm one. denoised: uphill at the denoised trajectory instead of the
    noisy one. What it samples depends on the number of steps; it is no product of densities.
    """

    def nudge(i, x, sigma):
        change = gradient(target, denoise(x, sigma) if denoised else x)
        return shifted(target, x, schedule(i) * (unit(change) if normalise else change))

    return nudge


def consistent(target: Target, noise: Noise, coefficient) -> Callable:
    """Rule that follows the score of behaviour times density to the power `coefficient`; a `guide` of `heun`.

    The clean actions given noisy ones are taken as normal with the denoised mean m and variance
    v = (s data)^2 / (s^2 + data^2), and the log-density as a parabola at m, with slope g and curvature -h. The mean
    under both is m + coefficient v g / (1 + coefficient v h): exact where data and policy are normal.
    """

    def guide(x, estimate, sigma):
        square = jnp.square(sigma)
        variance = along(square * noise.sigma_data**2 / (square + noise.sigma_data**2), x)
        bend = 1 + coefficient * variance * curvature(target, estimate)
        return shifted(target, estimate, coefficient * variance * gradient(target, estimate) / bend)

    return guide
