"""Models of what a step does: a learned probabilistic ensemble, and the true dynamics in its place."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.compose.learn import Learned, Part, learn
from jaxrl.core.types import Dynamics, Scaler, Spec, Transition, Tree
from jaxrl.losses.dynamics import gaussian_cost, layer_decay
from jaxrl.networks import dynamics as networks

UNKNOWN = float(jnp.finfo(jnp.float32).max)
"""The held-out error of a member that was never checked."""


class Model(NamedTuple):
    """State of a learned ensemble of E members.

    learned: what the optimiser moves. best: each member's networks at its lowest held-out error. errors: that error
    [E], the mean squared one of its means. scaler: of observation and action side by side, that of the training rows.
    """

    learned: Learned
    best: Tree
    errors: Any
    scaler: Scaler


def chosen(errors, elites: int):
    """Indices [elites] of the members with the lowest errors [E], the best first."""
    return jnp.argsort(errors)[:elites]


def ensemble(
    spec: Spec,
    ends: Callable,
    *,
    width: int = 200,
    depth: int = 4,
    members: int = 7,
    elites: int = 5,
    check_every: int = 1000,
) -> Dynamics:
    """Gaussians over (change of the observation, reward), each member learned from its own draws of the data.

    ends: observations [B, D] after a step -> whether they end the episode [B]; known, not learned. Batches are those
    of `sources.resampled`: leaves [E, B, ...], extras "held_out" (steps [H, ...]) and "scaler". Every `check_every`
    updates a member that does better on the held-out steps than ever before is kept. A prediction is a draw from one
    of the `elites` best members, another for each row; its extras are the "means" and "log_variances" of all members,
    [E, B, D + 1], the reward last. Needs `model_lr model_decay bound_weight` in the record.
    Source: PETS (arXiv:1805.12114) as in MOPO (arXiv:2005.13239, appendix B).
    """
    net = networks.gaussians(spec.obs + spec.action, spec.obs + 1, width=width, depth=depth, members=members)

    def apply(params, scaler, obs, action):
        return net.apply(params, scaler(jnp.concatenate([obs, action], -1)))

    def of_all(params, scaler, obs, action):
        every = lambda x: jnp.broadcast_to(x, (members, *x.shape))
        return apply(params, scaler, every(obs), every(action))

    def loss(params, state, hyper, batch, key):
        mean, log_variance = apply(params, batch.extras["scaler"], batch.obs, batch.action)
        cost = members * gaussian_cost(mean, log_variance, outcome(batch))
        bounds = hyper.bound_weight * (params["high"].sum() - params["low"].sum())
        return cost + bounds + hyper.model_decay * layer_decay(params["nets"]), {}

    start, improve = learn({"model": Part(net.init, loss, lambda h, n: h.model_lr)})

    def init(key, hyper):
        learned = start(key, hyper)
        size = spec.obs + spec.action
        scaler = Scaler(jnp.zeros(size), jnp.ones(size))
        return Model(learned, learned.params["model"]["nets"], jnp.full(members, UNKNOWN), scaler)

    def update(key, hyper, state, batch):
        learned, metrics = improve(key, hyper, state.learned, batch)
        state = state._replace(learned=learned, scaler=batch.extras["scaler"])
        due = learned.step % check_every == 0
        check = functools.partial(checked, of_all)
        state = jax.lax.cond(due, check, lambda same, _: same, state, batch.extras["held_out"])
        error = jnp.where(state.errors < UNKNOWN, state.errors, jnp.nan)
        return state, {"model": {**metrics["model"], "held_out": error.mean()}}

    def predict(key, hyper, state, obs, action):
        params = {**state.learned.params["model"], "nets": state.best}
        mean, log_variance = of_all(params, state.scaler, obs, action)
        drawn = one_draw(key, mean, log_variance, chosen(state.errors, elites))
        after = obs + drawn[:, :-1]
        return imagined_step(obs, action, drawn[:, -1], after, ends(after), mean, log_variance)

    return Dynamics(init, update, predict)


def checked(of_all: Callable, state: Model, held_out: Transition) -> Model:
    """The state with the networks of those members kept that do better on the held-out steps than ever before.

    of_all: (params, scaler, obs, action) -> means and log-variances [E, H, D + 1].
    """
    params = state.learned.params["model"]
    mean, _ = of_all(params, state.scaler, held_out.obs, held_out.action)
    errors = jnp.square(mean - outcome(held_out)[None]).mean((1, 2))
    better = errors < state.errors
    keep = lambda new, old: jnp.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
    best = jax.tree.map(keep, params["nets"], state.best)
    return state._replace(best=best, errors=jnp.where(better, errors, state.errors))


def one_draw(key, mean, log_variance, elites):
    """A draw for each row from one of the `elites` among E Gaussians [E, B, D], another for each; [B, D]."""
    k_member, k_noise = jax.random.split(key)
    rows = jnp.arange(mean.shape[1])
    member = elites[jax.random.randint(k_member, rows.shape, 0, elites.shape[0])]
    noise = jax.random.normal(k_noise, mean.shape[1:])
    return mean[member, rows] + jnp.exp(0.5 * log_variance[member, rows]) * noise


def oracle(step: Callable) -> Dynamics:
    """True dynamics in place of learned ones: step(key, obs [D], action [A]) -> (next_obs [D], reward, terminated).

    Its predictions are certain: one member, whose variances are zero. Nothing is trained. Source: Sims et al.,
    arXiv:2402.12527, section 4.
    """

    def predict(key, hyper, state, obs, action):
        after, reward, terminated = jax.vmap(step)(jax.random.split(key, obs.shape[0]), obs, action)
        mean = jnp.concatenate([after - obs, reward[:, None]], -1)[None]
        return imagined_step(obs, action, reward, after, terminated, mean, jnp.full(mean.shape, -jnp.inf))

    return Dynamics(lambda key, hyper: (), lambda key, hyper, state, batch: (state, {}), predict)


def outcome(steps: Transition):
    """What a model predicts of steps: change of the observation, then the reward; [..., D + 1]."""
    return jnp.concatenate([steps.next_obs - steps.obs, steps.reward[..., None]], -1)


def imagined_step(obs, action, reward, next_obs, terminated, means, log_variances) -> Transition:
    """A batch of predicted steps [B, ...], never cut by time; extras "means" and "log_variances" [E, B, D + 1]."""
    zero = jnp.zeros(reward.shape)
    spread = {"means": means, "log_variances": log_variances}
    flags = jnp.asarray(terminated, zero.dtype), zero, zero + 1
    return Transition(obs, action, reward, next_obs, action, *flags, extras=spread)
