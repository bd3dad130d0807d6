"""Every environment by name keeps the protocol."""

import jax
import jax.numpy as jnp
import pytest

from jaxrl.core.check import InputError
from jaxrl.envs import suites


@pytest.mark.parametrize("name", sorted(suites.MAKERS))
def test_environment_keeps_the_protocol(name):
    env = suites.environment(name)
    spec = env.spec
    assert spec.name == name
    action = jnp.int32(spec.action - 1) if spec.discrete else jnp.full(spec.action, 0.5)
    assert spec.discrete or len(spec.low) == len(spec.high) == spec.action
    state, first = env.reset(jax.random.key(0), env.params)
    after_state, after = jax.jit(env.step)(jax.random.key(1), env.params, state, action)
    shapes = lambda tree: jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)
    assert shapes(after_state) == shapes(state)
    assert shapes(after) == shapes(first)
    assert first.obs.shape == (spec.obs,)
    assert {x.dtype for x in (after.obs, after.reward, after.terminated, after.truncated)} == {jnp.dtype("float32")}
    again = env.reset(jax.random.key(0), env.params)[1]
    assert (again.obs == first.obs).all()


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'PointMaze-UMaze-v0'"):
        suites.environment("PointMaze-Umaze-v0")
