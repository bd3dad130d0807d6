"""A2PR: TD3+BC that clones actions of positive advantage, the data's or an autoencoder's (arXiv:2405.19909).

Departures: unlike in the authors' code value and autoencoder move after the actor, the value's target draws smoothing
noise of its own and asks targets that have just moved, and no gradient passes through the cloned action (there one
does: `detach=False`). As in that code the autoencoder is shown the policy's own action, where the paper samples codes.
Defaults are those of most of D4RL; halfcheetah takes q_scale 40.
"""

import jax
import jax.numpy as jnp

from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import Kit, actor_critic
from jaxrl.compose.learn import Part
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.data import prepare
from jaxrl.losses.value import td_target
from jaxrl.networks import critics as values
from jaxrl.networks.basic import Network
from jaxrl.networks.vae import Autoencoder, action_vae


@hyper
class Hyper(td3_bc.Hyper):
    """TD3+BC's numbers. clone_weight: of the cloning term, the code's mask; rebuild_weight: of the autoencoder's
    squared error beside its divergence."""

    value_lr: float = 3e-4
    vae_lr: float = 1e-3
    clone_weight: float = 1.0
    rebuild_weight: float = 1.0


def guided(value: Network, vae: Autoencoder, detach: bool):
    """Term: mean squared distance per dimension to the better of the logged and the rebuilt action (eq. 11).

    Zero where neither is better than the state's value.
    """

    def term(v):
        logged, obs = v.batch.action, v.batch.obs
        rebuilt, _ = vae.rebuild(v.state.params["vae"], v.key, obs, v.action)
        rebuilt = jax.lax.stop_gradient(rebuilt) if detach else rebuilt
        height = value.apply(v.state.params["value"], obs)
        ours, theirs = v.q_fn(obs, rebuilt, 1)[0] - height, v.q_fn(obs, logged, 1)[0] - height
        target = jnp.where((ours >= theirs)[:, None], rebuilt, logged)
        worth = v.hyper.clone_weight * ((ours >= 0) | (theirs > 0))
        return worth * jnp.square(v.action - target).mean(-1)

    return term


def value_part(value: Network, q: Network, kit: Kit) -> Part:
    """V(s) fitted to the smaller of two targets of TD3, by slow and by present critics (released code)."""

    def loss(params, state, hyper, batch, key):
        k_action, k_noise = jax.random.split(key)
        action = td3_bc.RECIPE.perturb(
            k_noise, hyper, kit.pi.propose(state.target["actor"], k_action, batch.next_obs)[0]
        )
        ahead = [q.apply(nets["critic"], batch.next_obs, action).min(0) for nets in (state.target, state.params)]
        target = td_target(batch.reward, hyper.discount, batch.terminated, jnp.minimum(*ahead))
        return jnp.square(value.apply(params, batch.obs) - target), {}

    return Part(value.init, loss, lambda h, n: h.value_lr)


def vae_part(value: Network, vae: Autoencoder, kit: Kit) -> Part:
    """Autoencoder whose error counts only for logged actions of positive advantage (eq. 8)."""

    def loss(params, state, hyper, batch, key):
        rebuilt, divergence = vae.rebuild(params, key, batch.obs, batch.action)
        seen = kit.logged(state, hyper, batch, key)
        keep = seen.q_first > value.apply(state.params["value"], batch.obs)
        error = jnp.square(rebuilt - batch.action).mean(-1)
        return hyper.rebuild_weight * keep * error + 0.5 * divergence.mean(-1), {"kept": keep.mean()}

    return Part(vae.init, loss, lambda h, n: h.vae_lr)


def a2pr(
    spec: Spec,
    *,
    width: int = 256,
    depth: int = 2,
    critics: int = 2,
    delay: int = 2,
    vae_width: int = 750,
    detach: bool = True,
) -> Algorithm:
    """Deterministic actor, twin critics, a state value and an autoencoder of actions."""
    value, vae = values.v(spec, width=width, depth=depth), action_vae(spec, width=vae_width)
    q = values.q(spec, width=width, depth=depth, members=critics)
    recipe = td3_bc.RECIPE._replace(actor=(terms.maximise_scaled_q, guided(value, vae, detach)))
    others = {"value": lambda kit: value_part(value, q, kit), "vae": lambda kit: vae_part(value, vae, kit)}
    return actor_critic(spec, recipe, width=width, depth=depth, critics=critics, delay=delay, others=others)


PAPER = Paper(
    "arXiv:2405.19909",
    "Adaptive Advantage-Guided Policy Regularization for Offline Reinforcement Learning",
    "Tenglong Liu and Yang Li and Yixing Lan and Hao Gao and Wei Pan and Xin Xu",
    2024,
)
CARD = Card("a2pr", "offline", a2pr, Hyper, PAPER, prepare=prepare.standardised)
