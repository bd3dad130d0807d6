"""Files of exported policies: what is in them, and that they do what the trained policy does."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

from jaxrl import store
from jaxrl.acting import Actor
from jaxrl.core import files, versions
from jaxrl.core.check import InputError, known
from jaxrl.export import onnx, rebuild, serialized

FORMATS = ("jax", "onnx")
CLOSE = 1e-5
"""How far an exported policy may be from the trained one, as a share of its largest action, or of 1."""
PLAIN = (
    "from jax import export; policy = export.deserialize(bytearray(open(FILE, 'rb').read())); "
    "action = policy.call(obs), for float32 observations [N, D] as the environment gives them"
)
STATEFUL = (
    "from jax import export; policy = export.deserialize(bytearray(open(FILE, 'rb').read())); "
    "action, *memory = policy.call(obs, reward, first, step, *memory). Begin with zeros of the inputs' shapes for all; "
    "first is True where an episode begins, reward is that of the step before, step counts the calls from 0"
)


class Written(NamedTuple):
    """What was written. difference: between its actions and the trained policy's, at most."""

    files: tuple[Path, ...]
    difference: float


def write(folder: Path | str, form: str, *, hyper: int = 0, seed: int = 0, out: Path | str | None = None) -> Written:
    """Write the policy of one member of a stored run as a file that acts without this package.

    folder: of the run. form: "jax", for `jax.export.deserialize` on any platform, described by a JSON file beside it;
    or "onnx". Both take raw observations [N, D] of any N and give actions in the environment's own units. hyper, seed:
    which member, from 0. out: default `export/policy-<hyper>-<seed>.<form>` in the run's folder. Raises InputError for
    another format, a run without policies, a member that diverged or is not there, and for ONNX a policy with memory.
    """
    known("format", form, FORMATS)
    if form == "onnx":
        onnx.available()
    record = store.read(Path(folder))
    check_alive(record, hyper, seed)
    actor = rebuild.restored(record, hyper, seed)
    file = Path(out or Path(folder) / "export" / f"policy-{hyper}-{seed}.{form}")
    program, facts = serialized.program(actor), described(record, hyper, seed)
    if form == "onnx":
        return _write_onnx(file, actor, program, facts)
    return _write_jax(file, actor, program, facts)


def check_alive(record: dict[str, Any], hyper: int, seed: int) -> None:
    """InputError where the member is not in the run, or was lost in training."""
    rebuild.place(record, hyper, seed)
    lost = record["diverged"][hyper][seed]
    if lost:
        raise InputError(
            f"hyper {hyper}, seed {seed} of run {record['id']} diverged by update {lost['update']}; export another"
        )


def described(record: dict[str, Any], hyper: int, seed: int) -> dict[str, Any]:
    """Where a policy comes from, as plain values; versions: of what trained it and of what exported it."""
    return {
        **{name: record[name] for name in ("card", "task", "suite", "environment", "commit", "versions")},
        "run": record["id"],
        "seed": record["seeds"][seed],
        "numbers": record["numbers"][hyper],
        "spec": record["spec"],
        "exported_with": versions.machine()["versions"],
    }


def _write_jax(file: Path, actor: Actor, program: serialized.Program, facts: dict[str, Any]) -> Written:
    data = serialized.serialize(program)
    loaded = export.deserialize(bytearray(data))
    obs = _observations(actor)
    zeros = [
        np.zeros([len(obs) if i == 0 else n for i, n in enumerate(one.shape)], one.dtype) for one in loaded.in_avals
    ]
    rest = zeros[1:]
    if len(rest) > 1:
        rest[1] = ~rest[1]  # `first`: every episode begins
    found = jax.tree.leaves(loaded.call(obs, *rest))[0]
    difference = _difference(actor, obs, np.asarray(found))
    shapes = lambda names, avals: [
        {"name": name, "dtype": str(one.dtype), "shape": [n if isinstance(n, int) else str(n) for n in one.shape]}
        for name, one in zip(names, avals, strict=True)
    ]
    memory = program.inputs[len(serialized.STATEFUL) :]
    facts = {
        "format": "jax.export",
        "use": STATEFUL if len(program.inputs) > 1 else PLAIN,
        "inputs": shapes(program.inputs, loaded.in_avals),
        "outputs": shapes(("action", *memory), loaded.out_avals),
        "platforms": list(loaded.platforms),
        **facts,
    }
    beside = file.with_name(f"{file.name}.json")
    files.write(file, data)
    files.write(beside, (json.dumps(facts, indent=1) + "\n").encode())
    return Written((file, beside), difference)


def _write_onnx(file: Path, actor: Actor, program: serialized.Program, facts: dict[str, Any]) -> Written:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    try:
        data = onnx.model(program, texts).SerializeToString()
    except InputError as error:
        raise InputError(f"card {facts['card']}: {error}") from None
    obs = _observations(actor)
    difference = _difference(actor, obs, onnx.call(data, obs))
    files.write(file, data)
    return Written((file,), difference)


def _observations(actor: Actor) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, actor._spec.obs)).astype(np.float32)


def _difference(actor: Actor, obs: np.ndarray, found: np.ndarray) -> float:
    """The largest difference from the trained policy's actions; InputError where that is too large."""
    actor.start()
    with jax.default_matmul_precision("highest"):
        wanted = actor(obs)
    difference = float(np.abs(found - wanted).max())
    if not difference <= CLOSE * max(1.0, float(np.abs(wanted).max())) or found.shape != wanted.shape:
        raise InputError(
            f"the exported policy's actions differ from the trained one's by {difference:.1e}, so nothing was written; "
            "please report this"
        )
    return difference
