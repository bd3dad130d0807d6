"""SS-ORL: what its inverse model sees, what it may learn from, and its reductions to TD3+BC."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrl
from jaxrl import registry
from jaxrl.algorithms.offline import ss_orl
from jaxrl.compose.inverse import inverse
from jaxrl.core.check import InputError
from jaxrl.core.types import Dataset, Spec
from jaxrl.data import mixtures, transitions
from jaxrl.data.dataset import Arrays, from_arrays
from tests import made

pytestmark = pytest.mark.slow
"""They compile for minutes together."""

SMALL = {"updates": 4, "episodes": 1, "batch": 8, "width": 8, "seeds": 2}
PLAN = {"inverse_updates": 3, "inverse_width": 8, "inverse_batch": 16}


def counted(episodes: int = 3, length: int = 4) -> Dataset:
    """Observations 1, 2, 3, ... that go on in the next episode."""
    count = episodes * length
    seen = np.arange(count, dtype=np.float32) + np.repeat(np.arange(episodes), length) + 1
    last = np.tile(np.arange(length) == length - 1, episodes)
    action = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
    zero = np.zeros(count, bool)
    return from_arrays(Arrays(seen[:, None], action, np.zeros(count), seen[:, None] + 1, zero, last, last))


def test_states_around_a_step_never_reach_into_the_episode_before():
    states = transitions.around(counted(), jnp.array([0, 1, 3, 4, 6]), history=2)
    np.testing.assert_array_equal(states, [[0, 0, 1, 2], [0, 1, 2, 3], [2, 3, 4, 5], [0, 0, 6, 7], [6, 7, 8, 9]])
    np.testing.assert_array_equal(transitions.around(counted(), jnp.array([3]), history=0), [[4, 5]])


def test_whole_labelled_episodes_are_held_out_and_others_are_never_drawn():
    data = counted(episodes=20)
    labels = jnp.repeat((jnp.arange(20) % 2 == 0).astype(jnp.float32), 4)
    split = transitions.split(jax.random.key(0), data, labels, 0.2, 50)
    learned = set(np.asarray(split.rows[: split.count]).tolist())
    held = set(np.asarray(split.held).tolist())
    episodes = lambda rows: {row // 4 for row in rows}
    assert int(split.count) == 32 and len(learned) == 32 and not learned & held
    assert len(episodes(learned)) == 8 and len(episodes(held)) == 2
    assert all(bool(labels[row] > 0) for row in learned | held)
    drawn = transitions.drawn(jax.random.key(1), split.rows, split.count, 400)
    assert set(np.asarray(drawn).tolist()) == learned


def test_a_single_labelled_episode_serves_for_both():
    labels = jnp.repeat(jnp.array([0.0, 1.0, 0.0]), 4)
    split = transitions.split(jax.random.key(0), counted(), labels, 0.1, 10)
    assert sorted(np.asarray(split.rows[: split.count])) == [4, 5, 6, 7]
    assert set(np.asarray(split.held).tolist()) <= {4, 5, 6, 7}


def test_logged_actions_stay_and_the_next_ones_follow_the_filled_in():
    data = counted()
    new = ss_orl.acted(data, jnp.arange(12.0)[:, None])
    np.testing.assert_array_equal(new.steps.next_action[:, 0], [1, 2, 3, 3, 5, 6, 7, 7, 9, 10, 11, 11])
    same = ss_orl.acted(data, data.steps.action)
    np.testing.assert_array_equal(same.steps.next_action, data.steps.next_action)


def test_filling_in_keeps_what_is_known_and_chunks_do_not_matter():
    data, spec = counted(), Spec("line", 1, 1, 4)
    data = ss_orl.hiding(data, 0.5)
    hyper = ss_orl.Hyper()
    model = inverse(spec, 1, width=8)
    state = model.init(jax.random.key(0), hyper)
    whole, cut = (ss_orl.filled(model, state, data, 1, chunk) for chunk in (100, 5))
    np.testing.assert_allclose(whole, cut, atol=1e-6)
    known = np.asarray(data.steps.extras[mixtures.LABELLED]) > 0
    np.testing.assert_array_equal(whole[known], data.steps.action[known])
    guess = model.predict(state, transitions.around(data, jnp.flatnonzero(~known), 1))
    np.testing.assert_allclose(whole[~known], guess, atol=1e-6)


def test_where_nothing_is_hidden_it_is_td3_bc_bit_for_bit():
    ours = jaxrl.sweep("ss_orl", made.task(), hidden=0.0, **SMALL, **PLAN)
    theirs = jaxrl.sweep("td3_bc", made.task(), **SMALL)
    for a, b in zip(jax.tree.leaves(ours._state), jax.tree.leaves(theirs._state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_hidden_actions_are_never_seen():
    card = registry.card("ss_orl")
    task = card.prepare(made.task(), hidden=0.7)
    steps = task.dataset.steps
    hide = (steps.extras[mixtures.LABELLED] == 0)[:, None]
    other = task.dataset._replace(
        steps=steps._replace(action=jnp.where(hide, 0.5, steps.action), next_action=jnp.zeros_like(steps.next_action))
    )
    runs = [jaxrl.sweep("ss_orl", task._replace(dataset=d), **SMALL, **PLAN) for d in (task.dataset, other)]
    for a, b in zip(*(jax.tree.leaves(run._state) for run in runs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_network_that_did_best_on_held_out_steps_is_kept():
    spec, hyper = Spec("line", 1, 1, 4), ss_orl.Hyper(inverse_lr=0.05)
    model = inverse(spec, 0, width=8, check_every=1)
    task = registry.card("ss_orl").prepare(made.task(obs=1))
    split = transitions.split(jax.random.key(0), task.dataset, mixtures.labels(task.dataset), 0.1, 8)
    source = ss_orl.labelled_states(task.dataset, split, 0, 8)
    _, batch = source.next(jax.random.key(0), (), None)
    state, errors, update = model.init(jax.random.key(1), hyper), [], jax.jit(model.update)
    for i in range(6):
        wrong = batch._replace(action=-batch.action)  # so that the loss on the held-out steps turns
        state, _ = update(jax.random.key(i), hyper, state, batch if i < 3 else wrong)
        errors.append(float(state.error))
    assert errors == sorted(errors, reverse=True) and np.isfinite(errors).all()
    assert errors[-1] == errors[2] or errors[-1] < errors[2]


@pytest.mark.parametrize("hidden", [-0.1, 1.0, 2.0])
def test_a_share_that_is_none_is_refused_in_one_line(hidden):
    with pytest.raises(InputError, match=r"^setting hidden=.* must be a share of at least 0 and below 1, such as 0.9$"):
        jaxrl.sweep("ss_orl", made.task(), hidden=hidden, **SMALL, **PLAN)
