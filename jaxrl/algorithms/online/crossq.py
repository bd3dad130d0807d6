"""CrossQ: SAC without target networks, whose critics see present and next actions in one normalised batch.

The paper is arXiv:1902.05605 in its versions of 2024; the numbers are those of the authors' code.

Departures: one update of critics, actor and temperature per call, in this order, the latter two on every `delay`-th;
the temperature's entropy is that of a fresh draw. The actor's warm-up of statistics counts the learner's updates, the
authors' code the actor's. The logarithm of the spread is held between -5 and 2, theirs above -20. Running averages are
parameters, moved down half their squared distance to the batch's statistics, which is the same moving average.
"""

import functools

import jax
import jax.numpy as jnp
import optax

from jaxrl.algorithms.online import sac
from jaxrl.compose.actor_critic import Kit, View, policies
from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec
from jaxrl.losses.value import td_target
from jaxrl.networks import batch_norm, heads
from jaxrl.sources.replay import replay


@hyper
class Hyper:
    """Numbers of CrossQ. gradient_decay: Adam's beta_1; averages_decay: of the statistics that are kept;
    correction_updates: updates after which batches are normalised nearly as the averages say."""

    discount: float = 0.99
    critic_lr: float = 1e-3
    actor_lr: float = 1e-3
    temperature_lr: float = 1e-3
    entropy_per_dimension: float = -1.0
    gradient_decay: float = 0.5
    averages_decay: float = 0.99
    correction_updates: float = 100_000.0


def optimiser(hyper, rate) -> optax.GradientTransformation:
    """Adam for weights; the averages take a step of 1 - averages_decay, none where the rate is zero."""
    adam = optax.adam(rate, b1=hyper.gradient_decay)
    pace = jnp.where(rate > 0, 1 - hyper.averages_decay, 0.0)

    def update(gradients, state, params):
        steps, state = adam.update(gradients["weights"], state)
        return {"weights": steps, "averages": jax.tree.map(lambda g: -pace * g, gradients["averages"])}, state

    return optax.GradientTransformation(lambda params: adam.init(params["weights"]), update)


def crossq(
    spec: Spec, *, width: int = 256, wider: int = 8, depth: int = 2, critics: int = 2, delay: int = 3,
    joint: bool = True,
) -> Algorithm:  # fmt: skip
    """SAC's actor and temperature, on every `delay`-th update; critics `wider` times as wide. All normalised.

    joint: one batch of present and next actions; else each is normalised by its own statistics (the paper's ablation).
    """
    q = batch_norm.normalised(spec.obs + spec.action, (wider * width,) * depth, 1)
    net = batch_norm.normalised(spec.obs, (width,) * depth, 2 * spec.action)
    plain = heads.tanh_gaussian(spec, width=width, depth=depth)
    settled = lambda act: lambda params, *rest: act(net.settled(params), *rest)
    pi = heads.Head(net.init, settled(plain.propose), settled(plain.mode), settled(plain.log_prob))
    value = lambda layers, obs, action: q.plain.apply(layers, jnp.concatenate([obs, action], -1))[..., 0]

    def values(params, corrected, obs, action):
        """By this batch's own statistics: values [E, B] and the averages' drift."""
        pairs = jnp.concatenate([obs, action], -1)
        layers, drift = jax.vmap(lambda one: q.fresh(one, pairs, corrected))(params)
        return jax.vmap(value, (0, None, None))(layers, obs, action), drift.sum()

    def both(params, corrected, batch, ahead):
        """Values at logged and at next actions, [E, B] each, and the averages' drift."""
        if joint:
            obs, action = jnp.concatenate([batch.obs, batch.next_obs]), jnp.concatenate([batch.action, ahead])
            every, drift = values(params, corrected, obs, action)
            return *jnp.split(every, 2, axis=1), drift
        later, _ = values(params, corrected, batch.next_obs, ahead)
        now, drift = values(params, corrected, batch.obs, batch.action)
        return now, later, drift

    def critic_loss(params, state, hyper, batch, key):
        ahead, log_prob = pi.propose(state.params["actor"], key, batch.next_obs)
        now, later, drift = both(params, state.step >= hyper.correction_updates, batch, ahead)
        view = View(log_prob=log_prob, q_fn=lambda obs, action: later, batch=batch, hyper=hyper, state=state)
        backup = sum(term(view) for term in sac.RECIPE.backup)
        target = jax.lax.stop_gradient(td_target(batch.reward, hyper.discount, batch.terminated, backup))
        return jnp.square(now - target[None]).sum(0) + drift, {"q": view.mean(now.mean(0))}

    def actor_loss(params, state, hyper, batch, key):
        layers, drift = net.fresh(params, batch.obs, state.step >= hyper.correction_updates)
        action, log_prob = plain.propose(layers, key, batch.obs)
        judges = jax.vmap(q.settled)(state.params["critic"])
        q_fn = lambda obs, action: jax.vmap(value, (0, None, None))(judges, obs, action)
        view = View(obs=batch.obs, action=action, log_prob=log_prob, q_fn=q_fn, batch=batch, hyper=hyper, state=state)
        return sum(term(view) for term in sac.RECIPE.actor) + drift, {}

    ensemble = lambda key: jax.vmap(q.init)(jax.random.split(key, critics))
    parts = {
        "critic": Part(ensemble, critic_loss, lambda h, n: h.critic_lr, optimiser=optimiser),
        "actor": Part(net.init, actor_loss, lambda h, n: h.actor_lr, every=delay, optimiser=optimiser),
        "temperature": sac.temperature(Kit(pi, None), every=delay),
    }
    return Algorithm(*learn(parts), *policies(pi))


PAPER = Paper(
    "arXiv:1902.05605",
    "CrossQ: Batch Normalization in Deep Reinforcement Learning for Greater Sample Efficiency and Simplicity",
    "Aditya Bhatt and Daniel Palenicek and Boris Belousov and Max Argus and Artemij Amiranashvili and Thomas Brox "
    "and Jan Peters",
    2024,
)
CARD = Card("crossq", "online", crossq, Hyper, PAPER, collect=functools.partial(replay, warmup=5_000))
