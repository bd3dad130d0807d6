"""A ring whose rows learn their return once their episode is over."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxrl.core.types import Buffer
from jaxrl.sources import ring


class Returning(NamedTuple):
    """A ring of rows with the extras "so_far" and "to_go", and the steps of each episode under way, age [N]."""

    ring: ring.Ring
    age: Any


def returning(discount, after, horizon: int) -> Callable[..., Buffer]:
    """Even draws of rows with the extra "to_go", their discounted return; minus infinity while the episode goes on.

    after: what follows an episode that was cut, undiscounted. horizon: steps of the longest episode.
    """

    def made(batch: int, *, capacity: int, envs: int, steps: int = 1) -> Buffer:
        own = ring.uniform(batch, capacity=capacity, envs=envs, steps=steps)
        reach = min(horizon, capacity // envs)

        def init(row):
            zero = jnp.zeros(())
            return Returning(own.init(row._replace(extras={"so_far": zero, "to_go": zero})), jnp.zeros(envs, jnp.int32))

        def add(store, seen):
            blank = {"so_far": jnp.zeros(envs), "to_go": jnp.full(envs, -jnp.inf)}
            place = store.ring.step
            filled = own.add(store.ring, seen._replace(extras=blank))
            over = jnp.maximum(seen.terminated, seen.truncated) > 0
            rows = told(filled.rows, place, store.age, seen, over)
            return Returning(filled._replace(rows=rows), jnp.where(over, 0, store.age + 1))

        def told(rows, place, age, seen, over):
            """The rows with this step's reward in the sums of its episode, which are final where it is over."""
            back = jnp.arange(reach)
            column = (place - back) % rows.reward.shape[0]
            mine = back[:, None] <= age[None]
            power = (jnp.asarray(discount) ** back)[:, None]
            sums = rows.extras["so_far"][column] + jnp.where(mine, power * seen.reward[None], 0.0)
            whole = sums + power * (discount * after * (1 - seen.terminated))[None]
            final = jnp.where(mine & over[None], whole, rows.extras["to_go"][column])
            put = lambda name, values: rows.extras[name].at[column].set(values)
            return rows._replace(extras={"so_far": put("so_far", sums), "to_go": put("to_go", final)})

        def draw(key, store):
            drawn, found = own.draw(key, store.ring)
            return store._replace(ring=drawn), found._replace(extras={"to_go": found.extras["to_go"]})

        return Buffer(init, add, draw)

    return made
