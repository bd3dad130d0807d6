"""Windows inside episodes: where they begin, what their rows hold, and what is made of them again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Given, Scaler
from jaxrl.data import windows
from jaxrl.data.dataset import from_arrays
from jaxrl.sources.windows import remade, store
from tests import made

SPEC = made.task().env.spec


def data(episodes: int = 4, length: int = 20):
    """Episodes of which the even ones end terminally, the odd ones are cut."""
    return from_arrays(made.arrays(episodes, length))


def by_hand(episodes: int, length: int, window: int, stride: int):
    """Places where windows begin, from the rule's words."""
    found = []
    for episode in range(episodes):
        ended = episode % 2 == 0
        rows = length + ended
        chosen = {s for s in range(0, rows - window + 1) if s % stride == 0} | ({rows - window} if ended else set())
        found += [episode * length + s for s in sorted(chosen) if ended or s + window < rows]
    return found


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (4, 1), (5, 3), (8, 8), (20, 8), (21, 8)])
def test_windows_begin_where_the_rule_says_and_never_leave_an_episode(window, stride):
    dataset = data()
    found = windows.find(dataset, window, stride)
    starts = np.asarray(found.starts)[: int(found.count)]
    assert starts.tolist() == by_hand(4, 20, window, stride)
    ends = starts + window - 1
    ended = np.asarray(dataset.steps.terminated)[np.asarray(dataset.last)[starts]] > 0
    assert (ends <= np.asarray(dataset.last)[starts] + ended).all()
    assert (ends < np.asarray(dataset.last)[starts])[~ended].all(), "none ends with a step that was cut"


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (5, 3), (21, 8)])
def test_the_scaler_is_that_of_all_rows_of_all_windows(window, stride):
    dataset = data()
    found = windows.find(dataset, window, stride)
    rows = np.asarray(windows.rows(dataset, found.starts[: int(found.count)], window)).reshape(-1, 6)
    np.testing.assert_allclose(found.scaler.mean, rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.scaler.std, np.where(rows.std(0) > 0, rows.std(0), 1), rtol=1e-4)


def test_a_windows_steps_are_those_of_the_data_with_the_terminal_one():
    dataset = data()
    found = windows.find(dataset, 21, 1)
    scaled = found.scaler(windows.rows(dataset, jnp.asarray([0]), 21))
    steps = windows.transitions(found.scaler, scaled, SPEC)
    kept = dataset.steps
    assert steps.reward.shape == (1, 20) and steps.terminated[0].tolist() == [0.0] * 19 + [1.0]
    for name in ("obs", "reward", "next_obs"):
        np.testing.assert_allclose(getattr(steps, name)[0], getattr(kept, name)[:20], atol=1e-4)
    np.testing.assert_allclose(steps.action[0], np.clip(kept.action[:20], -0.999, 0.999), atol=1e-4)
    np.testing.assert_allclose(steps.obs[0, 1:], steps.next_obs[0, :-1])
    np.testing.assert_allclose(steps.next_action[0, :-1], steps.action[0, 1:])


def test_steps_after_a_made_end_weigh_nothing():
    scaler = Scaler(jnp.zeros(6), jnp.ones(6))
    rows = jnp.zeros((1, 5, 6)).at[0, 1, -1].set(1.0)
    steps = windows.transitions(scaler, rows, SPEC)
    assert steps.terminated[0].tolist() == [0, 1, 0, 0] and steps.weight[0].tolist() == [1, 1, 0, 0]


def test_batches_hold_logged_and_made_steps_and_the_store_is_renewed_with_the_policy():
    dataset = data()
    calls = []

    def make(key, policy):
        calls.append(policy)
        rows = windows.transitions(Scaler(jnp.zeros(6), jnp.ones(6)), jnp.zeros((3, 3, 6)), SPEC)
        steps = jnp.full((6,), 7.0 if policy is None else 9.0)
        return rows._replace(
            **{name: getattr(rows, name).reshape(6, *getattr(rows, name).shape[2:]) for name in rows._fields[:-1]},
        )._replace(reward=steps, weight=jnp.ones(6).at[0].set(0.0))

    source = remade(dataset, 8, make, real=2, lifetime=3)
    feed, seen = source.init(jax.random.key(0)), []
    for i in range(5):
        feed, batch = source.next(jax.random.key(i), feed, "policy")
        seen.append(float(batch.reward[0]))
        assert (batch.reward[:6] == batch.reward[0]).all() and (jnp.abs(batch.reward[6:]) < 6).all()
        assert (batch.weight == 1).all() and batch.reward.shape == (8,)
    assert seen == [7.0, 7.0, 7.0, 9.0, 9.0] and calls[0] is None and calls[1] == "policy"


def test_draws_of_windows_are_scaled_and_even():
    dataset = data()
    parts = store(SPEC, 5, 64, 1, 4096, 8, 0.25, 10)
    found = parts.find(Given(dataset))
    _, batch = parts.draw(Given(dataset), found).next(jax.random.key(0), (), None)
    rows = batch.extras["window"]
    assert rows.shape == (4096, 5, 6)
    np.testing.assert_allclose(rows.mean((0, 1)), 0, atol=0.1)
    np.testing.assert_allclose(rows.std((0, 1)), 1, atol=0.15)


def test_windows_longer_than_all_episodes_are_refused_with_the_longest_there_is():
    task = made.task()
    assert windows.check_horizon(task, 21) is task
    with pytest.raises(InputError, match=r"^window=22 is longer [^\n]*set window=21 or less$"):
        windows.check_horizon(task, 22)
