import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import Env, Policy, Spec, Timestep, reactive
from jaxrl.evaluation.rollout import episode, evaluate


def counting(horizon=10, ends_at=100, truncates=False) -> Env:
    """Reward is the action; obs is the time; reset adds noise to the second coordinate; poisoned after the end."""
    spec = Spec("Counting-v0", obs=2, action=1, horizon=horizon, low=(-1.0,), high=(1.0,))

    def reset(key, params):
        state = jnp.int32(0), jax.random.uniform(key, ())
        return state, Timestep(jnp.stack([0.0, state[1]]), jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def step(key, params, state, action):
        time = state[0] + 1
        over = jnp.float32(time == ends_at)
        reward = jnp.where(time > ends_at, jnp.nan, action[0])
        flags = (jnp.float32(0), over) if truncates else (over, jnp.float32(0))
        return (time, state[1]), Timestep(jnp.stack([jnp.float32(time), state[1]]), reward, *flags)

    return Env(spec, (), reset, step)


HALF = reactive(lambda key, obs: jnp.full((*obs.shape[:-1], 1), 0.5))


def test_return_is_the_sum_of_rewards_over_the_horizon():
    assert float(episode(jax.random.key(0), counting(), HALF)) == 5.0


@pytest.mark.parametrize("truncates", [False, True])
def test_nothing_counts_after_the_end(truncates):
    total = jax.jit(lambda key: episode(key, counting(ends_at=4, truncates=truncates), HALF))(jax.random.key(0))
    assert float(total) == 2.0


def test_policy_sees_the_current_observation():
    by_time = reactive(lambda key, obs: obs[..., :1])
    assert float(episode(jax.random.key(0), counting(horizon=4), by_time)) == 0 + 1 + 2 + 3


def test_memory_is_carried():
    def act(key, timestep, memory):
        return memory[None], memory + 1.0

    assert float(episode(jax.random.key(0), counting(horizon=4), Policy(lambda: jnp.float32(0), act))) == 6.0


def test_first_episodes_do_not_depend_on_their_number():
    noisy = reactive(lambda key, obs: obs[..., 1:] + jax.random.normal(key, (*obs.shape[:-1], 1)))
    few, many = (evaluate(jax.random.key(1), counting(), noisy, n) for n in (3, 7))
    np.testing.assert_array_equal(few, many[:3])
    assert len(np.unique(many)) == 7


def test_steps_draw_different_keys():
    draws = reactive(lambda key, obs: jax.random.bernoulli(key, 0.5, (1,)).astype(jnp.float32))
    total = float(episode(jax.random.key(0), counting(horizon=200, ends_at=1000), draws))
    assert 60 < total < 140


def test_no_episodes_are_refused():
    with pytest.raises(InputError, match="episodes is 0"):
        evaluate(jax.random.key(0), counting(), HALF, 0)
