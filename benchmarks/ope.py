"""Off-policy evaluation on real records: published estimates, a shop's recommendations, games logged with propensities.

    python -m benchmarks.ope [neorl obd cartpole acrobot]

Reads the folder JAXRL_EXTERNAL_DATA; what is not there is left out with a line. Prints tables.
"""

import argparse
import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxrl.core.check import known
from jaxrl.core.types import reactive
from jaxrl.envs import control
from jaxrl.evaluation import rollout
from jaxrl.ope import intervals, uno
from jaxrl.ope.doubly_robust import direct, doubly_robust
from jaxrl.ope.fqe import fqe
from jaxrl.ope.gradient_dice import gradient_dice
from jaxrl.ope.importance_sampling import per_decision, trajectory_wise
from jaxrl.ope.linear import Linear, averaged, first_values
from jaxrl.ope.log import Estimate, Log, logged, on_policy, padded
from jaxrl.ope.magic import magic
from jaxrl.ope.minimax_learning import minimax_weights
from jaxrl.ope.sharpe_ratio import mean_squared_error, rank_correlation, regret, top_k

DISCOUNT = 0.99
EPISODES = 2000
"""Episodes that measure the true value of a policy."""
RESAMPLES = 100
"""Draws of a bootstrap interval."""


def neorl(folder: Path) -> None:
    """Rank correlation and regret of the FQE and IS estimates in NeoRL's records, by domain and over its 52 tasks."""
    with gzip.open(folder / "scores" / "neorl_raw_results.json.gz", "rt") as file:
        records = json.load(file)
    rows, gaps = [], []
    for task, cards in records.items():
        runs = [(one, name) for name, settings in cards.items() for s in settings for one in s["result"].values()]
        true = np.array([one["online"] for one, _ in runs])
        baseline = np.mean([one["online"] for one, name in runs if name == "bc"])
        for method in ("fqe", "is"):
            estimated = np.array([np.mean(list(one[method].values())) for one, _ in runs])
            spread = np.ptp(true)
            ours = [rank_correlation(estimated, true), *(regret(estimated, true, k) / spread for k in (1, 5))]
            gaps.append(np.abs(np.subtract(ours, authors(estimated, true))))
            sharpe = top_k(estimated, true, 5, baseline).sharpe
            error = mean_squared_error(estimated, true, normalised=True)
            rows.append((task.split("-")[0], method, len(runs), *map(float, (*ours, sharpe, error))))
    correlation, *regrets = np.max(gaps, 0)
    print(
        f"NeoRL: {len(records)} tasks, {sum(row[2] for row in rows) // 2} policies; the baseline is the mean of BC's."
    )
    print(f"Largest gap of the rank correlation to SciPy's: {correlation:.1e}; of regret@1 and regret@5 to one less")
    print(f"NeoRL's top-k score: {regrets[0]:.1e} and {regrets[1]:.1e}, where tied estimates are put in another order.")
    show(("domain", "estimator", "tasks", "rank corr.", "regret@1", "regret@5", "Sharpe@5 (median)", "nMSE (median)"))
    for domain in dict.fromkeys(row[0] for row in rows):
        neorl_rows(domain, [row for row in rows if row[0] == domain])
    neorl_rows("all", rows)


def neorl_rows(domain: str, rows: list[tuple]) -> None:
    """Means over tasks, a line an estimator."""
    for method in ("fqe", "is"):
        found = np.array([row[3:] for row in rows if row[1] == method])
        middle = (*found[:, :3].mean(0), *np.median(found[:, 3:], 0))
        show((domain, method, len(found), *(f"{x:.3g}" for x in middle)))


def authors(estimated: np.ndarray, true: np.ndarray) -> list[float]:
    """What NeoRL's own definitions give: Spearman's correlation, and one less their best-of-top-k score."""
    scaled = (true - true.min()) / (true.max() - true.min())
    best = [max(value for _, value in sorted(zip(estimated, scaled, strict=True))[-k:]) for k in (1, 5)]
    return [scipy.stats.spearmanr(true, estimated)[0], *(1 - x for x in best)]


def obd(folder: Path) -> None:
    """The uniform policy's click rate from what Thompson sampling showed, beside what the uniform policy earned."""
    show(("shop", "estimator", "clicks per 1000", "95 % t", "95 % bootstrap"))
    for shop in ("men", "women"):
        uniform, learned = (clicks(folder / "obd_small" / kind / shop / f"{shop}.csv.gz") for kind in ("random", "bts"))
        items = int(uniform[0].max()) + 1
        log = logged(learned[1][:, None], np.full((len(learned[1]), 1), 1 / items), learned[2][:, None])
        cells = learned[3] * items + learned[0]
        counts, gains = (np.bincount(cells, x, minlength=4 * items) for x in (None, learned[1]))
        rates = (gains + learned[1].mean() * 50) / (counts + 50)
        q, v = rates[cells][:, None], rates.reshape(4, items).mean(1)[learned[3]][:, None]
        args = log, jnp.asarray(q, jnp.float32), jnp.asarray(v, jnp.float32)
        found: dict[str, Callable] = {
            "uniform, on policy": lambda log, q, v: on_policy(log, 1.0),
            "Thompson, on policy": lambda log, q, v: on_policy(log, 1.0),
            "IPS": lambda log, q, v: per_decision(log, 1.0),
            "IPS, weights up to 10": lambda log, q, v: per_decision(log, 1.0, limit=10.0),
            "SNIPS": lambda log, q, v: per_decision(log, 1.0, weighted=True),
            "direct method": lambda log, q, v: direct(v[:, 0]),
            "DR": lambda log, q, v: doubly_robust(log, q, v, 1.0),
            "DR, weights up to 10": lambda log, q, v: doubly_robust(log, q, v, 1.0, limit=10.0),
        }
        other = logged(uniform[1][:, None], np.ones((len(uniform[1]), 1)))
        for name, estimator in found.items():
            report(shop, name, estimator, (other, *args[1:]) if name.startswith("uniform") else args, 1000)


def clicks(file: Path) -> tuple[np.ndarray, ...]:
    """(item, click, propensity, position), each [rounds]."""
    with gzip.open(file, "rt", newline="") as opened:
        rows = list(csv.DictReader(opened))
    columns = {"item_id": int, "click": float, "propensity_score": float, "position": int}
    return tuple(np.array([kind(row[name]) for row in rows]) for name, kind in columns.items())


def report(where: str, name: str, estimator: Callable, args, scale: float = 1.0) -> None:
    """A line of an estimator -> Estimate on (log, ...), with two intervals."""
    estimate = jax.jit(estimator)(*args)
    value = lambda part: estimator(*part).value
    again = jax.jit(lambda key, args: intervals.bootstrap(key, value, args, resamples=RESAMPLES))(
        jax.random.key(0), args
    )
    pair = lambda ends: f"{scale * float(ends[0]):.4g} to {scale * float(ends[1]):.4g}"
    show((where, name, f"{scale * float(estimate.value):.4g}", pair(intervals.student(estimate)), pair(again)))


def cartpole(folder: Path) -> None:
    """A policy near the one that logged 21 episodes of CartPole, cut after 200 steps."""
    with np.load(folder / "cartpole_sets" / "cartpole_rllib.npz") as file:
        data = dict(file)
    logits = data["action_dist_inputs"].astype(np.float64)
    played("cartpole", data, np.exp(log_softmax(logits)), control.cartpole(), 200)


def acrobot(folder: Path) -> None:
    """A policy near the one that logged 30 episodes of Acrobot, cut after 500 steps."""
    with np.load(folder / "acrobot_coach" / "acrobot_propensity.npz") as file:
        data = dict(file)
    played("acrobot", data, data["action_probs"], control.acrobot(), 500)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis."""
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def played(game: str, data: dict, behaviour: np.ndarray, env, horizon: int) -> None:
    """Estimates of a softmax policy, linear in the observation, that was fitted to the logged probabilities."""
    actions = behaviour.shape[1]
    inputs = np.concatenate([data["observations"], np.ones((len(behaviour), 1))], 1)
    centred = np.log(behaviour) - np.log(behaviour).mean(1, keepdims=True)
    weights = jnp.asarray(np.linalg.lstsq(inputs, centred, rcond=None)[0], jnp.float32)
    probabilities = lambda obs: jax.nn.softmax(obs @ weights[:-1] + weights[-1].reshape((1,) * (obs.ndim - 1) + (-1,)))
    policy = reactive(lambda key, obs: jax.random.categorical(key, jnp.log(probabilities(obs))).astype(jnp.int32))
    total = jax.jit(lambda key: rollout.evaluate(key, env, policy, EPISODES))(jax.random.key(1))
    steps = jnp.minimum(jnp.abs(total), horizon)
    true = jnp.sign(total) * (1 - DISCOUNT**steps) / (1 - DISCOUNT)
    args = arrays(data, behaviour, probabilities, actions)
    distance = float((args[0].there * jnp.abs(args[0].evaluation - args[0].behaviour)).sum() / args[0].there.sum())
    print(
        f"{game}: {len(true)} episodes of the policy itself, {len(args[0].reward)} logged by one whose probabilities of"
    )
    print(
        f"actions differ by {distance:.3f} on average; discounted by {DISCOUNT}; MWL and GradientDICE: a game never cut"
    )
    show(("game", "estimator", "value", "95 % t", "95 % bootstrap"))
    truth = Estimate(true.mean(), true)
    low, high = intervals.student(truth)
    show((game, "the policy itself", f"{float(truth.value):.4g}", f"{float(low):.4g} to {float(high):.4g}", ""))
    for name, estimator in estimators(horizon).items():
        report(game, name, estimator, args)


def arrays(data: dict, behaviour: np.ndarray, probabilities: Callable, actions: int) -> tuple[Log, Linear, jax.Array]:
    """The log; features: squares of scaled observations, for each action apart; those of states, [N, T, K]."""
    ends, action = data["episode_ends"], data["actions"]
    at = lambda table: np.take_along_axis(np.asarray(table), action[:, None], 1)[:, 0]
    here, ahead = (jnp.asarray(data[name], jnp.float32) for name in ("observations", "next_observations"))
    columns = data["rewards"], at(probabilities(here)), at(behaviour), np.ones(len(action), np.float32)
    log = logged(*(padded(column, ends) for column in columns))
    mean, std = here.mean(0, keepdims=True), here.std(0, keepdims=True)

    def squares(obs):
        scaled = jnp.concatenate([jnp.ones_like(obs[:, :1]), (obs - mean) / std], 1)
        upper = np.triu_indices(scaled.shape[1])
        return (scaled[:, :, None] * scaled[:, None, :])[:, upper[0], upper[1]]

    product = lambda obs, share: np.asarray((share[:, :, None] * squares(obs)[:, None]).reshape(len(obs), -1))
    following = product(ahead, probabilities(ahead)) * (1 - data["terminations"].astype(np.float32))[:, None]
    current = product(here, probabilities(here))
    flat = product(here, jax.nn.one_hot(jnp.asarray(action), actions)), following
    first = current[np.concatenate([[0], ends[:-1]])]
    linear = Linear(*(jnp.asarray(padded(x, ends)) for x in flat), jnp.asarray(first), log.reward, log.there)
    return log, linear, jnp.asarray(padded(current, ends))


def estimators(horizon: int) -> dict[str, Callable]:
    """{name: (log, features, features of states) -> Estimate}."""

    def values(linear, current):
        coefficients = fqe(linear, DISCOUNT, horizon, 1e-4)
        return linear.here @ coefficients, current @ coefficients

    def blend(log, linear, current):
        lengths = (0, 1, 2, 4, 8, 16, 32, 64, log.reward.shape[1])
        found = magic(jax.random.key(0), log, *values(linear, current), DISCOUNT, lengths=lengths, resamples=20)
        return Estimate(found.value, found.contributions)

    def through_distribution(log, linear, current):
        value = uno.mean(uno.returns_of(log, DISCOUNT, weighted=True))
        return trajectory_wise(log, DISCOUNT, weighted=True)._replace(value=value)

    return {
        "logging policy": lambda log, linear, current: on_policy(log, DISCOUNT),
        "trajectory-wise IS": lambda log, linear, current: trajectory_wise(log, DISCOUNT),
        "per-decision IS": lambda log, linear, current: per_decision(log, DISCOUNT),
        "per-decision IS, weighted": lambda log, linear, current: per_decision(log, DISCOUNT, weighted=True),
        "mean of the distribution": through_distribution,
        "FQE, linear": lambda log, linear, current: first_values(linear, fqe(linear, DISCOUNT, horizon, 1e-4)),
        "MWL, linear": lambda log, linear, current: averaged(linear, minimax_weights(linear, DISCOUNT, 1e-4), DISCOUNT),
        "GradientDICE, linear": lambda log, linear, current: averaged(
            linear, gradient_dice(linear, DISCOUNT), DISCOUNT
        ),
        "doubly robust": lambda log, linear, current: doubly_robust(log, *values(linear, current), DISCOUNT),
        "doubly robust, weighted": lambda log, linear, current: doubly_robust(
            log, *values(linear, current), DISCOUNT, weighted=True
        ),
        "MAGIC": blend,
    }


def show(cells: tuple) -> None:
    """A line of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


PARTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "neorl": ("scores/neorl_raw_results.json.gz", neorl),
    "obd": ("obd_small", obd),
    "cartpole": ("cartpole_sets/cartpole_rllib.npz", cartpole),
    "acrobot": ("acrobot_coach/acrobot_propensity.npz", acrobot),
}


def main() -> None:
    """Print the tables of the parts whose data are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all unless given")
    names = [known("part", name, PARTS) for name in parser.parse_args().parts] or list(PARTS)
    folder = Path(os.environ.get("JAXRL_EXTERNAL_DATA") or "nowhere")
    for name in names:
        needed, part = PARTS[name]
        if (folder / needed).exists():
            part(folder)
        else:
            print(f"{name} is left out: {needed} is not under JAXRL_EXTERNAL_DATA; point that at the folder of data")
        print()


if __name__ == "__main__":
    main()
