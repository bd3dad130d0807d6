"""Behaviour that corrects the sampling error of on-policy data (PROPS)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose.epochs import epochs


class Behaviour(NamedTuple):
    """The policy that collects: its parameters, and its optimiser's state, which outlives the parameters."""

    params: Any
    opt: Any


class Taken(NamedTuple):
    """Actions taken so far: obs [B, D], action [B, ...], weight [B], 1 where a row counts and 0 where it is blank."""

    obs: Any
    action: Any
    weight: Any


def optimiser(hyper) -> optax.GradientTransformation:
    """Adam at `behaviour_lr` on clipped gradients."""
    return optax.chain(optax.clip_by_global_norm(hyper.gradient_clip), optax.adam(hyper.behaviour_lr, eps=1e-5))


def fresh(hyper, params) -> Behaviour:
    """A behaviour that is the target policy itself."""
    return Behaviour(params, optimiser(hyper).init(params))


def overseen(law, hyper, target, params, rows: Taken):
    """([B] losses, [B] estimates of the divergence from the target).

    The larger of plain and clipped ratio pi_behaviour / pi_target, which pushes down what was already done, and
    `divergence_weight` times KL(target || behaviour) (arXiv:2311.08290, eq. 8, negated).
    """
    aims, numbers = law.numbers(target, rows.obs), law.numbers(params, rows.obs)
    gap = law.log_prob(numbers, rows.action) - law.log_prob(aims, rows.action)
    ratio = jnp.exp(gap)
    near = jnp.clip(ratio, 1 - hyper.behaviour_clip, 1 + hyper.behaviour_clip)
    return jnp.maximum(ratio, near) + hyper.divergence_weight * law.kl(aims, numbers), ratio - 1 - gap


def adapted(key, hyper, law, target, behaviour: Behaviour, rows: Taken, *, passes: int, minibatches: int) -> Behaviour:
    """A behaviour that starts from the target anew and under-samples what `rows` have too much of.

    Stops for good at the first minibatch on which it is further than `divergence_limit` from the target. The record
    needs `behaviour_lr behaviour_clip divergence_weight divergence_limit gradient_clip`.
    """
    rule = optimiser(hyper)

    def step(key, state, part):
        (params, opt), going = state

        def objective(params):
            losses, away = overseen(law, hyper, target, params, part)
            share = part.weight / jnp.maximum(part.weight.sum(), 1)
            return (share * losses).sum(), (share * away).sum()

        (_, away), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        going = going & (away <= hyper.divergence_limit) & (part.weight.sum() > 0)
        change, moved = rule.update(gradients, opt, params)
        after = optax.apply_updates(params, change), moved
        return (jax.tree.map(lambda new, old: jnp.where(going, new, old), after, (params, opt)), going), away

    start = (target, behaviour.opt), jnp.bool_(True)
    (state, _), _ = epochs(key, step, start, rows, passes=passes, minibatches=minibatches)
    return Behaviour(*state)
