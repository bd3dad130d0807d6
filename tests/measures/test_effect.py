"""The finding of arXiv:2111.04714 in a maze with tables: imitation follows TQ, Q-learning follows SACo.

The table of Q-learning starts from random values, as a network does; what was never logged keeps them.
"""

import jax
import numpy as np
from scipy import stats

from jaxrl.core.types import Reference
from jaxrl.envs import tabular
from jaxrl.measures.coverage import saco
from jaxrl.measures.quality import trajectory_quality

MAZE = tabular.grid("OOOOO\nO###O\nOOOOO\nO#O#O\nOOOOG")
STATES, ACTIONS = MAZE.reward.shape
HORIZON, EPISODES, DISCOUNT = 40, 30, 0.95
FOLLOWING = np.asarray(MAZE.transition).argmax(-1)
BEST = np.asarray(tabular.greedy(tabular.value_iteration(jax.tree.map(jax.numpy.asarray, MAZE))))
RANDOM = np.full((STATES, ACTIONS), 1 / ACTIONS)


def value(policy) -> float:
    """Expected undiscounted return from the first cell."""
    v = np.zeros(STATES)
    for _ in range(HORIZON):
        v = (policy * (MAZE.reward + v[FOLLOWING])).sum(1)
    return float(v[0])


REFERENCE = Reference(value(RANDOM), value(BEST), "given", "")


def walked(draw, *policies):
    """(pairs [n, 2], returns [EPISODES]) of episodes from the first cell that take turns in these policies."""
    which = np.arange(EPISODES) % len(policies)
    state, pairs, returns = np.zeros(EPISODES, int), [], np.zeros(EPISODES)
    for _ in range(HORIZON):
        chance = np.stack(policies)[which, state].cumsum(1)
        action = (draw.random((EPISODES, 1)) > chance).sum(1).clip(max=ACTIONS - 1)
        pairs.append(np.stack([state, action], 1))
        returns += MAZE.reward[state, action]
        state = FOLLOWING[state, action]
    return np.concatenate(pairs), returns


def imitation(pairs) -> float:
    """Score of acting as often as logged, at random where nothing was."""
    counts = np.zeros((STATES, ACTIONS))
    np.add.at(counts, tuple(pairs.T), 1)
    total = counts.sum(1, keepdims=True)
    return score(np.where(total > 0, counts / np.maximum(total, 1), RANDOM))


def q_learning(draw, pairs) -> float:
    """Score of the greedy policy of Q, learned where there are data."""
    q = draw.normal(size=(STATES, ACTIONS)) / (1 - DISCOUNT)
    state, action = np.unique(pairs, axis=0).T
    for _ in range(150):
        q[state, action] = MAZE.reward[state, action] + DISCOUNT * q[FOLLOWING[state, action]].max(1)
    return score(np.eye(ACTIONS)[q.argmax(1)])


def score(policy) -> float:
    return (value(policy) - REFERENCE.low) / (REFERENCE.high - REFERENCE.low)


def softened(rate: float):
    return (1 - rate) * BEST + rate * RANDOM


def test_anchors():
    draw = np.random.default_rng(0)
    replay, _ = walked(draw, *(softened(rate) for rate in np.linspace(1, 0, 10)))
    pairs, returns = walked(draw, BEST)
    assert trajectory_quality(returns, REFERENCE) == 1 and saco(pairs, replay) < 0.2
    assert saco(replay, replay) == 1 and imitation(pairs) == 1
    many = np.concatenate([walked(draw, RANDOM)[1] for _ in range(30)])
    assert abs(trajectory_quality(many, REFERENCE)) < 0.02


def test_imitation_follows_quality_and_q_learning_coverage():
    draw = np.random.default_rng(1)
    replay, _ = walked(draw, *(softened(rate) for rate in np.linspace(1, 0, 10)))
    rates = (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    mixtures = [(softened(rate),) for rate in rates] + [(BEST, RANDOM), (BEST, softened(0.5)), (BEST, BEST, RANDOM)]
    rows = []
    for policies in mixtures:
        pairs, returns = walked(draw, *policies)
        learned = np.mean([q_learning(draw, pairs) for _ in range(15)])
        rows.append((trajectory_quality(returns, REFERENCE), saco(pairs, replay), imitation(pairs), learned))
    tq, covered, imitated, learned = np.array(rows).T
    assert len(rows) == 15 and np.corrcoef(tq, imitated)[0, 1] > 0.8
    # Coverage acts as a threshold, so ranks show it and a straight line less.
    assert stats.spearmanr(covered, learned)[0] > 0.8 and stats.spearmanr(tq, learned)[0] < 0
