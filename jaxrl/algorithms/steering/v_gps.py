"""V-GPS: a cloned policy whose proposals an offline critic ranks when it acts (arXiv:2410.13816).

Departures: vectors in place of images and language; the cloned policy is a squashed Gaussian, the robots' generalists
being closed; the critic is Cal-QL's with a fixed weight, its last steps are not repeated.
"""

from typing import Any, NamedTuple

import jax

from jaxrl.algorithms.offline_to_online import cql_finetune as parent
from jaxrl.compose import calibrated
from jaxrl.compose.learn import Part, learn
from jaxrl.compose.select import value_guided
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Env, Phase, reactive
from jaxrl.data import prepare, samplers
from jaxrl.networks import critics as values
from jaxrl.networks import heads
from jaxrl.sources.logged import logged


@hyper
class Hyper(parent.Hyper):
    """Numbers of V-GPS: the critic's, base_lr of the cloned policy, softness of the choice (beta)."""

    discount: float = 0.98
    base_lr: float = 3e-4
    softness: float = 1.0


class Steered(NamedTuple):
    """State: the cloned policy's learner, and the critic's parameters, which stay."""

    base: Any
    critic: Any
    step: jax.Array


def v_gps(
    env: Env, batch: int, *, width: int = 256, depth: int = 2, critics: int = 2, samples: int = 10,
    choices: int = 10, critic_updates: int = 500_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """A critic on the data, then a cloned policy that proposes `choices` actions for the critic to choose from."""
    spec = env.spec
    chosen = parent.cql.recipe(calibrated.conservative, samples, False)
    critic = parent.cql.soft(chosen, spec, width=width, depth=depth, critics=critics)
    even = lambda given, stock: logged(parent.known(given.dataset, stock), samplers.uniform(batch))

    def begin(fresh, earlier):
        return fresh._replace(critic=earlier["critic"].params["critic"])

    learner = steered(heads.tanh_gaussian(spec, width=width, depth=depth), critic, choices, width, depth, critics, spec)
    return (
        Phase("critic", critic, even, critic_updates, parent.bounds),
        Phase("policy", learner, even, begin=begin),
    )


def steered(pi: heads.Head, critic: Algorithm, choices: int, width, depth, members, spec) -> Algorithm:
    """Likelihood cloning by `pi`, whose policy is steered by parameters like `critic`'s."""
    q = values.q(spec, width=width, depth=depth, members=members)

    def loss(params, state, hyper, batch, key):
        return -pi.log_prob(params, batch.obs, batch.action), {}

    start, improve = learn({"base": Part(pi.init, loss, lambda h, n: h.base_lr)})

    def init(key, hyper):
        state = start(key, hyper)
        blank = critic.init(key, hyper).params["critic"]
        return Steered(state, jax.tree.map(lambda x: 0 * x, blank), state.step)

    def update(key, hyper, state, batch):
        base, metrics = improve(key, hyper, state.base, batch)
        return state._replace(base=base, step=base.step), metrics

    def policy(hyper, state):
        propose = lambda key, obs: pi.propose(state.base.params["base"], key, obs)[0]
        q_fn = lambda obs, action: q.apply(state.critic, obs, action).min(axis=0)
        return reactive(lambda key, obs: value_guided(key, propose, q_fn, obs, choices, hyper.softness))

    return Algorithm(init, update, policy, policy)


PAPER = Paper(
    "arXiv:2410.13816",
    "Steering Your Generalists: Improving Robotic Foundation Models via Value Guidance",
    "Mitsuhiko Nakamoto and Oier Mees and Aviral Kumar and Sergey Levine",
    2024,
)
CARD = Card("v_gps", "plan", v_gps, Hyper, PAPER, prepare=prepare.standardised)
