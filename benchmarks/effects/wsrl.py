"""WSRL learns on without the data, where naive CQL with the data drops; maze and penalty are those of `cal_ql`."""

from benchmarks.effects.cal_ql import TASK, drop, early, tuned
from benchmarks.effects.effect import Effect

MANY = {"critics": 4, "repeat": 4, "batch": 32}


def measure(seeds: int) -> list[Effect]:
    """WSRL beside CQL that goes on with the data, and beside itself without the frozen policy's steps."""
    ours = tuned("wsrl", seeds, **MANY)
    parents = {"cql_finetune": tuned("cql_finetune", seeds), "wsrl warmup=1": tuned("wsrl", seeds, **MANY, warmup=1)}
    rows = []
    for name, theirs in parents.items():
        of_both = drop(ours), drop(theirs)
        rows.append(Effect("wsrl", name, TASK, "drop at the change to online", *of_both, higher=False))
        rows.append(Effect("wsrl", name, TASK, "early return online", early(ours), early(theirs)))
    return rows
