"""Which pairs of returns turn returns on a dataset into normalized scores, and where each pair comes from."""

import functools
import math
import tomllib
import warnings
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from jaxrl.core.types import Reference

FILE = Path(__file__).with_name("references.toml")


@functools.cache
def registry() -> dict:
    """The versioned registry of the package: `version`, `pair`, `environment` and `caution`."""
    return tomllib.loads(FILE.read_text())


def references(dataset_id: str, metadata: Mapping, env_id: str) -> tuple[Reference, ...]:
    """All pairs known for a dataset, the ranking one first; empty where none is known.

    Order: the metadata's own pair; pairs relative to a measured expert; D4RL's constants. A pair in the metadata that
    is only a copy of D4RL's constants is reported once, in D4RL's place. env_id: "" where the environment is unknown.
    """
    known = [pair for pair in registry()["pair"] if applies(pair, dataset_id, env_id)]
    pairs = [Reference(pair["low"], pair["high"], pair["convention"], pair["origin"]) for pair in known]
    experts = [pair for pair in pairs if pair.convention == "expert"]
    classic = [pair for pair in pairs if pair.convention == "d4rl"]
    own = from_metadata(dataset_id, metadata)
    if own is None:
        return (*experts, *classic)
    if any(same(own, pair) for pair in classic):
        copy = own._replace(origin=f"{own.origin}; equals D4RL's constants: {classic[0].origin}")
        return (*experts, copy)
    return (own, *experts, *classic)


def of_environment(name: str) -> tuple[Reference, ...]:
    """All pairs known for an environment without data, the ranking one first; empty where none is known."""
    own = [one for one in registry()["environment"] if one["name"] == name]
    measured = [Reference(one["low"], one["high"], "expert", one["origin"]) for one in own]
    return (*measured, *references("", {}, name))


def applies(pair: Mapping, dataset_id: str, env_id: str) -> bool:
    """Whether an entry of the registry is meant for this dataset or its environment."""
    return any(fnmatchcase(dataset_id, name) for name in pair["datasets"]) or env_id in pair["environments"]


def same(one: Reference, other: Reference) -> bool:
    """Whether two pairs are equal up to float32 rounding."""
    close = functools.partial(math.isclose, rel_tol=1e-5)
    return close(one.low, other.low) and close(one.high, other.high)


def from_metadata(dataset_id: str, metadata: Mapping) -> Reference | None:
    """The pair that Minari's metadata carry; None where there is none, or, with a warning, where it is unusable."""
    low, high = metadata.get("ref_min_score"), metadata.get("ref_max_score")
    if low is None or high is None:
        return None
    low, high = float(low), float(high)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        warnings.warn(
            f"dataset {dataset_id!r}: its reference returns {low} to {high} span no scale and are not used",
            stacklevel=2,
        )
        return None
    origin = metadata.get("ref_origin") or "the dataset's metadata (ref_min_score, ref_max_score)"
    return Reference(low, high, "metadata", "; ".join([origin, *cautions(dataset_id)]))


def cautions(dataset_id: str) -> list[str]:
    """What the registry warns of for this dataset."""
    return [
        entry["text"] for entry in registry()["caution"] if any(fnmatchcase(dataset_id, n) for n in entry["datasets"])
    ]


def no_reference(dataset_id: str) -> str:
    """The line that stands in place of a normalized score where no pair is known."""
    warned = "".join(f"; {text}" for text in cautions(dataset_id))
    return (
        f"no normalized score for {dataset_id!r}: neither its metadata (ref_min_score, ref_max_score) nor registry "
        f"version {registry()['version']} holds reference returns{warned}; read the return, or add both numbers to the "
        f"dataset's metadata"
    )
