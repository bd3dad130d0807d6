"""PRDC: TD3+BC whose actor clones the action of the nearest logged step to its own choice (arXiv:2306.06569).

Departures: none from the authors' code, but that neighbours are found by products on the device instead of a tree on
the host. As there the cloning term averages over action dimensions. Defaults are those of hopper and walker2d;
halfcheetah takes q_scale 40, antmaze q_scale and state_scale 7.5.
"""

import jax.numpy as jnp

from jaxrl.algorithms.offline import td3_bc
from jaxrl.compose import terms
from jaxrl.compose.actor_critic import actor_critic
from jaxrl.core.card import Card, Paper
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Algorithm, Dataset, Source, Spec
from jaxrl.data import prepare, samplers
from jaxrl.losses import neighbours
from jaxrl.sources.logged import logged


@hyper
class Hyper(td3_bc.Hyper):
    """TD3+BC's numbers; state_scale: beta of the paper, what a distance of states counts against one of actions."""

    state_scale: float = 2.0


def clone_nearest(v):
    """Mean squared distance per dimension to the action of the logged step nearest to (state_scale s, a) (eq. 5).

    Reads the extras "bank", of rows (s, a), and "actions", those of the same steps.
    """
    scales = jnp.concatenate([jnp.full(v.obs.shape[-1:], v.hyper.state_scale), jnp.ones(v.action.shape[-1:])])
    index = neighbours.nearest(jnp.concatenate([v.obs, v.action], -1), v.batch.extras["bank"], jnp.square(scales))
    return jnp.square(v.action - v.batch.extras["actions"][index]).mean(-1)


RECIPE = td3_bc.RECIPE._replace(actor=(terms.maximise_scaled_q, clone_nearest))


def prdc(spec: Spec, *, width: int = 256, depth: int = 2, critics: int = 2, delay: int = 2) -> Algorithm:
    """Deterministic actor, twin critics."""
    return actor_critic(spec, RECIPE, width=width, depth=depth, critics=critics, delay=delay)


def with_bank(dataset: Dataset, batch: int) -> Source:
    """Even draws of steps with all of the data beside them: a constant of the training loop, common to all members."""
    steps, drawn = dataset.steps, logged(dataset, samplers.uniform(batch))
    extras = {"bank": neighbours.bank(jnp.concatenate([steps.obs, steps.action], -1)), "actions": steps.action}

    def draw(key, feed, policy):
        feed, rows = drawn.next(key, feed, policy)
        return feed, rows._replace(extras={**rows.extras, **extras})

    return drawn._replace(next=draw)


PAPER = Paper(
    "arXiv:2306.06569",
    "Policy Regularization with Dataset Constraint for Offline Reinforcement Learning",
    "Yuhang Ran and Yi-Chen Li and Fuxiang Zhang and Zongzhang Zhang and Yang Yu",
    2023,
)
CARD = Card(
    "prdc",
    "offline",
    prdc,
    Hyper,
    PAPER,
    prepare=prepare.standardised,
    needs=frozenset({"bank", "actions"}),
    collect=with_bank,
)
