"""Point mazes: walls hold, every layout is connected, rewards are paid at the goal only."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs import maze, scripted
from jaxrl.envs.control import State


def position(env, obs):
    """Positions in cells of observations [..., D]."""
    return np.asarray(obs)[..., :2] * maze.CELLS + np.asarray(env.params.centre)


@pytest.mark.parametrize("name", maze.LAYOUTS)
def test_never_inside_a_wall_or_past_one_at_top_speed(name):
    env = maze.maze(name)

    def one(key):
        state, _ = env.reset(key, env.params)

        def step(state, index):
            held = jax.random.rademacher(jax.random.fold_in(key, index // 15), (2,), jnp.float32)
            state, timestep = env.step(key, env.params, state, held)
            return state, timestep.obs

        return jax.lax.scan(step, state, jnp.arange(500))[1]

    obs = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 200)))
    assert np.abs(obs[..., 2:]).max() == pytest.approx(1.0), "top speed was never reached"
    place = position(env, obs)
    for corner in np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * (maze.HALF - 1e-4):
        column, row = np.moveaxis(np.floor(place + corner + 0.5).astype(int), -1, 0)
        assert not env.params.walls[row, column].any()
    cells = np.round(place).astype(int)
    jumps = np.abs(np.diff(cells, axis=1))
    assert jumps.max() == 1
    between = (jumps.sum(axis=-1) == 2).nonzero()
    # Passing a corner within one step is only allowed where one of the two cells beside it is free.
    before, after = cells[:, :-1][between], cells[:, 1:][between]
    assert not (env.params.walls[before[:, 1], after[:, 0]] & env.params.walls[after[:, 1], before[:, 0]]).any()


def test_stops_at_a_wall_and_slides_along_it():
    env = maze.maze("PointMaze-UMaze-v0")
    values = np.concatenate([(np.array([1.0, 3.0]) - env.params.centre) / maze.CELLS, [0, 0]])
    state = State(jnp.asarray(values, jnp.float32), jnp.int32(0))
    for _ in range(5):
        state, timestep = env.step(jax.random.key(0), env.params, state, jnp.array([0.3, -1.0]))
    x, y = position(env, timestep.obs)
    assert y == pytest.approx(2.5 + maze.HALF, abs=5e-3)
    assert 1.3 < x < 2.4
    assert timestep.obs[3] == 0


@pytest.mark.parametrize("name", maze.LAYOUTS)
def test_starts_cover_all_free_cells_evenly(name):
    env = maze.maze(name)
    obs = jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(1), 5000), env.params)[1].obs
    cells, counts = np.unique(np.round(position(env, obs)), axis=0, return_counts=True)
    free = np.argwhere(~env.params.walls)
    assert {(row, column) for column, row in cells.astype(int).tolist()} == set(map(tuple, free.tolist()))
    expected = 5000 / len(free)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert np.abs(obs).max() < 3


@pytest.mark.parametrize("name", maze.LAYOUTS)
def test_every_cell_is_connected_to_every_other(name):
    walls, _ = maze.parse(maze.LAYOUTS[name][0])
    cells, route = scripted.routes(walls)
    for target in range(len(cells)):
        at = np.arange(len(cells))
        for _ in cells:
            following = route[target, at]
            assert (np.abs(cells[following] - cells[at]).sum(axis=1) <= 1).all()
            at = following
        assert (at == target).all()


def test_reward_within_the_radius_only_and_goal_is_traced():
    env = maze.maze("PointMaze-Medium-v0")
    goals = jnp.asarray(env.params.goal[None] + np.array([[0.0, 0.0], [0.4, 0.4], [0.65, 0.0], [4.0, 0.0]]))
    values = jnp.concatenate([(jnp.asarray(env.params.goal) - env.params.centre) / maze.CELLS, jnp.zeros(2)])
    step = lambda goal: env.step(
        jax.random.key(0), env.params._replace(goal=goal), State(values, jnp.int32(148)), jnp.zeros(2)
    )
    timestep = jax.vmap(step)(goals)[1]
    assert timestep.reward.tolist() == [1, 1, 0, 0]
    assert not timestep.terminated.any()
    assert not timestep.truncated.any()
    last = env.step(jax.random.key(0), env.params, State(values, jnp.int32(149)), jnp.zeros(2))[1]
    assert last.truncated == 1
