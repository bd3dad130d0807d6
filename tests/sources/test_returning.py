"""Rows that learn their return: numbers by hand, rows of unfinished episodes, rings that are full."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.types import Spec, blank_batch
from jaxrl.data import lower_bounds
from jaxrl.data.dataset import from_arrays
from jaxrl.sources.returning import returning
from tests import made

SPEC = Spec("made up", 2, 1, 10, False, (-1.0,), (1.0,))


def stored(rewards, terminated, truncated, capacity=16, discount=0.5, after=-8.0):
    """The returns in a ring of two environments after steps of [T, 2] rewards and flags; [columns, 2]."""
    buffer = returning(discount, after, 10)(4, capacity=capacity, envs=2)
    store = buffer.init(jax.tree.map(lambda x: x[0], blank_batch(SPEC, 1)))
    row = blank_batch(SPEC, 2)
    for step in zip(*map(jnp.asarray, (rewards, terminated, truncated)), strict=True):
        reward, end, cut = (x.astype(jnp.float32) for x in step)
        store = buffer.add(store, row._replace(reward=reward, terminated=end, truncated=cut))
    return buffer, store


def test_returns_are_known_once_an_episode_is_over_and_not_before():
    rewards = [[1, 1], [2, 1], [4, 1], [8, 1]]
    terminated = [[0, 0], [0, 0], [1, 0], [0, 0]]
    truncated = [[0, 0], [0, 1], [0, 0], [0, 0]]
    buffer, store = stored(rewards, terminated, truncated)
    got = np.asarray(store.ring.rows.extras["to_go"])[:4]
    none = -np.inf
    # The second environment's is cut, after which -8 follows: 1 + 0.5 (-8) = -3, and 1 + 0.5 (-3).
    np.testing.assert_allclose(got, [[3, -0.5], [4, -3], [4, none], [none, none]])
    _, batch = buffer.draw(jax.random.key(0), store)
    assert set(batch.extras) == {"to_go"} and batch.extras["to_go"].shape == (4,)


def test_a_full_ring_goes_on_telling_the_rows_it_has():
    """Three columns, episodes of four steps: the first row of each is gone when its return is known."""
    rewards = np.arange(1, 9)[:, None] * np.ones((1, 2))
    over = np.tile([[0], [0], [0], [1]], (2, 2))
    _, store = stored(rewards, over, 0 * over, capacity=6)
    got = np.asarray(store.ring.rows.extras["to_go"])[:, 0]
    by_hand = {5: 6 + 0.5 * 7 + 0.25 * 8, 6: 7 + 0.5 * 8, 7: 8}  # column of a step: its place modulo three
    np.testing.assert_allclose(got, [by_hand[6], by_hand[7], by_hand[5]])


def test_logged_lower_bounds_by_hand_and_for_the_smallest_reward_for_ever():
    arrays = made.arrays(episodes=2, length=3)._replace(reward=np.float32([1, 2, 4, 1, 1, 2]))
    data = from_arrays(arrays)  # the first episode ends, the second is cut; 1 / (1 - 0.5) = 2 follows it
    np.testing.assert_allclose(lower_bounds.to_go(data, 0.5), [3, 4, 4, 2.25, 2.5, 3])
    assert float(lower_bounds.worst(data, 0.5)) == 2
    never = from_arrays(made.arrays(episodes=2, length=3)._replace(reward=np.full(6, -1, np.float32)))
    np.testing.assert_allclose(lower_bounds.to_go(never, 0.9)[3:], -10, rtol=1e-5)
    assert set(lower_bounds.labelled(data, data.steps.reward).steps.extras) == {"to_go"}


@pytest.mark.parametrize("discount", [0.5, 0.9])
def test_the_ring_and_the_data_agree(discount):
    arrays = made.arrays(episodes=2, length=4)
    data = from_arrays(arrays)
    after = float(lower_bounds.worst(data, discount))
    both = lambda x: np.stack([x, x], 1)
    steps = [both(np.asarray(x, np.float32)) for x in (arrays.reward, arrays.terminated, arrays.truncated)]
    _, store = stored(*steps, discount=discount, after=after)
    got = np.asarray(store.ring.rows.extras["to_go"])[:, 0]
    np.testing.assert_allclose(got, lower_bounds.to_go(data, discount), rtol=1e-4, atol=1e-5)
