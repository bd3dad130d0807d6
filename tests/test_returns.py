"""Returns by hand numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.returns import discounted, gae, n_step

REWARD = jnp.asarray([1.0, 2.0, 3.0, 4.0])
VALUE = jnp.asarray([0.5, 1.0, 1.5, 2.0])
AHEAD = jnp.asarray([1.0, 10.0, 2.0, 20.0])
TERMINATED = jnp.asarray([0.0, 1.0, 0.0, 0.0])
OVER = jnp.asarray([0.0, 1.0, 0.0, 1.0])


def test_with_lambda_zero_an_advantage_is_one_step_s_error():
    advantage, returns = gae(REWARD, VALUE, AHEAD, TERMINATED, OVER, 0.5, 0.0)
    np.testing.assert_allclose(advantage, [1 + 0.5 - 0.5, 2 - 1, 3 + 1 - 1.5, 4 + 10 - 2])
    np.testing.assert_allclose(returns, advantage + VALUE)


def test_traces_end_with_episodes_and_a_cut_one_is_bootstrapped():
    """Errors are 1, 1, 2.5, 12; the second step terminates, the fourth is cut, 0.5 x 0.8 goes back each step."""
    advantage, _ = gae(REWARD, VALUE, AHEAD, TERMINATED, OVER, 0.5, 0.8)
    np.testing.assert_allclose(advantage, [1 + 0.4 * 1, 1, 2.5 + 0.4 * 12, 12], rtol=1e-6)


def test_an_unfinished_episode_is_bootstrapped_at_the_batch_s_end_as_a_cut_one_is():
    unfinished = OVER.at[3].set(0.0)
    for one, other in zip(
        gae(REWARD, VALUE, AHEAD, TERMINATED, OVER, 0.9, 0.7),
        gae(REWARD, VALUE, AHEAD, TERMINATED, unfinished, 0.9, 0.7),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_with_lambda_one_advantages_are_returns_less_values():
    """Values between drop out: 1 + 0.5 x 2, 2, then 3 + 0.5 x (4 + 0.5 x 20), 4 + 0.5 x 20."""
    consistent = jnp.concatenate([VALUE[1:], AHEAD[3:]])
    advantage, returns = gae(REWARD, VALUE, consistent, TERMINATED, OVER, 0.5, 1.0)
    np.testing.assert_allclose(returns, [2, 2, 10, 14], rtol=1e-6)
    np.testing.assert_allclose(advantage, returns - VALUE, rtol=1e-6)


def test_environments_side_by_side_do_not_mix():
    two = [jnp.stack([x, y], 1) for x, y in ((REWARD, 7 * REWARD), (VALUE, -VALUE), (AHEAD, VALUE))]
    flags = [jnp.stack([x, 0 * x], 1) for x in (TERMINATED, OVER)]
    advantage, _ = gae(*two, *flags, 0.9, 0.95)
    alone, _ = gae(REWARD, VALUE, AHEAD, TERMINATED, OVER, 0.9, 0.95)
    np.testing.assert_allclose(advantage[:, 0], alone, rtol=1e-6)


def test_discounted_sums_begin_anew_after_an_episode():
    sums = discounted(REWARD[:, None], OVER[:, None], 0.5)
    np.testing.assert_allclose(sums[:, 0], [1, 2.5, 3, 5.5])


@pytest.mark.parametrize(
    ("terminated", "truncated", "total", "factor", "last"),
    [
        ([0, 0, 0], [0, 0, 0], 1 + 0.5 * 2 + 0.25 * 4, 0.125, 2),
        ([0, 1, 0], [0, 0, 0], 1 + 0.5 * 2, 0.0, 1),
        ([0, 0, 0], [0, 1, 0], 1 + 0.5 * 2, 0.25, 1),
        ([0, 0, 1], [1, 0, 0], 1.0, 0.5, 0),
        ([0, 1, 0], [0, 1, 0], 1 + 0.5 * 2, 0.0, 1),
        ([0, 0, 1], [0, 0, 1], 1 + 0.5 * 2 + 0.25 * 4, 0.0, 2),
    ],
)
def test_windows_stop_at_an_episode_s_end(terminated, truncated, total, factor, last):
    flags = (jnp.asarray([x], jnp.float32) for x in (terminated, truncated))
    got = n_step(jnp.asarray([[1.0, 2.0, 4.0]]), *flags, 0.5)
    np.testing.assert_allclose([float(x[0]) for x in got], [total, factor, last])
