"""Goal-conditioned systems: hindsight by hand, features as in the paper, distances in a chain, directions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.algorithms.goal import hilp
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Spec, Transition, first_steps
from jaxrl.data import goals as hindsight
from jaxrl.data.dataset import from_arrays
from jaxrl.envs import goals as envs
from jaxrl.envs import maze
from jaxrl.networks.basic import Network
from jaxrl.sources.goals import goals
from tests import made

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SPEC = Spec("made up, goals", 6, 2, 10, False, (-1.0, -1.0), (1.0, 1.0))


@functools.cache
def logged() -> Dataset:
    """Three episodes of five steps, three observations, two actions."""
    return from_arrays(made.arrays(3, 5, 3, 2))


def test_goals_come_from_the_step_its_future_or_anywhere_in_the_shares_asked_for():
    index = jnp.full(4_000, 6)
    draw = lambda seed=0, **shares: np.asarray(
        hindsight.drawn(jax.random.key(seed), logged(), index, **{"discount": 0.5, **shares})
    )
    assert (draw(current=1.0, future=0.0) == 6).all()
    counts = np.bincount(draw(current=0.0, future=1.0), minlength=15) / 4_000
    np.testing.assert_allclose(counts[[7, 8, 9]], [0.5, 0.25, 0.25], atol=0.03)
    assert counts[[7, 8, 9]].sum() == 1, "cut at the episode's end"
    np.testing.assert_allclose(np.bincount(draw(current=0.0, future=0.0), minlength=15) / 4_000, 1 / 15, atol=0.02)
    mixed = np.bincount(draw(current=0.2, future=0.5), minlength=15) / 4_000
    np.testing.assert_allclose(mixed[[6, 7, 0]], [0.2 + 0.02, 0.25 + 0.02, 0.02], atol=0.03)


def test_batches_show_state_and_goal_and_end_where_they_are_the_same():
    source = goals(logged(), 256, current=0.3, future=0.5)
    _, batch = jax.jit(source.next)(jax.random.key(1), (), None)
    here, goal = np.split(np.asarray(batch.obs), 2, 1)
    ahead, same = np.split(np.asarray(batch.next_obs), 2, 1)
    np.testing.assert_array_equal(goal, same)
    rows = [int(np.flatnonzero((np.asarray(logged().steps.obs) == one).all(1))[0]) for one in here]
    np.testing.assert_array_equal(ahead, np.asarray(logged().steps.next_obs)[rows])
    reached = (here == goal).all(1)
    assert 0.25 < reached.mean() < 0.45
    np.testing.assert_array_equal(batch.terminated, reached)
    np.testing.assert_array_equal(batch.reward, reached - 1.0)


@pytest.mark.parametrize("wrong", [{"current": 0.6, "future": 0.6}, {"future": -0.1}, {"discount": 1.0}])
def test_shares_that_are_none_are_refused(wrong):
    with pytest.raises(InputError, match=r"make (it|them)"):
        goals(logged(), 8, **wrong)


def test_a_task_without_goals_is_asked_for_its_best_state_and_one_with_goals_keeps_them():
    task = made.task("Pendulum-v1")
    ready = hindsight.asked(task)
    _, shown = ready.env.reset(jax.random.key(0), ready.env.params)
    _, plain = task.env.reset(jax.random.key(0), task.env.params)
    best = np.asarray(task.dataset.steps.next_obs)[int(task.dataset.steps.reward.argmax())]
    assert ready.env.spec.obs == 6 and ready.dataset.steps.obs.shape[1] == 3
    raw = np.asarray(shown.obs) * np.asarray(ready.scaler.std) + np.asarray(ready.scaler.mean)
    np.testing.assert_allclose(raw, np.concatenate([plain.obs, best]), rtol=1e-4, atol=1e-5)
    many = task._replace(env=envs.reaching(task.env, 0.5))
    assert hindsight.asked(many).env.spec.obs == 6
    starts = jnp.stack([hindsight.asked(many).env.reset(jax.random.key(i), hindsight.asked(many).env.params)[1].obs
                        for i in range(3)])  # fmt: skip
    assert float(starts[:, 3:].std(0).min()) > 0.01, "goals differ"
    with pytest.raises(InputError, match="shows 4 numbers and the data of made/up-v0 3"):
        hindsight.asked(task._replace(env=made.task("CartPole-v1").env))


def test_a_goal_pays_where_it_is_near():
    env = envs.reaching(maze.maze("PointMaze-UMaze-v0"), 0.3)
    (inner, goal), timestep = env.reset(jax.random.key(0), env.params)
    np.testing.assert_array_equal(timestep.obs[4:], goal)
    for place, paid in ((goal, 1.0), (goal.at[0].add(0.5), 0.0)):
        _, after = env.step(jax.random.key(1), env.params, (inner._replace(values=place), goal), jnp.zeros(2))
        assert float(after.reward) == paid and after.obs.shape == (8,)


def test_features_by_hand():
    """Loss and target of one batch, term by term (specification B6)."""
    phi = Network(lambda key: jax.random.normal(key, (2, 3, 2)), lambda p, obs: jnp.einsum("eds,...d->e...s", p, obs))
    init, update = hilp.features(phi)
    hyper = hilp.Hyper(discount=0.9, feature_expectile=0.8)
    state = init(jax.random.key(0), hyper)
    state = state._replace(target={"feature": state.params["feature"] + 0.3})
    source = goals(logged(), 32, current=0.2, future=0.4)
    _, batch = jax.jit(source.next)(jax.random.key(1), (), None)
    _, metrics = jax.jit(update)(jax.random.key(2), hyper, state, batch)
    value = lambda p, obs: -np.linalg.norm(obs[:, :3] @ p - obs[:, 3:] @ p, axis=-1).clip(1e-3)
    old, now = (np.asarray(x) for x in (state.target["feature"], state.params["feature"]))
    obs, following, reward = (np.asarray(x) for x in (batch.obs, batch.next_obs, batch.reward))
    going = 0.9 * (1 - np.asarray(batch.terminated))
    nexts = np.stack([value(p, following) for p in old])
    advantage = reward + going * nexts.min(0) - np.mean([value(p, obs) for p in old], 0)
    side = np.where(advantage >= 0, 0.8, 0.2)
    assert 0 < (advantage >= 0).mean() < 1
    losses = sum(side * (reward + going * nexts[i] - value(now[i], obs)) ** 2 for i in range(2))
    assert float(metrics["feature"]["loss"]) == pytest.approx(losses.mean(), rel=1e-4)


@functools.cache
def small():
    algo = hilp.learner(SPEC, width=8, depth=1, size=4)
    return algo, jax.jit(algo.init)(jax.random.key(0), hilp.Hyper())


def test_the_policy_is_asked_for_the_direction_to_the_goal():
    algo, state = small()
    obs = jax.random.normal(jax.random.key(1), (5, 6))
    action, _ = algo.policy(hilp.Hyper(), state).act(jax.random.key(0), first_steps(obs), ())
    again, _ = algo.policy(hilp.Hyper(), state).act(jax.random.key(0), first_steps(obs[0]), ())
    np.testing.assert_allclose(action[0], again, rtol=1e-5)
    unit = hilp.toward(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0]]))
    np.testing.assert_allclose(unit, [[0.6, 0.8]], rtol=1e-6)
    moved, _ = algo.policy(hilp.Hyper(), state).act(jax.random.key(0), first_steps(obs.at[:, 3:].multiply(-1)), ())
    assert np.abs(moved - action).max() > 1e-4


def test_directions_are_drawn_anew_in_every_update():
    """The fault of the released code: the same directions in all updates."""
    algo, state = small()
    _, batch = goals(logged(), 16).next(jax.random.key(1), (), None)
    update = jax.jit(algo.update)
    first, second, same = (update(jax.random.key(i), hilp.Hyper(), state, batch)[0].skills.params for i in (0, 1, 0))
    equal = lambda a, b: all(bool((x == y).all()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    assert equal(first, same) and not equal(first, second)


def test_the_midpoint_halves_the_way():
    states = jnp.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [4.0, 0.0]])
    assert int(hilp.midpoint(states[0], states[2], states)) == 1


def test_features_of_a_chain_are_its_distances():
    """20 states, steps to both sides; minus the value is (1 - 0.9^n) / 0.1 at n steps (acceptance check: within 10 %
    on average, and in order)."""
    size, count = 20, 4_000
    draw = np.random.default_rng(0)
    step = draw.choice([-1, 1], count)
    state = np.zeros(count + 1, int)
    for i in range(count):
        state[i + 1] = np.clip(state[i] + step[i], 0, size - 1)
    eye = np.eye(size, dtype=np.float32)
    flag, last = np.zeros(count, np.float32), np.full(count, count - 1)
    rows = Transition(eye[state[:-1]], step[:, None], flag, eye[state[1:]], step[:, None], flag, flag, flag + 1)
    data = Dataset(jax.tree.map(jnp.asarray, rows), jnp.asarray(last))
    phi = Network(
        lambda key: 0.1 * jax.random.normal(key, (2, size, 16)), lambda p, obs: jnp.einsum("eds,...d->e...s", p, obs)
    )
    init, update = hilp.features(phi)
    hyper = hilp.Hyper(discount=0.9, feature_lr=0.02, feature_expectile=0.95, polyak=0.05)
    source = goals(data, 512, future=0.3, discount=0.9)

    def one(i, carry):
        _, batch = source.next(jax.random.fold_in(jax.random.key(1), i), (), None)
        near = jnp.abs(batch.obs - batch.next_obs).sum(-1)
        same = (batch.obs[:, :size] * batch.obs[:, size:]).sum(-1)
        batch = batch._replace(reward=same - 1, terminated=same, weight=jnp.ones_like(near))
        return update(jax.random.fold_in(jax.random.key(2), i), hyper, carry, batch)[0]

    state = jax.jit(lambda: jax.lax.fori_loop(0, 3_000, one, init(jax.random.key(0), hyper)))()
    embedded = np.asarray(state.params["feature"][0])
    found = np.linalg.norm(embedded[:, None] - embedded[None], axis=-1)
    steps = np.abs(np.arange(size)[:, None] - np.arange(size)[None])
    exact = (1 - 0.9**steps) / 0.1
    off = steps > 0
    assert np.abs(found / np.maximum(exact, 1e-9) - 1)[off].mean() < 0.1
    assert np.corrcoef(found[off], exact[off])[0, 1] > 0.97
