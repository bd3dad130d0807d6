"""Families of tasks: an environment with a distribution over its numbers, in place of one instance of it.

A ranking on the default instance need not be the ranking over the family that the default stands for. Here policies are
evaluated in every context at once, scores are scaled within each context before they are averaged with the contexts'
probabilities, and it is measured how often few contexts rank policies other than all do.

Source: Jayawardana et al., arXiv:2210.08607 (task underspecification; approximations M1, M2, M3).
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.core.check import InputError, known, positive
from jaxrl.core.types import Env, Policy, Tree
from jaxrl.envs import scripted
from jaxrl.evaluation import rollout

Draw = Callable[[Any, Tree], Tree]
"""(key, default params) -> the params of one context."""


class Family(NamedTuple):
    """An environment and K contexts. env: with its default params. contexts: params, leaves [K, ...].

    features: [K, F], the numbers that differ, each on a scale of its own. weights: [K], probabilities; they sum to 1.
    """

    env: Env
    contexts: Tree
    features: np.ndarray
    weights: np.ndarray


class Flip(NamedTuple):
    """How often k contexts rank otherwise than the family. pairs: chance that a pair of policies is exchanged; a tie in
    the few counts one half. best: chance that another policy comes out best."""

    contexts: int
    pairs: float
    best: float


def family(key, env: Env, draw: Draw, contexts: int, weights=None) -> Family:
    """K contexts drawn independently. weights: [K], where contexts are not drawn by their probabilities."""
    positive("contexts", contexts)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(contexts))
    return _family(env, jax.vmap(lambda one: draw(one, env.params))(keys), weights)


def crossed(env: Env, values: Mapping[str, Sequence[float]], density: Callable[..., float] | None = None) -> Family:
    """Every combination of listed values of the params' fields, the last field fastest.

    density: values by name -> how probable a context is, up to a factor; the same for all where not given. Raises
    InputError for a field that the environment's params lack.
    """
    fields = getattr(env.params, "_fields", ())
    for name in values:
        known(f"number of {env.spec.name}", name, fields)
    grid = list(itertools.product(*values.values()))
    columns = {name: jnp.asarray([row[i] for row in grid], jnp.float32) for i, name in enumerate(values)}
    contexts = jax.vmap(lambda own: env.params._replace(**own))(columns)
    weights = [density(**dict(zip(values, row, strict=True))) for row in grid] if density else None
    return _family(env, contexts, weights)


def _family(env: Env, contexts: Tree, weights) -> Family:
    """The family of these contexts; features are the leaves that differ, by their standard deviations."""
    contexts = jax.tree.map(jnp.asarray, contexts)
    leaves = [np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(contexts)]
    if not leaves:
        raise InputError(f"{env.spec.name} has no numbers to vary; choose an environment whose params are not empty")
    columns = np.concatenate(leaves, 1)
    spread = columns.std(0)
    varied = spread > 1e-6 * np.maximum(np.abs(columns).max(0), 1e-30)
    mass = np.ones(len(columns)) if weights is None else np.asarray(weights, np.float64)
    if mass.shape != (len(columns),) or not (mass >= 0).all() or not mass.sum() > 0:
        raise InputError(f"weights are {mass.tolist()}; give {len(columns)} numbers, none below 0 and not all 0")
    features = (columns[:, varied] - columns[:, varied].mean(0)) / spread[varied]
    return Family(env, contexts, features, mass / mass.sum())


def evaluate(key, policies: Sequence[Policy], found: Family, episodes: int) -> jax.Array:
    """Undiscounted returns of every policy in every context, [policies, K, episodes], in one compiled call.

    Episode i of a context has the same key for all policies and contexts, so differences are paired.
    """
    positive("policies", len(policies))
    positive("episodes", episodes)

    @jax.jit
    def returns(key, contexts):
        def inside(params):
            env = found.env._replace(params=params)
            return jnp.stack([rollout.evaluate(key, env, policy, episodes) for policy in policies])

        return jnp.moveaxis(jax.vmap(inside)(contexts), 0, 1)

    return returns(key, found.contexts)


def default(found: Family) -> Family:
    """The family that has the default instance only."""
    return _family(found.env, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], found.env.params), None)


def random_policy(env: Env) -> Policy:
    """Uniformly random actions, the usual baseline of scores."""
    return scripted.random(env.spec)


def normalised(returns, low, high) -> np.ndarray:
    """Mean returns on the scale of each context: 0 at `low` [K], 1 at `high` [K].

    returns: [policies, K, episodes] or [policies, K] -> [policies, K]. Raises InputError where a context has no scale.
    """
    values = np.asarray(returns, np.float64)
    values = values.mean(-1) if values.ndim == 3 else values
    low, high = (np.broadcast_to(np.asarray(x, np.float64), values.shape[1:]) for x in (low, high))
    flat = np.flatnonzero(~(high > low))
    if flat.size:
        raise InputError(
            f"context {flat[0] + 1} has baselines {low[flat[0]]:.6g} and {high[flat[0]]:.6g}; the second must be "
            "higher, or leave the context out: no policy differs there"
        )
    return (values - low) / (high - low)


def family_score(values, weights) -> np.ndarray:
    """Mean over contexts with their probabilities: values [policies, K], weights [K] -> [policies]."""
    return np.asarray(values, np.float64) @ np.asarray(weights, np.float64)


def kendall(first, second) -> float:
    """Kendall's tau-b of two lists of scores: 1 for the same order, -1 for the reverse, nan where one has no order."""
    from scipy.stats import kendalltau

    return float(kendalltau(first, second).statistic)


def flip_probability(key, values, weights, k: int, draws: int = 2000) -> Flip:
    """Flips of the ranking by k contexts, drawn by their probabilities, against that of the whole family.

    values: [policies, K] normalised scores. Pairs that tie in the family are not counted.
    """
    values, weights = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    few = values[:, _drawn(key, weights, (positive("draws", draws), positive("k", k)))].mean(-1)
    whole = family_score(values, weights)
    return Flip(k, *_flips(few, whole))


def _drawn(key, weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Indices drawn by weights [K], with replacement."""
    upto = np.cumsum(weights)
    places = np.asarray(jax.random.uniform(key, shape), np.float64)
    return np.asarray(np.searchsorted(upto / upto[-1], places, side="right"))


def _flips(few: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """(share of pairs exchanged, share of another best) of scores [policies, draws] against [policies]."""
    one, two = np.triu_indices(len(whole), 1)
    sign = np.sign(whole[one] - whole[two])
    counted = sign != 0
    if not counted.any():
        raise InputError("all policies have the same score over the family, so there is no ranking to flip")
    gap = np.sign(few[one] - few[two]) * sign[:, None]
    best = whole >= whole.max()
    return float((1 - gap[counted]).mean() / 2), float(1 - best[few.argmax(0)].mean())


def representatives(found: Family, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(contexts [count], their shares [count]): k-medoids of the features, weighted by probability (M3).

    A context stands for those that are nearest to it. Starts from the best single one, adds the best next, then
    exchanges while that helps.
    """
    if not 1 <= positive("count", count) <= len(found.weights):
        raise InputError(f"count is {count}; the family has {len(found.weights)} contexts")
    squares = (found.features**2).sum(1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * found.features @ found.features.T, 0.0))
    cost = lambda chosen: float((found.weights * apart[:, chosen].min(1)).sum())
    chosen: list[int] = []
    for _ in range(count):
        rest = [i for i in range(len(apart)) if i not in chosen]
        chosen.append(min(rest, key=lambda i: cost([*chosen, i])))
    best = cost(chosen)
    while True:
        swaps = [
            [*chosen[:at], i, *chosen[at + 1 :]] for at in range(count) for i in range(len(apart)) if i not in chosen
        ]
        better = min(swaps, key=cost, default=chosen)
        if cost(better) >= best - 1e-12:
            break
        chosen, best = better, cost(better)
    owner = apart[:, chosen].argmin(1)
    return np.array(chosen), np.bincount(owner, found.weights, count)


def sampled(key, found: Family, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(contexts [count], their shares): drawn by probability with equal shares (M2); one of them is M1."""
    return _drawn(key, found.weights, (positive("count", count),)), np.full(count, 1 / count)


def approximation_error(values, weights, chosen, shares) -> float:
    """Mean over policies of how far the score on chosen contexts is from that over the family."""
    few = np.asarray(values, np.float64)[:, chosen] @ shares
    return float(np.abs(few - family_score(values, weights)).mean())


class Randomised(NamedTuple):
    """State of an environment whose episodes differ: the episode's params, and the state inside."""

    params: Tree
    state: Tree


def randomised(env: Env, draw: Draw) -> Env:
    """The environment with fresh params in each episode, drawn around its own: domain randomisation.

    draw must be the same function wherever programs are to be reused; what it reads of the params is traced.
    """
    reset, step = _functions(env.reset, env.step, draw)
    return env._replace(reset=reset, step=step)


@functools.lru_cache(maxsize=64)
def _functions(inner_reset, inner_step, draw: Draw):
    def reset(key, params):
        k_draw, k_reset = jax.random.split(key)
        own = draw(k_draw, params)
        state, timestep = inner_reset(k_reset, own)
        return Randomised(own, state), timestep

    def step(key, params, state, action):
        inner, timestep = inner_step(key, state.params, state.state, action)
        return Randomised(state.params, inner), timestep

    return reset, step
