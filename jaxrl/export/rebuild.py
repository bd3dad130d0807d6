"""Trained policies from the folder of a run, in a process that did not train them."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxrl import experiment, registry, store
from jaxrl.acting import Actor
from jaxrl.core import hyper as records
from jaxrl.core.check import InputError
from jaxrl.core.tree import counter
from jaxrl.core.types import Env, HostEnv, Scaler, Spec, Task, Tree
from jaxrl.train import checkpoint
from jaxrl.train.driver import common_counters


def actor(folder: Path | str, hyper: int = 0, seed: int = 0) -> Actor:
    """The trained policy of one member of a stored run; `hyper` and `seed` count from 0, as for `Result.policy`.

    Raises InputError for a run without policies, a member that it does not have, or one of another version.
    """
    return restored(store.read(Path(folder)), hyper, seed)


def restored(record: dict[str, Any], hyper: int, seed: int) -> Actor:
    """The same from a record of `jaxrl.store.read`."""
    member = place(record, hyper, seed)
    folder = Path(record["folder"]) / "policy"
    if not folder.is_dir():
        raise InputError(f"run {record['id']} was stored without its policies; run it again and keep them")
    spec, scaler = spec_of(record), record["scaler"]
    hypers, stages = _hypers(record), _stages(record, spec)
    states = checkpoint.restore(folder, _like(stages, record["seeds"], hypers))
    state = jax.tree_util.tree_map_with_path(lambda path, x: x if counter(path) else x[member], states)
    scale = scaler and Scaler(*(jnp.asarray(scaler[name], "float32") for name in Scaler._fields))
    return Actor(
        stages[-1].learner,
        records.unstack(hypers)[hyper],
        state,
        Task(record["task"], HostEnv(spec, None), scaler=scale),
    )


def place(record: dict[str, Any], hyper: int, seed: int) -> int:
    """Index of a member among all H * K of a run; InputError where the run has none such."""
    for name, value, count in (("hyper", hyper, len(record["numbers"])), ("seed", seed, len(record["seeds"]))):
        if not 0 <= value < count:
            raise InputError(f"{name} {value} is not in run {record['id']}, which has {count}; count from 0")
    return hyper * len(record["seeds"]) + seed


def spec_of(record: dict[str, Any]) -> Spec:
    """The environment's facts as they were at training."""
    return Spec(**{**record["spec"], "low": tuple(record["spec"]["low"]), "high": tuple(record["spec"]["high"])})


def _hypers(record):
    card = registry.card(record["card"])
    try:
        return records.stack(*(card.hyper(**numbers) for numbers in record["numbers"]))
    except TypeError as error:
        raise InputError(
            f"run {record['id']} has other numbers than card {card.name} takes here ({error}); "
            f"export it with the version that made it, commit {record['commit'] or 'unknown'}"
        ) from None


def _stages(record, spec: Spec) -> tuple:
    card = registry.card(record["card"])
    # Shapes and policies need no environment: only sources would call it.
    env = Env(spec, (), None, None)
    return experiment.phases(card, env, record["batch"], record["structure"], record["collection"])


def _like(stages, seeds: list[int], hypers) -> Tree:
    """Shapes of the last learner's states of all members, as training keeps them."""

    def one(key, hyper):
        states: dict[str, Tree] = {}
        for stage in stages:
            states[stage.name] = stage.begin(stage.learner.init(key, hyper), states)
        return states[stages[-1].name]

    def every(hypers):
        members = jax.tree.map(lambda x: jnp.repeat(x, len(seeds)), hypers)
        keys = jax.random.split(jax.random.key(0), len(jax.tree.leaves(members)[0]))
        return common_counters(jax.vmap(one)(keys, members))

    return jax.eval_shape(every, hypers)
