"""BC: behaviour cloning (Pomerleau 1991), squared error for continuous actions and likelihood for discrete ones.

Departures: none from the deterministic variant of the CORL baseline (arXiv:2210.07105), mean over batch and dimensions.
"""

import jax.numpy as jnp

from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Spec, reactive
from jaxrl.data import prepare
from jaxrl.networks import heads


@hyper
class Hyper:
    """Numbers of BC."""

    actor_lr: float = 3e-4


def bc(spec: Spec, *, width: int = 256, depth: int = 2) -> Algorithm:
    """An actor alone, trained to repeat the logged action."""
    pi = (heads.categorical if spec.discrete else heads.deterministic)(spec, width=width, depth=depth)

    def loss(params, state, hyper, batch, key):
        if spec.discrete:
            return -pi.log_prob(params, batch.obs, batch.action), {}
        return jnp.square(pi.mode(params, batch.obs) - batch.action).mean(-1), {}

    init, update = learn({"actor": Part(pi.init, loss, lambda h, n: h.actor_lr)})

    def policy(hyper, state):
        return reactive(lambda key, obs: pi.mode(state.params["actor"], obs))

    return Algorithm(init, update, policy, policy)


PAPER = Paper(
    "10.1162/neco.1991.3.1.88",
    "Efficient Training of Artificial Neural Networks for Autonomous Navigation",
    "Dean A. Pomerleau",
    1991,
)
CARD = Card("bc", "offline", bc, Hyper, PAPER, actions=("continuous", "discrete"), prepare=prepare.standardised)
