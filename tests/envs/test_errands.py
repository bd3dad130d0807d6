"""Errands: sites count in their turn only, the tables agree with the map, and the expert's way is the shortest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs import errands
from jaxrl.envs.control import State
from jaxrl.evaluation import rollout

ORDERS = [(0, 1, 2), (3, 0, 2)]
ENV = errands.errands(ORDERS)
STEP = jax.jit(lambda state, action: ENV.step(jax.random.key(0), ENV.params, state, action))


def at(row, column, count=0, time=0):
    """On the way through the first order, on that cell."""
    cell = int(np.flatnonzero((errands.MAP.cells == (row, column)).all(1))[0])
    return State(errands.Place(jnp.int32(cell), jnp.array(ORDERS[0]), jnp.int32(count)), jnp.int32(time))


def test_tables_agree_with_the_map():
    lines = errands.LAYOUT.splitlines()
    assert len(errands.MAP.cells) == sum(line.count(one) for line in lines for one in ".ABCD")
    for name, site in zip(errands.NAMES, errands.MAP.sites, strict=True):
        row, column = errands.MAP.cells[site]
        assert lines[row][column] == name
    for cell, follow in zip(errands.MAP.cells, errands.MAP.follow, strict=True):
        for move, after in zip(errands.MOVES, follow, strict=True):
            row, column = cell + move
            expected = cell if lines[row][column] == "#" else (row, column)
            assert (errands.MAP.cells[after] == expected).all()


def test_a_site_counts_in_its_turn_only_and_the_last_one_ends():
    for count, row, column, action, reward, over in [
        (0, 1, 2, 2, 1.0, 0.0),  # A, asked for first
        (1, 1, 2, 2, 0.0, 0.0),  # A, asked for before
        (0, 1, 6, 3, 0.0, 0.0),  # B, asked for later
        (2, 7, 2, 2, 1.0, 1.0),  # C, the last
    ]:
        after = STEP(at(row, column, count), jnp.int32(action))[1]
        assert (after.reward, after.terminated) == (reward, over)
    assert STEP(at(1, 2, 0, errands.HORIZON - 1), jnp.int32(0))[1].truncated == 1
    assert STEP(at(1, 2, 0, errands.HORIZON - 2), jnp.int32(0))[1].truncated == 0


def test_observation_shows_the_cell_and_what_is_left():
    after = STEP(at(1, 2), jnp.int32(2))[1]
    cells = len(errands.MAP.cells)
    assert after.obs[:cells].nonzero()[0].tolist() == [errands.MAP.sites[0]]
    left = np.asarray(after.obs[cells:]).reshape(3, 4)
    np.testing.assert_array_equal(left, np.eye(4)[[1, 2, 0]] * [[1], [1], [0]])
    short = errands.errands(ORDERS, shown="next")
    seen = jax.jit(short.step)(jax.random.key(0), short.params, at(1, 2), jnp.int32(2))[1].obs
    assert seen.nonzero()[0].tolist() == [errands.MAP.sites[0], cells + errands.MAP.sites[1]]


def test_expert_completes_every_order_by_the_shortest_way_and_a_stray_walker_takes_longer():
    run = lambda policy: jax.jit(lambda key: rollout.evaluate(key, ENV, policy, 32))(jax.random.key(0))
    assert (run(errands.expert()) == 3).all()
    assert 0.5 < run(errands.distracted(0.8)).mean() < 2.5
    cell, steps = errands.MAP.start, 0
    for site in ORDERS[0]:
        while cell != errands.MAP.sites[site]:
            cell, steps = errands.MAP.follow[cell, errands.MAP.route[site, cell]], steps + 1
    # From the upper door: 5 steps to A, 10 through the door between the upper rooms to B, 12 to C.
    assert steps == 5 + 10 + 12


@pytest.mark.parametrize("orders", [[], [()], [(0, 1), (0, 1, 2)], [(0, 0, 1)], [(0, 4, 1)]])
def test_bad_orders_are_refused(orders):
    with pytest.raises(InputError, match="give"):
        errands.errands(orders)
