"""Mixed batches: exact shares in every part, rows that belong together, buffers that are told their own errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.core.check import InputError
from jaxrl.core.types import blank_batch, reactive
from jaxrl.envs import suites
from jaxrl.sources import ring
from jaxrl.sources.mix import beside, mix, split, together
from jaxrl.sources.replay import replay
from tests import made
from tests.contract.made_up import same

ENV = suites.environment("Pendulum-v1")
STILL = reactive(lambda key, obs: jnp.zeros((*obs.shape[:-1], 1)))


def logged():
    """Logged steps whose rewards, 1000 and more, number them."""
    data = made.task().dataset
    return data._replace(steps=data.steps._replace(reward=1000.0 + jnp.arange(len(data.last))))


@pytest.mark.parametrize(("share", "parts"), [(0.5, 1), (0.5, 4), (0.25, 4), (0.75, 2)])
def test_every_part_of_a_batch_has_its_share_of_logged_rows(share, parts):
    source = mix(ENV, logged(), 32, share=share, parts=parts, warmup=20, capacity=100)
    _, batch = jax.jit(lambda feed: source.next(jax.random.key(1), feed, STILL))(source.init(jax.random.key(0)))
    assert source.cost == 1 and source.before == 20 and source.experience is not None
    old = np.asarray(batch.reward).reshape(parts, -1) > 500
    assert (old.sum(1) == share * 32 / parts).all()
    rows, data = np.asarray(batch.reward)[old.reshape(-1)].astype(int) - 1000, logged().steps
    np.testing.assert_array_equal(batch.obs[old.reshape(-1)], data.obs[rows])
    np.testing.assert_array_equal(batch.next_obs[old.reshape(-1)], data.next_obs[rows])
    assert len(set(rows)) > 4, "other rows for each part"


def test_no_logged_rows_is_a_replay():
    plain, mixed = replay(ENV, 8, warmup=20, capacity=100), mix(ENV, None, 8, share=0.0, warmup=20, capacity=100)
    feed = mixed.init(jax.random.key(0))
    assert same(feed, plain.init(jax.random.key(0)))
    assert same(mixed.next(jax.random.key(1), feed, STILL)[0], plain.next(jax.random.key(1), feed, STILL)[0])


def test_a_share_that_is_no_whole_number_of_rows_is_named():
    assert split(128, 0.5) == (64, 64) and split(10, 0.3) == (3, 7)
    for rows, share in ((9, 0.5), (8, 1.0), (8, -0.25), (8, 1.5)):
        with pytest.raises(InputError, match=rf"share=\S+ of {rows} rows is no number"):
            split(rows, share)


def test_a_buffer_with_priorities_is_told_those_of_its_own_rows():
    buffer = beside(logged(), 2, 2, ring.prioritised)(8, capacity=16, envs=1, exponent=1.0)
    store = buffer.init(jax.tree.map(lambda x: x[0], blank_batch(ENV.spec, 1)))
    for i in range(16):
        row = blank_batch(ENV.spec, 1)
        store = buffer.add(store, row._replace(reward=row.reward + i))
    store, batch = buffer.draw(jax.random.key(0), store)
    own = [2, 3, 6, 7]
    assert (np.asarray(batch.reward)[own] < 100).all() and (np.asarray(batch.reward)[[0, 1, 4, 5]] > 500).all()
    store = buffer.observe(store, jnp.where(jnp.isin(jnp.arange(8), jnp.asarray(own)), 7.0, 99.0))
    told = np.asarray(store.rank.priority).reshape(-1)[np.asarray(batch.reward)[own].astype(int)]
    np.testing.assert_allclose(told, 7.0, rtol=1e-5)


def test_only_shared_extras_are_kept():
    row = blank_batch(ENV.spec, 2)
    first = row._replace(extras={"to_go": jnp.ones(2), "goal": jnp.zeros((2, 3))})
    second = row._replace(extras={"to_go": jnp.zeros(2)})
    np.testing.assert_array_equal(together(first, second, 2).extras["to_go"], [1, 0, 1, 0])
    assert set(together(first, second, 1).extras) == {"to_go"}
