"""Decision-Pretrained Transformer: predicts the best action of a task from steps seen in it (arXiv:2306.14892).

The data hold many tasks, one an episode; each step carries the extra "label", the best action in its state. The network
reads a query state and a context of steps in any order, and is trained at every prefix of the context. At work it
draws actions from its own softmax and remembers what followed: it plays as posterior sampling would.

Departures: none from the authors' bandits and navigation: a token holds a whole step, no token knows its place,
contexts are shuffled. The loss is a mean over prefixes, where the released code sums, which ties the step size to the
context's length. `rectified` takes the attention of Lin, Bai and Mei (arXiv:2310.08566), positive parts of scores over
their number. AdamW has no warm-up. Discrete actions only, as in the paper. Data of bandits without labels get the arm
that was best in hindsight, which the paper's oracle labels are not.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Env, Phase, Policy, Spec
from jaxrl.data import hindsight
from jaxrl.networks import transformer
from jaxrl.sources.contexts import contexts


@hyper
class Hyper:
    """Numbers of DPT. temperature: of the softmax that actions are drawn from; 0 takes the likeliest."""

    actor_lr: float = 1e-3
    weight_decay: float = 1e-4
    temperature: float = 1.0


class Seen(NamedTuple):
    """What the policy remembers: tokens of past steps [..., K, F], how many there were, the last obs and action."""

    tokens: Any
    count: Any
    obs: Any
    action: Any


def token(spec: Spec, obs, action, next_obs, reward):
    """A step as one vector, [..., 2 D + A + 1]."""
    return jnp.concatenate([obs, jax.nn.one_hot(action, spec.action), next_obs, reward[..., None]], -1)


def asked(query, tokens):
    """The query's token [..., F], which is a state and zeros, before those of the context [..., K, F]."""
    blank = jnp.zeros((*query.shape[:-1], tokens.shape[-1] - query.shape[-1]))
    return jnp.concatenate([jnp.concatenate([query, blank], -1)[..., None, :], tokens], -2)


def learner(
    spec: Spec, *, width: int = 32, blocks: int = 4, heads: int = 1, window: int = 100, rectified: bool = False
) -> Algorithm:
    """The transformer and its policy; learns from `sources.contexts`."""
    weights = transformer.rectified_weights if rectified else transformer.softmax_weights
    size = {"width": width, "blocks": blocks, "heads": heads, "weights": weights}
    net = transformer.context(2 * spec.obs + spec.action + 1, spec.action, **size)

    def loss(params, state, hyper, batch, key):
        tokens = token(spec, batch.obs, batch.action, batch.next_obs, batch.reward)
        logs = jax.nn.log_softmax(net.apply(params, asked(batch.extras["query"], tokens)))
        label = jnp.broadcast_to(batch.extras["label"][:, None, None], (*logs.shape[:2], 1))
        valid = jnp.concatenate([jnp.ones_like(batch.extras["valid"][:, :1]), batch.extras["valid"]], 1)
        missed = -jnp.take_along_axis(logs, label, -1)[..., 0]
        return (missed * valid).sum(1) / valid.sum(1), {"last": missed[:, -1].mean()}

    decayed = lambda hyper, rate: optax.adamw(rate, weight_decay=hyper.weight_decay)
    init, update = learn({"actor": Part(net.init, loss, lambda h, n: h.actor_lr, optimiser=decayed)})

    def policy(hyper, state):
        return remembering(spec, window, lambda tokens: net.apply(state.params["actor"], tokens), hyper.temperature)

    return Algorithm(init, update, policy, policy)


def remembering(spec: Spec, window: int, logits, temperature) -> Policy:
    """A policy that appends every step it took to its context and drops the oldest of more than `window`.

    logits: tokens [..., K + 1, F] -> [..., K + 1, A].
    """

    def start():
        size = 2 * spec.obs + spec.action + 1
        return Seen(jnp.zeros((window, size)), jnp.int32(-1), jnp.zeros(spec.obs), jnp.int32(0))

    def act(key, timestep, memory):
        lead = timestep.obs.shape[:-1]
        memory = jax.tree.map(lambda x, one: jnp.broadcast_to(x, lead + one.shape), memory, start())
        new = token(spec, memory.obs, memory.action, timestep.obs, jnp.broadcast_to(timestep.reward, lead))
        full = (memory.count >= window)[..., None, None]
        kept = jnp.where(full, jnp.roll(memory.tokens, -1, -2), memory.tokens)
        place = (
            jnp.broadcast_to(jnp.arange(window), (*lead, window)) == jnp.minimum(memory.count, window - 1)[..., None]
        )
        tokens = jnp.where(place[..., None], jnp.expand_dims(new, -2), kept)
        count = memory.count + 1
        output = logits(asked(timestep.obs, tokens))
        here = jnp.minimum(count, window)[..., None, None]
        output = jnp.take_along_axis(output, jnp.broadcast_to(here, (*lead, 1, spec.action)), -2)[..., 0, :]
        action = (output + temperature * jax.random.gumbel(key, output.shape)).argmax(-1).astype(jnp.int32)
        return action, Seen(tokens, count, timestep.obs, action)

    return Policy(start, act)


def dpt(
    env: Env,
    batch: int,
    *,
    width: int = 32,
    blocks: int = 4,
    heads: int = 1,
    window: int = 100,
    rectified: bool = False,
) -> tuple[Phase]:
    """One phase: the transformer on contexts of the data."""
    size = {"width": width, "blocks": blocks, "heads": heads, "window": window, "rectified": rectified}
    source = lambda given, stock: contexts(given.dataset, batch, window=window)
    return (Phase("dpt", learner(env.spec, **size), source),)


PAPER = Paper(
    "arXiv:2306.14892",
    "Supervised Pretraining Can Learn In-Context Reinforcement Learning",
    "Jonathan N. Lee and Annie Xie and Aldo Pacchiano and Yash Chandak and Chelsea Finn"
    " and Ofir Nachum and Emma Brunskill",
    2023,
)
CARD = Card("dpt", "plan", dpt, Hyper, PAPER, ("discrete",), hindsight.told, needs=frozenset({"label"}), batch=64)
