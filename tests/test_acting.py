import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.acting import Actor, evaluate
from jaxrl.core.check import InputError
from jaxrl.core.types import Algorithm, Policy
from jaxrl.envs.adapters import gymnasium as adapter
from tests import made

SUM = Policy(
    lambda: jnp.float32(0),
    lambda key, timestep, memory: ((memory + timestep.reward)[..., None], memory + timestep.reward + 0.125),
)
"""Acts by the sum of its rewards and an eighth for every step before; torque is twice that."""


def exported() -> Actor:
    return Actor(Algorithm(None, None, lambda hyper, state: SUM, None), None, (), made.task())


def test_an_exported_policy_remembers_until_it_is_told_to_start():
    policy, obs = exported(), np.zeros(3)
    assert [float(policy(obs, reward)[0]) for reward in (0.0, 0.25, 0.0)] == [0.0, 0.75, 1.0]
    policy.start()
    assert float(policy(obs)[0]) == 0.0


def test_episodes_side_by_side_begin_when_they_are_said_to():
    policy, obs = exported(), np.zeros((2, 3))
    policy(obs)
    assert policy(obs, [0.25, 0.0])[:, 0].tolist() == [0.75, 0.25]
    assert policy(obs, 0.0, [True, False])[:, 0].tolist() == [0.0, 0.5]
    assert policy(np.zeros((3, 3)))[:, 0].tolist() == [0.0, 0.0, 0.0], "another number of episodes begins anew"
    with pytest.raises(InputError, match=r"observation of shape \(2,\)"):
        policy(np.zeros(2))


def test_memory_is_carried_in_environments_on_the_host():
    import jax

    calls = Policy(lambda: jnp.float32(-1), lambda key, timestep, memory: (memory[..., None], memory + 0.01))
    still = Policy(lambda: (), lambda key, timestep, memory: (0 * timestep.obs[..., :1] - 1.0, memory))
    env = adapter.host("Pendulum-v1")
    carried, constant = (evaluate(policy, env, jax.random.key(0), 2) for policy in (calls, still))
    assert carried.shape == (2,) and (np.abs(carried - constant) > 1).all()
