"""Which of many trained policies to deploy, chosen from data alone, and what the choice was worth.

Source: Paine and others (arXiv:2007.09055), selection of hyperparameters by fitted Q evaluation; the measures are of
Fu and others (arXiv:2103.16596).
Departures: values are linear in random Fourier features (Rahimi and Recht 2007) of observation and action, and each
regression is solved exactly (`ope.fqe`), where they train networks; a value counts the steps of an episode, discounted
by 0.99. Features and ridge matter: with ReLU units, or a hundred times the ridge, the estimates of
`benchmarks/protocols/offline_selection.py` favoured whatever stays near the data.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrl.core import hyper as records
from jaxrl.core.check import InputError, positive
from jaxrl.core.tree import counter
from jaxrl.core.types import Dataset, Policy, Spec, first_steps
from jaxrl.experiment.result import Result
from jaxrl.ope.fqe import fqe
from jaxrl.ope.linear import Linear, first_values
from jaxrl.ope.sharpe_ratio import rank_correlation, regret

DISCOUNT = 0.99
FEATURES = 400
WIDTH = 2.0
"""Largest frequencies, over the root of the input's length: neighbours within about a standard deviation are alike."""
RIDGE = 1e-4
"""Of the regressions; features have a mean square of 1 / FEATURES."""
ROWS = 12_000
"""Logged steps that are used, evenly over the data."""

Estimator = Callable[..., Array]
"""(key, dataset, policy) -> the value that the data promise of a policy, a number; traceable."""


class Selection(NamedTuple):
    """What was chosen among H hyperparameter records x K seeds, by estimates that never saw the environment.

    estimates, true: [H, K], the estimated value and the measured score at the end of training; NaN in both for runs
    that diverged, or whose estimate did, which are no candidates; left_out: how many. hyper, seed: places of the chosen
    one; numbers: its record. value: its score; best, mean, worst: of the candidates, `mean` being what a random choice
    brings. regret: best - value. correlation: Spearman's, of estimates with scores; NaN for one candidate.
    """

    estimates: np.ndarray
    true: np.ndarray
    left_out: int
    hyper: int
    seed: int
    numbers: dict[str, float]
    value: float
    best: float
    mean: float
    worst: float
    regret: float
    correlation: float


def select(result: Result, *, estimator: Estimator | None = None, key=None) -> Selection:
    """Choose among the trained policies of a sweep by an estimate from its data, and look what the choice is worth.

    result: of one program, with data. estimator: default `fitted` for its task. The data are the sweep's own, as its
    card prepared them; the estimate ranks policies, and is in discounted rewards where scores are normalized.
    Raises InputError where there are no data, where policies have memory, and where no run is left.
    """
    estimator = estimator or fitted(_checked(result).task.env.spec)
    estimates = estimated(_checked(result), estimator, jax.random.key(0) if key is None else key)
    scores = np.where(result.diverged[:, :, -1], np.nan, result.scores[:, :, -1])
    there = np.isfinite(estimates) & np.isfinite(scores)
    if not there.any():
        raise InputError(f"none of the {there.size} runs of {result.card.name} has both a score and an estimate")
    guessed, true = estimates[there], scores[there]
    place = int(np.flatnonzero(there)[guessed.argmax()])
    hyper, seed = (int(one) for one in np.unravel_index(place, there.shape))
    return Selection(
        np.where(there, estimates, np.nan), np.where(there, scores, np.nan), int((~there).sum()), hyper, seed,
        {name: float(x) for name, x in vars(records.unstack(result.hypers)[hyper]).items()},
        float(scores[hyper, seed]), float(true.max()), float(true.mean()), float(true.min()),
        float(regret(guessed, true)), float(rank_correlation(guessed, true)),
    )  # fmt: skip


def estimated(result: Result, estimator: Estimator, key) -> np.ndarray:
    """The estimate of each member, [H, K]; one compiled program, called once a member. All see the same `key`."""
    hypers, count = records.unstack(result.hypers), len(result.seeds)

    @jax.jit
    def one(hyper, state, dataset):
        return estimator(key, dataset, result._algorithm.policy(hyper, state))

    def member(i: int):
        return jax.tree_util.tree_map_with_path(lambda path, x: x if counter(path) else x[i], result._state)

    found = [one(hypers[i // count], member(i), result.task.dataset) for i in range(len(hypers) * count)]
    return np.asarray(found, np.float64).reshape(len(hypers), count)


def fitted(
    spec: Spec, *, discount: float = DISCOUNT, features: int = FEATURES, ridge: float = RIDGE, rows: int = ROWS
) -> Estimator:
    """Fitted Q evaluation over an episode's length with random features of observation and action: an Estimator.

    The key draws the features, alike for all policies, and the actions of those that are random.
    """
    positive("features", features), positive("rows", rows)

    def estimate(key, dataset: Dataset, policy: Policy):
        chosen = np.linspace(0, len(dataset.last) - 1, min(rows, len(dataset.last))).astype(np.int32)
        steps = jax.tree.map(lambda x: x[chosen], dataset.steps)
        mean, std = steps.obs.mean(0, keepdims=True), steps.obs.std(0, keepdims=True) + 1e-6
        describe = random_features(jax.random.fold_in(key, 0), spec, features)
        of = lambda obs, action: describe((obs - mean) / std, action)
        act = lambda place, obs: policy.act(jax.random.fold_in(key, place), first_steps(obs), policy.start())[0]
        ahead = of(steps.next_obs, act(1, steps.next_obs)) * (1 - steps.terminated)[:, None]
        # An episode's first step is the one after the last of another; the first row is one too.
        begins = jnp.concatenate([jnp.ones(1), (dataset.last[1:] != dataset.last[:-1]).astype(jnp.float32)])
        first = of(dataset.steps.obs, act(2, dataset.steps.obs)) * (begins / begins.sum())[:, None]
        linear = Linear(
            of(steps.obs, steps.action)[None], ahead[None], first.sum(0, keepdims=True), steps.reward[None],
            jnp.ones((1, len(chosen))),
        )  # fmt: skip
        return first_values(linear, fqe(linear, discount, spec.horizon, ridge)).value

    return estimate


def random_features(key, spec: Spec, count: int) -> Callable[[Array, Array], Float[Array, "B F"]]:
    """(scaled obs [B, D]; action [B, A] or classes [B]) -> a constant and `count` random waves, [B, count + 1].

    Their products approximate a Gaussian kernel.
    """
    size = spec.obs + spec.action
    weights = jax.random.normal(jax.random.fold_in(key, 0), (size, count)) * (WIDTH / size**0.5)
    shifts = jax.random.uniform(jax.random.fold_in(key, 1), (1, count), maxval=2 * jnp.pi)

    def describe(obs, action):
        action = jax.nn.one_hot(action, spec.action) if spec.discrete else action
        waves = jnp.cos(jnp.concatenate([obs, action], 1) @ weights + shifts) * (2 / count) ** 0.5
        return jnp.concatenate([jnp.ones_like(obs[:, :1]), waves], 1)

    return describe


def _checked(result: Result) -> Result:
    """The result itself; InputError where nothing can be chosen from its data."""
    if not isinstance(result, Result):
        kind = f"{len(result)} results, one for each program" if isinstance(result, list) else type(result).__name__
        raise InputError(f"select takes the Result of one sweep, not {kind}; call it for each")
    if result.task.dataset is None:
        raise InputError(f"task {result.task.name} has no data; offline selection needs a dataset's id as the task")
    member = jax.tree_util.tree_map_with_path(lambda path, x: x if counter(path) else x[0], result._state)
    hyper = records.unstack(result.hypers)[0]
    if jax.tree.leaves(jax.eval_shape(lambda: result._algorithm.policy(hyper, member).start())):
        raise InputError(
            f"policies of {result.card.name} have memory, which no estimate here follows; choose among reactive ones"
        )
    return result
