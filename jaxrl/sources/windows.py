"""Batches of windows for a generator, and of steps from windows that are made anew as the learner changes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError
from jaxrl.core.tree import take
from jaxrl.core.types import Dataset, Given, Scaler, Source, Spec, Transition
from jaxrl.data import samplers
from jaxrl.data import windows as data
from jaxrl.data.rows import device_bytes
from jaxrl.sources.logged import logged


class Feed(NamedTuple):
    """step: batches drawn. made: the steps of the newest windows [n, ...]; places: those that count, the first `count`
    of them."""

    step: Any
    made: Transition
    places: Any
    count: Any


def windows(dataset: Dataset, batch: int, window: int, found: data.Windows) -> Source:
    """Scaled windows as the extra "window" [batch, window, D], drawn evenly, beside their first steps."""

    def sample(key, dataset):
        start = found.starts[jax.random.randint(key, (batch,), 0, found.count)]
        rows = found.scaler(data.rows(dataset, start, window))
        first = take(dataset.steps, start)
        return first._replace(weight=jnp.ones(batch), extras={"window": rows})

    return logged(dataset, sample)


def remade(dataset: Dataset, batch: int, make: Callable, *, real: int, lifetime: int) -> Source:
    """`real` logged steps in each batch, the others from a store that is made anew every `lifetime` batches.

    make: (key, policy or None) -> Transition [n, ...], of which steps of weight 0 are left out. The first store is
    made without a policy, the later ones with the exploring policy of the learner as it then is. Draws are even and
    with replacement. Source: Policy-Guided Diffusion (arXiv:2404.06356), as released.
    """

    def stored(step, made):
        alive = made.weight > 0
        places = jnp.nonzero(alive, size=alive.shape[0], fill_value=0)[0].astype(jnp.int32)
        return Feed(step, made, places, jnp.maximum(alive.sum(dtype=jnp.int32), 1))

    def next(key, feed, policy):
        k_make, k_made, k_real = jax.random.split(key, 3)
        due = (feed.step % lifetime == 0) & (feed.step > 0)
        feed = jax.lax.cond(due, lambda old: stored(old.step, make(k_make, policy)), lambda same: same, feed)
        place = feed.places[jax.random.randint(k_made, (batch - real,), 0, feed.count)]
        both = [take(feed.made, place), samplers.uniform(real)(k_real, dataset)._replace(extras={})]
        return feed._replace(step=feed.step + 1), jax.tree.map(lambda *x: jnp.concatenate(x), *both)

    return Source(lambda key: stored(jnp.zeros((), jnp.int32), make(key, None)), next)


class Data(NamedTuple):
    """What a plan takes from its data. find: given -> Windows. draw: (given, found) -> Source of windows. remake:
    (given, scaler, make) -> Source of steps, make(key, policy or None) -> scaled windows [n, window, D]."""

    find: Callable
    draw: Callable
    remake: Callable


def store(
    spec: Spec, window: int, made: int, stride: int, generator_batch: int, batch: int, real_share: float, lifetime: int
) -> Data:
    """Data of a plan that learns a generator of windows, and a policy from steps of the `made` windows it makes.

    Raises InputError for windows of fewer than two rows, for more than fit on the device, and for a share of logged
    steps outside [0, 1).
    """
    if window < 2:
        raise InputError(f"window={window} holds no step and its successor; set window to at least 2")
    room = device_bytes() // (8 * window * (2 * data.columns(spec) + spec.obs + spec.action))
    if made > room:
        raise InputError(
            f"made={made} windows of {window} rows of {spec.name} do not fit on the device for each member; make at "
            f"most {10 ** int(math.log10(room))}"
        )
    real = round(real_share * batch)
    if not 0 <= real < batch:
        raise InputError(
            f"real_share={real_share:g} of a batch of {batch} leaves none to be made; choose a smaller one"
        )

    def find(given: Given) -> data.Windows:
        return data.find(given.dataset, window, stride)

    def draw(given: Given, found: data.Windows) -> Source:
        return windows(given.dataset, generator_batch, window, found)

    def remake(given: Given, scaler: Scaler, make: Callable) -> Source:
        def steps(key, policy):
            found = data.transitions(scaler, make(key, policy), spec)
            return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), found)

        return remade(given.dataset, batch, steps, real=real, lifetime=lifetime)

    return Data(find, draw, remake)
