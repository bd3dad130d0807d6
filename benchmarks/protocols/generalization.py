"""How much learners lose on levels that they were not trained on, by the number of levels and by their data."""

import time

import jax
import numpy as np

from benchmarks.protocols.study import Study
from jaxrl.core.types import Reference
from jaxrl.protocols import generalization
from jaxrl.protocols.generalization import Gap

VARIANTS = ("walls", "hazards", "keys")
LEARNERS = {
    "BC": ("bc", {"actor_lr": 1e-3}),
    "IQL": ("iql", {"actor_lr": 1e-3, "critic_lr": 1e-3, "value_lr": 1e-3, "standardise": True, "return_range": 0.0}),
    "CQL": ("cql_discrete", {"critic_lr": 1e-3}),
}
DATA = {
    "5 levels, 5,000 steps": (5, 5_000, "expert"),
    "5 levels": (5, 20_000, "expert"),
    "100 levels": (100, 20_000, "expert"),
    "100 levels, suboptimal": (100, 20_000, "suboptimal"),
}
"""Name -> training levels, steps in all, behaviour."""
WITHOUT = {("5 levels, 5,000 steps", "IQL"), ("5 levels, 5,000 steps", "CQL")}
SIZE = 100
SIZES = {"updates": 1_000, "evaluate_every": 500, "episodes": 50, "width": 64, "batch": 128}


def measured(seeds: int) -> tuple[dict[tuple[str, str], Gap], dict[str, Reference]]:
    """(data, learner) -> what it scores on the parts of the split, over variants; and the variants' references."""
    splits = {count: generalization.split(count, 50, 100) for count, *_ in DATA.values()}
    references = {name: generalization.reference(name, splits[5], SIZE) for name in VARIANTS}
    found = {}
    for data, (count, steps, behaviour) in DATA.items():
        outcomes = {name: {} for name in LEARNERS if (data, name) not in WITHOUT}
        for variant in VARIANTS:
            start = time.perf_counter()
            key = jax.random.fold_in(jax.random.key(0), VARIANTS.index(variant))
            task = generalization.task(key, variant, splits[count], steps=steps, behaviour=behaviour, size=SIZE)
            for name in outcomes:
                card, own = LEARNERS[name]
                outcomes[name][variant] = generalization.evaluated(
                    card, task, variant, splits[count], SIZE, seeds=seeds, **SIZES, **own
                )
            print(f"{data}, {variant}: {time.perf_counter() - start:.0f} s", flush=True)
        for name, one in outcomes.items():
            found[data, name] = generalization.gap(jax.random.key(1), one, references)
    return found, references


def study(seeds: int) -> Study:
    """The claims of the paper that a small grid can show, each with a verdict of its own in the text."""
    found, references = measured(seeds)
    few, many = found["5 levels", "BC"], found["100 levels", "BC"]
    rates = {key: _success(one, references) for key, one in found.items()}
    risen = 100 * (rates["100 levels", "BC"] - rates["5 levels", "BC"])
    shown = risen >= 20 and many.gap < few.gap
    fewer, bad = found["5 levels, 5,000 steps", "BC"], "100 levels, suboptimal"
    others = [name for name in LEARNERS if name != "BC"]
    ahead = {name: _lead(found, "100 levels", name) for name in others}
    behind = {name: _lead(found, bad, name) for name in others}
    text = f"""
Normalized scores (0 random actions, 100 the expert, for each of {len(VARIANTS)} variants: {", ".join(VARIANTS)});
interquartile means over {seeds} seeds and the variants, 95 % intervals by the stratified bootstrap. Levels to test
(100) and to choose checkpoints on (50) are the same in all rows and disjoint from those in the data; 20,000 steps in
all unless the row says otherwise. Scores below 0 are worse than random moves, which succeed in
{", ".join(f"{one.low:.0%}" for one in references.values())}: a deterministic policy that is lost goes round in circles.

* BC's success on unseen levels, in plain per cent, rises by {risen:.0f} points from 5 to 100 levels.
* Levels against steps: four times the steps from the same 5 levels change BC's test score by
  {few.test - fewer.test:+.0f} points, twenty times the levels at the same steps by {many.test - few.test:+.0f}.
* The paper's headline, that on unseen levels BC is at least as good as offline RL on the same expert data; test score
  of BC less that of the other, with 100 levels: {"; ".join(f"{name} {text}" for name, (_, text) in ahead.items())}.
  It {"holds here" if all(lead >= 0 for lead, _ in ahead.values()) else "does not hold here for every learner"}.
* The same on suboptimal data, where the paper finds a smaller lead:
  {"; ".join(f"{name} {text}" for name, (_, text) in behind.items())}.
"""
    return Study(
        "The generalization gap in offline RL",
        "arXiv:2312.05742",
        "With 20,000 steps in all, BC trained on 100 levels succeeds at least 20 points more often on unseen levels "
        "than BC trained on 5, and its gap between training and test levels is smaller.",
        ["data", "learner", "train", "validation", "test", "gap", "success on test"],
        [[*key, *_cells(one), f"{rates[key]:.0%}"] for key, one in found.items()],
        shown,
        text,
    )


def _lead(found: dict[tuple[str, str], Gap], data: str, name: str) -> tuple[float, str]:
    """BC's test score less another learner's: the difference of interquartile means, and a text with how many of the
    paired runs are ahead."""
    one, two = found[data, "BC"], found[data, name]
    pairs = one.scores["test"] - two.scores["test"]
    return one.test - two.test, f"{one.test - two.test:+.0f} ({np.mean(pairs > 0):.0%} of runs ahead)"


def _success(one: Gap, references: dict[str, Reference]) -> float:
    """Mean success on test levels at the chosen checkpoints, over seeds and variants."""
    low, high = (np.array([getattr(own, name) for own in references.values()]) for name in ("low", "high"))
    return float((low + one.scores["test"] / 100 * (high - low)).mean())


def _cells(one: Gap) -> list[str]:
    """Numbers as they are printed."""
    within = lambda ends: "" if ends is None else f" [{ends.low:.0f}, {ends.high:.0f}]"
    return [
        f"{one.train:.0f}",
        f"{one.validation:.0f}",
        f"{one.test:.0f}{within(one.test_interval)}",
        f"{one.gap:.0f}{within(one.gap_interval)}",
    ]
