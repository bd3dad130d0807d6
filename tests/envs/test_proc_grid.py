"""Grid mazes by number: every level can be solved, levels differ, images show what there is, rules of a step hold."""

from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs import proc_grid
from jaxrl.envs.control import State
from jaxrl.evaluation import rollout

COUNT = 200
KINDS = {
    "narrow": proc_grid.Levels((0,), openness=0.0),
    "hazards": proc_grid.Levels((0,), openness=0.8, hazards=1.0),
}


@pytest.fixture(scope="module")
def made():
    """200 levels of each kind, from one compiled program."""
    many = jax.jit(jax.vmap(proc_grid.layout, (0, None)))
    numbers = np.arange(COUNT, dtype=np.uint32)
    return {name: jax.tree.map(np.asarray, many(numbers, kind)) for name, kind in KINDS.items()}


def breadth_first(able, start):
    """Steps from a cell to every cell, -1 where there is no way; able: [9, 9] bool."""
    steps = np.full(able.shape, -1)
    steps[start] = 0
    queue = deque([start])
    while queue:
        row, column = queue.popleft()
        for down, right in proc_grid.MOVES:
            other = row + down, column + right
            if able[other] and steps[other] < 0:
                steps[other] = steps[row, column] + 1
                queue.append(other)
    return steps


@pytest.mark.parametrize("kind", KINDS)
def test_every_level_can_be_solved_without_a_hazard(made, kind):
    levels = made[kind]
    for free, hazard, goal, key in zip(*levels, strict=True):
        able = free & ~hazard
        steps = breadth_first(able, divmod(int(goal), proc_grid.SIDE))
        assert goal != key and able.reshape(-1)[[goal, key]].all()
        assert (steps[able] >= 0).all()
    border = levels.free.copy()
    border[:, 1:-1, 1:-1] = False
    assert not border.any()


def test_kinds_of_levels_are_what_they_say_and_numbers_matter(made):
    rooms, bridges = proc_grid.ROOMS**2, proc_grid.ROOMS**2 - 1
    assert (made["narrow"].free.sum((1, 2)) == rooms + bridges).all()
    assert not made["narrow"].hazard.any()
    # Nine walls are left beside the tree, each a gap with probability 0.8, and here each gap is a hazard.
    gaps = made["hazards"].free.sum((1, 2)) - rooms - bridges
    assert gaps.mean() == pytest.approx(7.2, abs=0.3)
    assert (made["hazards"].hazard.sum((1, 2)) == gaps).all()
    assert len(np.unique(made["narrow"].free.reshape(COUNT, -1), axis=0)) > 0.95 * COUNT
    assert len(np.unique(made["narrow"].goal)) == rooms


def test_distances_and_first_moves_agree_with_a_search(made):
    levels = jax.tree.map(lambda x: x[:20], made["hazards"])
    able = levels.free & ~levels.hazard
    target = np.arange(81) == levels.goal[:, None]
    reach = np.asarray(jax.jit(proc_grid.distances)(able, target.reshape(able.shape)))
    for one, found, goal in zip(able, reach, levels.goal, strict=True):
        steps = breadth_first(one, divmod(int(goal), proc_grid.SIDE))
        np.testing.assert_array_equal(np.where(steps < 0, proc_grid.FAR, steps), found)


def test_expert_solves_all_kinds_in_one_compiled_program():
    env = proc_grid.proc_grid()
    run = jax.jit(lambda key, params: rollout.evaluate(key, env._replace(params=params), proc_grid.expert(), 32))
    for name, numbers in proc_grid.NAMES.items():
        kind = {"openness": 0.5, "hazards": 0.0, "locked": 0.0, **numbers}
        params = proc_grid.Levels(np.arange(100, dtype=np.uint32), **{k: np.float32(v) for k, v in kind.items()})
        assert run(jax.random.key(0), params).mean() == 1, name
    assert run._cache_size() == 1


def place(cell, wanted=1.0):
    """On a level made by hand: a row of free cells 10 ... 16, a hazard at 13, the key at 11, the goal at 15."""
    index = np.arange(81).reshape(9, 9)
    layout = proc_grid.Layout((index >= 10) & (index <= 16), index == 13, jnp.int32(15), jnp.int32(11))
    return State(proc_grid.Place(layout, jnp.int32(cell), jnp.float32(wanted)), jnp.int32(0))


def test_rules_of_a_step_and_the_image():
    env = proc_grid.proc_grid()
    cases = {  # (cell, key wanted, action) -> (cell, key wanted, reward, terminated)
        (12, 1.0, 2): (11, 0.0, 0.0, 0.0),  # takes the key
        (10, 1.0, 2): (10, 1.0, 0.0, 0.0),  # the wall on the left
        (10, 1.0, 0): (10, 1.0, 0.0, 0.0),  # the wall above
        (12, 0.0, 3): (13, 0.0, 0.0, 1.0),  # the hazard
        (14, 1.0, 3): (15, 1.0, 0.0, 0.0),  # the goal without the key
        (14, 0.0, 3): (15, 0.0, 1.0, 1.0),  # the goal
    }
    step = jax.jit(lambda state, action: env.step(jax.random.key(0), env.params, state, action))
    for (cell, wanted, action), expected in cases.items():
        state, timestep = step(place(cell, wanted), jnp.int32(action))
        found = state.values.cell, state.values.wanted, timestep.reward, timestep.terminated
        assert tuple(map(float, found)) == expected
        seen = dict(zip(proc_grid.CHANNELS, np.moveaxis(timestep.obs.reshape(9, 9, 5), -1, 0), strict=True))
        assert np.isin(timestep.obs, [0.0, 1.0]).all()
        assert seen["agent"].reshape(-1).nonzero()[0].tolist() == [expected[0]]
        assert seen["goal"].reshape(-1).nonzero()[0].tolist() == [15]
        assert seen["key"].reshape(-1).nonzero()[0].tolist() == ([11] if expected[1] else [])
        assert seen["hazard"].reshape(-1).nonzero()[0].tolist() == [13]
        assert seen["wall"].sum() == 81 - 7
    late = place(10)._replace(time=jnp.int32(proc_grid.HORIZON - 1))
    assert step(late, jnp.int32(0))[1].truncated == 1
    assert step(late._replace(time=late.time - 1), jnp.int32(0))[1].truncated == 0


def test_starts_cover_the_level_and_depend_on_the_key_alone():
    env = proc_grid.proc_grid("ProcGrid-KeysHazards-v0", seeds=[7])
    reset = jax.jit(jax.vmap(env.reset, (0, None)))
    keys = jax.random.split(jax.random.key(0), 500)
    states, first = reset(keys, env.params)
    np.testing.assert_array_equal(reset(keys[::-1], env.params)[1].obs[::-1], first.obs)
    levels = jax.tree.map(np.asarray, states.values.layout)
    assert (levels.free == levels.free[0]).all() and (levels.goal == levels.goal[0]).all()
    able = (levels.free[0] & ~levels.hazard[0]).reshape(-1)
    able[[levels.goal[0], levels.key[0]]] = False
    assert set(np.unique(states.values.cell)) == set(able.nonzero()[0])
