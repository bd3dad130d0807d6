"""How far a ranking on CartPole's default instance says what a family of CartPoles would say.

PPO and DQN are trained on the default (three seeds each, short), and stand beside hand-made balancers. The family has
120 contexts: five cart masses, eight lengths of the pole and three forces, all as probable.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.protocols.study import Study
from jaxrl.algorithms.online import dqn, ppo
from jaxrl.core.types import Policy, reactive
from jaxrl.envs.control import cartpole
from jaxrl.protocols import families
from jaxrl.sources.replay import replay
from jaxrl.sources.rollouts import rollouts
from jaxrl.train.fit import fit

VALUES = {
    "cart_mass": [0.5, 0.75, 1.0, 1.5, 2.0],
    "length": np.linspace(0.2, 2.0, 8).tolist(),
    "force": [5.0, 10.0, 15.0],
}
HAND = {
    "hand, angle and spin": (0.0, 0.0, 1.0, 1.0),
    "hand, careful": (0.1, 0.3, 1.0, 0.6),
    "hand, hasty": (0.05, 0.2, 1.0, 0.3),
}
"""Gains of place, speed, angle, angular speed."""
SIZES = (1, 2, 5, 10, 20, 50)
EPISODES = 16


def by_ppo(key, updates: int) -> Policy:
    """Trained for that many rollouts of 8 x 128 steps."""
    env = cartpole()
    algorithm = ppo.ppo(env.spec, width=32, passes=4, minibatches=4)
    hyper = ppo.Hyper(actor_lr=1e-3, critic_lr=1e-3)
    state = fit(key, algorithm, hyper, rollouts(env, envs=8, length=128), updates)[0].state
    return algorithm.policy(hyper, state)


def by_dqn(key, updates: int) -> Policy:
    """Trained on draws of 64 from its replay, four steps an update."""
    env = cartpole()
    algorithm = dqn.dqn(env.spec, width=64, copy_every=100)
    hyper = dqn.Hyper(critic_lr=1e-3, explore_updates=2_000, explore_to=0.04)
    source = replay(env, 64, capacity=50_000, per=4, warmup=1_000)
    return algorithm.policy(hyper, fit(key, algorithm, hyper, source, updates)[0].state)


def hand(gains) -> Policy:
    """Pushes towards the weighted sum of what is observed."""
    return reactive(lambda key, obs: (obs @ jnp.asarray(gains, jnp.float32) > 0).astype(jnp.int32))


def returns(make, seeds: int, found: families.Family) -> np.ndarray:
    """Mean returns [seeds, K] of a trained method on the family; training and evaluation are one compiled call."""

    @jax.jit
    def one(key):
        policy = make(key)
        return families.evaluate(jax.random.key(7), [policy], found, EPISODES)[0].mean(-1)

    return np.stack([np.asarray(one(jax.random.key(seed))) for seed in range(seeds)])


def measured(seeds: int, found: families.Family) -> dict[str, np.ndarray]:
    """{method: mean returns [K] over its seeds}, the random policy's among them."""
    plain = {name: hand(gains) for name, gains in HAND.items()}
    policies = [*plain.values(), families.random_policy(found.env)]
    known = np.asarray(families.evaluate(jax.random.key(7), policies, found, EPISODES)).mean(-1)
    trained = {
        "PPO, 20 updates": functools.partial(by_ppo, updates=20),
        "PPO, 60 updates": functools.partial(by_ppo, updates=60),
        "DQN, 10,000 updates": functools.partial(by_dqn, updates=10_000),
    }
    learned = {name: returns(make, seeds, found).mean(0) for name, make in trained.items()}
    return {**dict(zip([*plain, "random"], known, strict=True)), **learned}


def study(seeds: int) -> Study:
    """Scores on the default and on the family, flips by the number of contexts, and chosen subsets."""
    found = families.crossed(cartpole(), VALUES)
    seeds = min(seeds, 3)
    both = [measured(seeds, one) for one in (families.default(found), found)]
    names = [name for name in both[0] if name != "random"]
    alone, values = (families.normalised(np.stack([one[name] for name in names]), one["random"], 500.0) for one in both)
    default, whole = alone[:, 0], families.family_score(values, found.weights)
    order = np.argsort(-whole)
    place = [[1 + int((column > own + 1e-9).sum()) for own in column] for column in (default, whole)]
    rows = [[names[i], f"{default[i]:.3f}", str(place[0][i]), f"{whole[i]:.3f}", str(place[1][i])] for i in order]
    tau = families.kendall(default, whole)
    flips = [families.flip_probability(jax.random.key(k), values, found.weights, k) for k in SIZES]
    lines = "".join(f"| {one.contexts} | {one.pairs:.3f} | {one.best:.3f} |\n" for one in flips)
    errors = []
    for count in (1, 5, 10):
        chosen = families.approximation_error(values, found.weights, *families.representatives(found, count))
        drawn = [
            families.approximation_error(values, found.weights, *families.sampled(jax.random.key(i), found, count))
            for i in range(200)
        ]
        errors.append(f"| {count} | {chosen:.3f} | {np.mean(drawn):.3f} |\n")
    text = (
        f"Scores are normalised in each context, 0 at the random policy's return and 1 at 500. {len(found.weights)} "
        f"contexts, {EPISODES} episodes each, {seeds} seeds of trained methods. Kendall's tau of default and family: "
        f"{tau:.2f}; equal scores share a place.\n\n"
        "Chance that a ranking by k contexts, drawn by their probabilities, differs from the family's:\n\n"
        f"| k | a pair is exchanged | another is best |\n| --- | --- | --- |\n{lines}\n"
        "Mean error of a family score from few contexts, k-medoids (M3) and drawn ones (M2, and M1 for one):\n\n"
        f"| contexts | medoids | drawn |\n| --- | --- | --- |\n{''.join(errors)}"
    )
    pairs = [one.pairs for one in flips]
    claim = (
        "Methods ranked on the default instance are ranked otherwise over the family, and the chance of a flip falls "
        "with the number of contexts."
    )
    columns = ["method", "default score", "place", "family score", "place in the family"]
    shown = tau < 1 and pairs == sorted(pairs, reverse=True)
    return Study(
        "Task underspecification: a family of CartPoles", "arXiv:2210.08607", claim, columns, rows, shown, text
    )
