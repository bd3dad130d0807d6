"""A small correction, learned by any on-policy learner, on top of a policy that stays as it is."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.types import Algorithm, Policy, Spec, first_steps, reactive


class Residual(NamedTuple):
    """State: parameters of the base policy, which stay, and the learner of the correction."""

    base: Any
    learner: Any
    step: jax.Array


def widened(spec: Spec) -> Spec:
    """The spec of what a correction sees: observation and the base's action."""
    return spec._replace(obs=spec.obs + spec.action)


def residual(base_init, base_act, learner: Algorithm) -> Algorithm:
    """Acts by base + `residual_scale` times the learner's action (ResiP, arXiv:2407.16677, section 4.2).

    base_init: key -> parameters; base_act: (parameters, obs [..., D]) -> [..., A], deterministic, so that it can be
    asked again. learner: made for `widened` specs; it is shown its own unscaled action, whose density it knows.
    """

    def init(key, hyper):
        inner = learner.init(key, hyper)
        return Residual(base_init(key), inner, jnp.int32(0))

    def seen(state, obs):
        return jnp.concatenate([obs, base_act(state.base, obs)], -1)

    def update(key, hyper, state, batch):
        base, after = base_act(state.base, batch.obs), base_act(state.base, batch.next_obs)
        own = lambda action: (action - base) / hyper.residual_scale
        obs, ahead = jnp.concatenate([batch.obs, base], -1), jnp.concatenate([batch.next_obs, after], -1)
        shown = batch._replace(obs=obs, next_obs=ahead, action=own(batch.action), next_action=own(batch.next_action))
        inner, metrics = learner.update(key, hyper, state.learner, shown)
        return Residual(state.base, inner, state.step + 1), metrics

    def corrected(make):
        def policy(hyper, state) -> Policy:
            inner = make(hyper, state.learner)

            def act(key, obs):
                wide = seen(state, obs)
                own, _ = inner.act(key, first_steps(wide), ())
                return wide[..., obs.shape[-1] :] + hyper.residual_scale * own

            return reactive(act)

        return policy

    return Algorithm(init, update, corrected(learner.policy), corrected(learner.explore))
