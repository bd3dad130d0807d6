"""Effective horizon: cases worked out by hand, and lookahead found again by brute force."""

import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs import tabular
from jaxrl.measures.horizon import effective_horizon


def process(following, reward, start: int = 0) -> tabular.MDP:
    """Deterministic: following and reward are [S, A]."""
    following = np.asarray(following)
    transition = np.eye(len(following), dtype=np.float32)[following]
    return tabular.MDP(transition, np.asarray(reward, np.float32), np.eye(len(following))[start], 1.0)


def test_one_state_by_hand():
    mdp = process([[0, 0]], [[0.0, 1.0]])
    # Random behaviour earns 49.5 more in the 99 steps that follow, the best 99, the worst nothing; the gap is one.
    rollouts = np.ceil(16 * 49.5 * 99 * np.log(2 * 100 * 2))
    found = effective_horizon(mdp, 100)
    assert found.look == 1 and found.bound == pytest.approx(1 + np.log2(rollouts), rel=1e-5)
    assert effective_horizon(mdp, 2) == (1, 2.0)


def test_random_behaviour_can_mislead():
    # Left leads to a sure 0.6, right to a choice of 1 or 0, whose average is less.
    mdp = process([[1, 2], [3, 3], [3, 3], [3, 3]], [[0, 0], [0.6, 0.6], [1, 0], [0, 0]])
    assert effective_horizon(mdp, 2).look == 2
    assert effective_horizon(mdp, 2, most=1).look == 0


def test_walking_down_a_chain_needs_no_lookahead():
    found = effective_horizon(tabular.chain(4), 12)
    assert found.look == 1 and found.bound <= 12


@pytest.mark.parametrize("seed", range(3))
def test_lookahead_by_brute_force(seed):
    draw = np.random.default_rng(seed)
    states, actions, horizon = 4, 2, 5
    following, reward = draw.integers(states, size=(states, actions)), draw.integers(-3, 4, size=(states, actions))

    def q(state, time, look):
        """Q after look - 1 backups of random behaviour's."""
        if time == horizon:
            return np.zeros(actions)
        onward = [q(following[state, a], time + 1, look - 1) for a in range(actions)]
        return reward[state] + np.array([values.max() if look > 1 else values.mean() for values in onward])

    def sound(state, time, look):
        if time == horizon:
            return True
        values, best = q(state, time, look), q(state, time, horizon)
        picks = np.flatnonzero(values >= values.max() - 1e-9)
        return all(best[a] >= best.max() - 1e-9 and sound(following[state, a], time + 1, look) for a in picks)

    expected = next(look for look in range(1, horizon + 1) if sound(0, 0, look))
    assert effective_horizon(process(following, reward), horizon).look == expected


def test_only_deterministic_tasks():
    with pytest.raises(InputError, match="of deterministic tasks"):
        effective_horizon(tabular.grid("OO\nOG", slip=0.2), 5)
    with pytest.raises(InputError, match="horizon is 0"):
        effective_horizon(tabular.chain(3), 0)
