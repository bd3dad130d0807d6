"""Algorithm Distillation: a transformer that clones a whole history of learning, and so learns as it acts.

An episode of the data is one learning history: a learner's steps in one task, from its first to its last. The network
reads states, actions and rewards so far and predicts the learner's next action; with the policy's memory as its context
it goes on to improve in tasks it has not met (arXiv:2210.14215).

Departures: a history has to be one episode of the environment, as of a bandit, since memories begin anew at each reset;
the paper's spans several. Its networks see pixels and are larger. A token holds an observation with the action and the
reward before it and its time, where the paper has three tokens a step. Discrete actions only, as in the paper.
"""

import jax
import jax.numpy as jnp
import optax

from jaxrl.compose import sequence
from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Env, Phase, Spec
from jaxrl.data import prepare
from jaxrl.networks import transformer
from jaxrl.sources.subsequences import subsequences


@hyper
class Hyper:
    """Numbers of Algorithm Distillation. temperature: of the softmax that actions are drawn from; 0 takes the
    likeliest."""

    actor_lr: float = 3e-4
    weight_decay: float = 1e-4
    temperature: float = 1.0


def tokens_of(spec: Spec, obs, action, reward, time, valid):
    """(tokens [..., K, D + A + 2], seen [..., K]) of the last K steps.

    action, reward: of each step, [..., K], of which the last are not read; a window's first token knows of none before.
    """
    known = valid[..., :-1] > 0
    before = jnp.concatenate([jax.nn.one_hot(action[..., :-1], spec.action), reward[..., :-1, None]], -1)
    before = jnp.where(known[..., None], before, 0.0)
    none = jnp.zeros((*before.shape[:-2], 1, before.shape[-1]))
    before = jnp.concatenate([none, before], -2)
    clock = time[..., None] / spec.horizon
    return jnp.concatenate([obs, before, clock], -1), valid > 0


def learner(spec: Spec, *, width: int = 64, blocks: int = 4, heads: int = 4, window: int = 100) -> Algorithm:
    """The transformer and its policy, which remembers the last `window` steps; learns from `sources.subsequences`."""
    net = transformer.context(spec.obs + spec.action + 2, spec.action, width=width, blocks=blocks, heads=heads)

    def loss(params, state, hyper, batch, key):
        told = batch.extras["time"], batch.extras["valid"]
        return sequence.imitation(
            spec, net.apply(params, *tokens_of(spec, batch.obs, batch.action, batch.reward, *told)), batch.action
        ), {}

    decayed = lambda hyper, rate: optax.adamw(rate, weight_decay=hyper.weight_decay)
    init, update = learn({"actor": Part(net.init, loss, lambda h, n: h.actor_lr, optimiser=decayed)})

    def policy(hyper, state):
        def choose(key, past: sequence.Past):
            reward = jnp.roll(past.number, -1, -1)
            context = tokens_of(spec, past.obs, past.action, reward, *past.clock())
            logits = net.apply(state.params["actor"], *context)[..., -1, :]
            return sequence.chosen(spec, logits + hyper.temperature * jax.random.gumbel(key, logits.shape))

        return sequence.remembering(spec, window, lambda timestep, before, time: timestep.reward, choose)

    return Algorithm(init, update, policy, policy)


def ad(env: Env, batch: int, *, width: int = 64, blocks: int = 4, heads: int = 4, window: int = 100) -> tuple[Phase]:
    """One phase: the transformer on histories of the data."""
    algorithm = learner(env.spec, width=width, blocks=blocks, heads=heads, window=window)
    source = lambda given, stock: subsequences(given.dataset, batch, window=window, whole=True)
    return (Phase("ad", algorithm, source),)


PAPER = Paper(
    "arXiv:2210.14215",
    "In-context Reinforcement Learning with Algorithm Distillation",
    "Michael Laskin and Luyu Wang and Junhyuk Oh and Emilio Parisotto and Stephen Spencer and Richie Steigerwald and "
    "DJ Strouse and Steven Hansen and Angelos Filos and Ethan Brooks and Maxime Gazeau and Himanshu Sahni and "
    "Satinder Singh and Volodymyr Mnih",
    2022,
)
CARD = Card("ad", "plan", ad, Hyper, PAPER, ("discrete",), prepare.raw, batch=32)
