"""Decision Transformer: actions predicted from past steps and the return that is wanted (arXiv:2106.01345).

A plan of one phase, because its source and its policy share the window's length. `target_return` is the undiscounted
return asked for at an episode's first step, in the environment's own units; each reward is taken off it. It does not
enter training, so one trained state answers every target.

Departures: none from the paper's continuous control: windows start at steps drawn evenly and are padded on the left,
the loss averages over real steps, AdamW decays all parameters. Perceptrons begin with LeCun's draws, where the
authors' GPT-2 has a fixed spread of 0.02; the time embedding has the environment's horizon as its length. Discrete
actions take a softmax and its likeliest class.
"""

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
    """Numbers of the Decision Transformer. return_scale: what returns are multiplied by before the network sees them.
    warmup_updates: over which the step size grows to its full value."""

    actor_lr: float = 1e-4
    warmup_updates: float = 1e4
    weight_decay: float = 1e-4
    gradient_clip: float = 0.25
    dropout: float = 0.1
    return_scale: float = 1e-3
    target_return: float = 3600.0


def rate(hyper, count):
    """The step size after `count` updates."""
    return hyper.actor_lr * jnp.minimum((count + 1) / hyper.warmup_updates, 1.0)


def decayed(hyper, rate):
    """AdamW on gradients cut to a norm."""
    return optax.chain(
        optax.clip_by_global_norm(hyper.gradient_clip), optax.adamw(rate, weight_decay=hyper.weight_decay)
    )


def learner(spec: Spec, *, width: int = 128, blocks: int = 3, heads: int = 1, window: int = 20) -> Algorithm:
    """The transformer and its policy, which remembers the last `window` steps; learns from `sources.subsequences`."""
    net = transformer.steps(spec, width=width, blocks=blocks, heads=heads)

    def loss(params, state, hyper, batch, key):
        number = hyper.return_scale * batch.extras["to_go"]
        time, valid = batch.extras["time"], batch.extras["valid"]
        output = net.apply(params, number, batch.obs, batch.action, time, valid, hyper.dropout, key)
        return sequence.imitation(spec, output, batch.action), {}

    init, update = learn({"actor": Part(net.init, loss, rate, optimiser=decayed)})

    def policy(hyper, state):
        def choose(key, past: sequence.Past):
            number = hyper.return_scale * past.number
            output = net.apply(state.params["actor"], number, past.obs, past.action, *past.clock())[..., -1, :]
            return sequence.chosen(spec, output)

        def number(timestep, before, time):
            return jnp.where(time == 0, hyper.target_return, before - timestep.reward)

        return sequence.remembering(spec, window, number, choose)

    return Algorithm(init, update, policy, policy)


def dt(env: Env, batch: int, *, width: int = 128, blocks: int = 3, heads: int = 1, window: int = 20) -> tuple[Phase]:
    """One phase: the transformer on windows of the data."""
    algorithm = learner(env.spec, width=width, blocks=blocks, heads=heads, window=window)
    return (Phase("dt", algorithm, lambda given, stock: subsequences(given.dataset, batch, window=window)),)


PAPER = Paper(
    "arXiv:2106.01345",
    "Decision Transformer: Reinforcement Learning via Sequence Modeling",
    "Lili Chen and Kevin Lu and Aravind Rajeswaran and Kimin Lee and Aditya Grover"
    " and Michael Laskin and Pieter Abbeel and Aravind Srinivas and Igor Mordatch",
    2021,
)
CARD = Card("dt", "plan", dt, Hyper, PAPER, actions=("continuous", "discrete"), prepare=prepare.standardised, batch=64)
