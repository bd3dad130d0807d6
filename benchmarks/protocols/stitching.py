"""Sub-tasks in orders never seen, in four rooms; by how the orders are new, by learner and by behaviour."""

import jax

from benchmarks.protocols.study import Study
from jaxrl.protocols import stitching

CHEAP = {"standardise": False}
LEARNERS = {
    "BC": ("bc", {"actor_lr": 1e-3, **CHEAP}),
    "%BC (best 30 %)": ("percent_bc", {"actor_lr": 1e-3, "top_fraction": 0.3, **CHEAP}),
    "IQL": ("iql", {"actor_lr": 1e-3, "critic_lr": 1e-3, "value_lr": 1e-3, "return_range": 0.0}),
    "GC-BC, next site only": ("gc_bc", {"actor_lr": 1e-3, "ahead": 0.9, **CHEAP}),
}
BEHAVIOURS = {"expert": {}, "half astray": {"stray": 0.5, "noise": 0.1}}
SIZES = {"updates": 3_000, "evaluate_every": 3_000, "episodes": 40, "width": 64, "batch": 128}


def study(seeds: int) -> Study:
    """Each learner on data of each behaviour; the claim is about learners that are told the whole order."""
    orders = stitching.held_out()
    rows, lost, goal = [], [], {}
    for behaviour, numbers in BEHAVIOURS.items():
        task = stitching.task(jax.random.key(0), orders, steps=10_000, **numbers)
        for name, (card, own) in LEARNERS.items():
            shown = stitching.with_next_site(task) if card == "gc_bc" else task
            found = stitching.completed(card, shown, orders, seeds=seeds, **SIZES, **own)
            rows.append([behaviour, name, *(f"{one.mean():.2f} ± {one.std(ddof=1):.2f}" for one in found.values())])
            if card == "gc_bc":
                goal[behaviour] = found["new"].mean()
            else:
                lost.append(found["train"] - found["new"])
    shown = all(gap.mean() > 2 * gap.std(ddof=1) for gap in lost)
    heads = [f"{name} ({len(one)})" for name, one in orders._asdict().items()]
    text = f"""
Share of the three sub-tasks completed, mean ± deviation over {seeds} seeds, after {SIZES["updates"]} updates on 10,000
steps of four orders; start and sites are fixed. In brackets, how many orders there are. No row of the data asks for a
held-out order, by hashes of what is asked. *recombined*: every pair of successive sites occurs in the data, the order
does not. *new*: a pair of successive sites, or a first site, that never occurs.

GC-BC draws its goals in hindsight and is told the next site alone, so it sees ways between all places that an episode
passes one after the other: on new pairs it completes {goal["half astray"]:.2f} with data that often go astray, and
{goal["expert"]:.2f} with the expert's, which take few ways.
"""
    return Study(
        "Sub-tasks in orders never seen",
        "arXiv:2408.08441 (D5RL)",
        "Learners that are told the whole order complete more of the orders in the data than of those with a new pair "
        "of successive sub-tasks, by more than two deviations over seeds, for each learner and behaviour.",
        ["data", "learner", *heads],
        rows,
        shown,
        text,
    )
