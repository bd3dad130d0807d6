"""Hyperparameter records: frozen dataclasses of numbers whose every field is a traced leaf, so they vmap."""

import dataclasses
import itertools
from typing import dataclass_transform

import jax
import jax.numpy as jnp

from jaxrl.core.check import InputError, known


@dataclass_transform(frozen_default=True, kw_only_default=True)
def hyper(cls):
    """Class decorator: a frozen, keyword-only dataclass of floats that is a pytree."""
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True, kw_only=True)(cls))


def names(record) -> list[str]:
    """Field names of a record or record class."""
    return [field.name for field in dataclasses.fields(record)]


def stack(*records):
    """Records of one type -> one record whose leaves are float32 [S]."""
    return jax.tree.map(lambda *x: jnp.stack([jnp.asarray(v, jnp.float32) for v in x]), *records)


def unstack(record) -> list:
    """The inverse of `stack`; a record of plain numbers counts as one."""
    leaves = [jnp.atleast_1d(x) for x in jax.tree.leaves(record)]
    structure = jax.tree.structure(record)
    return [jax.tree.unflatten(structure, [float(x[i]) for x in leaves]) for i in range(len(leaves[0]))]


def grid(record_class, **values):
    """Stacked records for every combination of the listed values, last name fastest; [S].

    Raises InputError for a name the record lacks, naming the nearest.
    """
    for name in values:
        known("hyperparameter", name, names(record_class))
    lists = [
        list(v) if isinstance(v, list | tuple) else jnp.atleast_1d(jnp.asarray(v)).tolist() for v in values.values()
    ]
    for name, numbers in zip(values, lists, strict=True):
        if not numbers:
            raise InputError(f"hyperparameter {name!r} has an empty list of values; give at least one")
    combinations = itertools.product(*lists)
    return stack(*(record_class(**dict(zip(values, one, strict=True))) for one in combinations))


def bounds(name: str, values) -> tuple[float, float]:
    """A lower and an upper number; InputError where there are not two, or not in that order."""
    if not isinstance(values, list | tuple) or len(values) != 2 or not values[0] <= values[1]:
        raise InputError(f"the range of {name} is {values!r}; give its lower and upper bound, as in (0.5, 2.0)")
    return float(values[0]), float(values[1])
