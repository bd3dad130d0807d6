"""COCOA: CQL on states taken apart into an anchor near the data and the difference from it (arXiv:2404.04682).

A card and no wrapper: it replaces what is inside the networks of actor and critics, which cards build themselves.

Departures: models and the anchor policy take fixed numbers of updates, where the authors stop early; models are those
of `compose.dynamics`, the reverse one learning from exchanged observations. The reward that the reverse model predicts
too is not used. Ways into the data begin in `starts` random states. Anchors of the data are computed once.
"""

import jax
import jax.numpy as jnp

from jaxrl.algorithms.offline import cql
from jaxrl.compose import dynamics, seen, terms
from jaxrl.compose.learn import Part, learn
from jaxrl.core.card import Card, Paper
from jaxrl.core.check import InputError
from jaxrl.core.hyper import hyper
from jaxrl.core.types import Dataset, Dynamics, Env, Learner, Phase, Spec
from jaxrl.data import prepare, samplers
from jaxrl.networks import basic
from jaxrl.networks.transduction import Bilinear
from jaxrl.sources import backward
from jaxrl.sources.logged import logged
from jaxrl.sources.resampled import resampled, shared_out


@hyper
class Hyper(cql.Hyper):
    """CQL's numbers, the models' and the anchor policy's. along, noise: share of a logged action, and spread around
    it, on the ways into the data."""

    actor_lr: float = 1e-4
    conservatism: float = 5.0
    model_lr: float = 1e-3
    model_decay: float = 1.0
    bound_weight: float = 0.01
    anchor_lr: float = 1e-3
    along: float = 0.8
    noise: float = 0.1


def cocoa(
    env: Env, batch: int, *, width: int = 256, depth: int = 3, critics: int = 2, samples: int = 10, rank: int = 32,
    model_width: int = 200, model_depth: int = 4, members: int = 7, elites: int = 5, model_updates: int = 200_000,
    starts: int = 50_000, horizon: int = 5, anchor_width: int = 100, anchor_updates: int = 50_000,
    anchor_horizon: int = 1, chunk: int = 10_000,
) -> tuple[Phase, ...]:  # fmt: skip
    """A model and a reverse model, a policy that seeks anchors, then CQL on anchors and differences.

    rank: products per feature. horizon: of the ways into the data. anchor_horizon: steps from a state to its anchor.
    chunk: states whose anchors are computed at a time. Raises InputError for more elites than members.
    """
    if elites > members:
        raise InputError(f"elites={elites} of members={members}; choose at most as many elites as members")
    sizes = {"width": model_width, "depth": model_depth, "members": members, "elites": elites}
    model = dynamics.ensemble(env.spec, never, check_every=max(model_updates // 50, 1), **sizes)
    seeker = seeking(env.spec, anchor_width)

    def split(hyper, frozen, obs):
        return apart(model, seeker, hyper, frozen, obs, elites, anchor_horizon)

    def ways(key, hyper, given, earlier):
        back = lambda key, obs, action: model.predict(key, hyper, earlier["reverse"], obs, action)
        numbers = {"along": hyper.along, "noise": hyper.noise}
        return backward.ways_in(key, given.dataset, back, starts=starts, horizon=horizon, **numbers)

    def anchors(key, hyper, given, earlier):
        one = lambda obs: split(hyper, frozen(earlier), obs[None])[0]
        steps = given.dataset.steps
        return tuple(jax.lax.map(one, obs, batch_size=chunk) for obs in (steps.obs, steps.next_obs))

    def fresh(key, hyper):
        k_model, k_anchor = jax.random.split(key)
        return {"model": model.init(k_model, hyper), "anchor": seeker.init(k_anchor)}

    agent = bilinear(env.spec, rank, width=width, depth=depth, critics=critics, samples=samples)
    return (
        learned("model", model, members, batch, model_updates, lambda dataset: dataset),
        learned("reverse", model, members, batch, model_updates, backward.exchanged),
        Phase("anchor", cloning(seeker), lambda given, rows: backward.pairs(rows, batch), anchor_updates, ways),
        Phase(
            "policy",
            seen.through(agent, split, fresh),
            lambda given, both: logged(encoded(given.dataset, *both), samplers.uniform(batch)),
            stock=anchors,
            begin=lambda state, earlier: state._replace(frozen=frozen(earlier)),
        ),
    )


def never(obs):
    """No state ends an episode here; [B, D] -> [B]."""
    return jnp.zeros(obs.shape[0])


def seeking(spec: Spec, width: int) -> basic.Network:
    """The anchor policy before its tanh."""
    return basic.mlp(spec.obs, (width,) * 2, spec.action, norm=True)


def frozen(earlier):
    """What anchors are computed from, of the phases before."""
    return {"model": earlier["model"], "anchor": earlier["anchor"].params["anchor"]}


def learned(name: str, model: Dynamics, members: int, batch: int, updates: int, change) -> Phase:
    """A phase in which a model learns from the changed dataset."""
    stock = lambda key, hyper, given, earlier: shared_out(key, change(given.dataset), members)
    return Phase(name, model, lambda given, draw: resampled(change(given.dataset), batch, draw), updates, stock)


def cloning(seeker: basic.Network) -> Learner:
    """The anchor policy, learned by squared error."""

    def loss(params, state, hyper, batch, key):
        return jnp.square(jnp.tanh(seeker.apply(params, batch.obs)) - batch.action).mean(-1), {}

    return Learner(*learn({"anchor": Part(seeker.init, loss, lambda h, n: h.anchor_lr)}))


def apart(model: Dynamics, seeker: basic.Network, hyper, frozen, obs, elites: int, horizon: int):
    """(difference, anchor) side by side, [..., D] -> [..., 2 D]: the anchor is where the anchor policy leads in the
    elites' mean model."""
    start = obs.reshape(-1, obs.shape[-1])
    anchor, best = start, dynamics.chosen(frozen["model"].errors, elites)
    for _ in range(horizon):
        action = jnp.tanh(seeker.apply(frozen["anchor"], anchor))
        # means do not depend on the key
        step = model.predict(jax.random.key(0), hyper, frozen["model"], anchor, action)
        anchor = anchor + step.extras["means"][best].mean(0)[:, :-1]
    return jnp.concatenate([start - anchor, anchor], -1).reshape(*obs.shape[:-1], -1)


def encoded(dataset: Dataset, obs, next_obs) -> Dataset:
    """The dataset with other observations."""
    return dataset._replace(steps=dataset.steps._replace(obs=obs, next_obs=next_obs))


def bilinear(spec: Spec, rank: int, *, width: int, depth: int, critics: int, samples: int):
    """CQL on [difference, anchor], through bilinear features."""
    embed = Bilinear(spec.obs, (width,) * depth, width, rank)
    options = {**cql.orthogonal(2**0.5), "embed": embed}
    both = spec._replace(obs=2 * spec.obs)
    chosen = cql.recipe(terms.conservative, samples, max_backup=False)
    sizes = {"width": width, "depth": depth, "critics": critics}
    return cql.soft(chosen, both, actor_options=options, critic_options=options, **sizes)


PAPER = Paper(
    "arXiv:2404.04682",
    "Compositional Conservatism: A Transductive Approach in Offline Reinforcement Learning",
    "Yeda Song and Dongwook Lee and Gunhee Kim",
    2024,
)
CARD = Card("cocoa", "plan", cocoa, Hyper, PAPER, prepare=prepare.standardised)
