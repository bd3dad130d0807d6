"""COCOA against CQL, and whether its anchors lie nearer to the data than states that were pushed off it."""

import jax
import jax.numpy as jnp

import jaxrl
from benchmarks.effects.effect import Effect
from jaxrl.algorithms.model_based import cocoa
from jaxrl.compose import dynamics
from jaxrl.core.tree import counters

TASK = "embedded/pointmaze-umaze-medium-replay-v0"
SIZES = {"width": 32, "depth": 2, "samples": 2, "batch": 32, "episodes": 20}
RATES = {"critic_lr": 1e-3, "actor_lr": 3e-4, "conservatism": 5.0}
ANCHORS = {
    "rank": 4, "model_width": 64, "model_depth": 2, "members": 3, "elites": 2, "model_updates": 3_000, "starts": 5_000,
    "anchor_width": 32, "anchor_updates": 3_000,
}  # fmt: skip


def trained(card: str, seeds, updates: int = 3_000, **options):
    """The run of a card on the maze."""
    return jaxrl.sweep(card, TASK, seeds=seeds, updates=updates, evaluate_every=updates, **SIZES, **RATES, **options)


def distances(run, seeds: int, states: int = 500, push: float = 1.0):
    """Mean distance to the nearest logged state [seeds], of anchors and of the states that they belong to, which are
    logged ones moved by Gaussian noise of `push` standard deviations."""
    spec, data, sizes = run.task.env.spec, run.task.dataset.steps.obs, {n: ANCHORS[n] for n in ("members", "elites")}
    model = dynamics.ensemble(spec, cocoa.never, width=ANCHORS["model_width"], depth=ANCHORS["model_depth"], **sizes)
    seeker = cocoa.seeking(spec, ANCHORS["anchor_width"])
    frozen = cocoa.frozen(run.earlier)

    def one(frozen, key):
        k_row, k_push = jax.random.split(key)
        state = data[jax.random.randint(k_row, (states,), 0, data.shape[0])]
        state = state + push * jax.random.normal(k_push, state.shape)
        both = cocoa.apart(model, seeker, cocoa.Hyper(), frozen, state, ANCHORS["elites"], 1)
        far = lambda x: jnp.sqrt(jnp.square(x[:, None] - data[None]).sum(-1).min(1)).mean()
        return far(both[:, spec.obs :]), far(state)

    keys = jax.random.split(jax.random.key(0), seeds)
    return jax.jit(jax.vmap(one, (counters(frozen), 0)))(frozen, keys)


def measure(seeds: int) -> list[Effect]:
    """Normalised scores, and distances in standard deviations; five seeds side by side, which is one program for any
    number of seeds that five divides."""
    scores: dict[str, list[float]] = {"cocoa": [], "cql": []}
    near: tuple[list[float], list[float]] = [], []
    for first in range(0, seeds, 5):
        some = list(range(first, min(first + 5, seeds)))
        run = trained("cocoa", some, **ANCHORS)
        for card, one in (("cocoa", run), ("cql", trained("cql", some))):
            scores[card] += [float(x) for x in one.scores[0, :, -1]]
        for side, one in zip(near, distances(run, len(some)), strict=True):
            side += [float(x) for x in one]
    what = "distance to the data of states pushed off it"
    return [
        Effect("cocoa", "cql", TASK, "score", scores["cocoa"], scores["cql"]),
        Effect("cocoa anchors", "the states", TASK, what, *near, higher=False),
    ]
