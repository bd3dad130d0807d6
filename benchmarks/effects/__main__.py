"""Measure published effects and write them into one table.

    python -m benchmarks.effects [NAMES...] [--seeds 5]

Each other module of this folder has `measure(seeds) -> list[Effect]`. What was measured goes into
benchmarks/scores/effects.csv, a row replacing that of the same system, parent, task and measure; the table
benchmarks/tables/effects.md is made from that file.
"""

import csv
from pathlib import Path

import jax

import benchmarks.effects
from benchmarks import folder
from benchmarks.effects.effect import Effect
from benchmarks.effects.tried import notes

ROOT = Path(__file__).resolve().parents[1]
SCORES, TABLE = ROOT / "scores" / "effects.csv", ROOT / "tables" / "effects.md"
KEY = ("system", "parent", "task", "measure")
COLUMNS = (*KEY, "seeds", "parent score", "system score", "gain", "error", "verdict", "command", "jax", "seconds")
HEAD = """# Published effects

Made by `python -m benchmarks.effects`, never edited. A row is a system beside its parent: means over seeds, the gain
(positive where the system is better) with its 95 % interval, and whether the effect is shown: the interval lies above
zero or, where the paper claims that nothing is lost, not below it.
"""
TRIED_HEAD = "## Not shown: what was tried\n"


def row(effect: Effect, command: str, seconds: float) -> dict[str, str]:
    """A line of the CSV file."""
    mean = lambda x: f"{sum(x) / len(x):.4g}"
    numbers = len(effect.systems), mean(effect.parents), mean(effect.systems), f"{effect.gain:.4g}"
    rest = *numbers, f"{effect.error:.2g}", effect.verdict, command, jax.__version__, f"{seconds:.0f}"
    return {
        name: str(value) for name, value in zip(COLUMNS, (*(getattr(effect, key) for key in KEY), *rest), strict=True)
    }


def stored() -> list[dict[str, str]]:
    """Lines measured so far."""
    if not SCORES.exists():
        return []
    with SCORES.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, str]]) -> None:
    """The CSV file, and the table with notes on what does not show, sorted by system."""
    rows = sorted(rows, key=lambda one: [one[key] for key in KEY])
    with SCORES.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    titles = ("system", "parent", "task", "measure", "seeds", "parent", "system", "gain", "effect", "command")
    lines = [titles, ("---",) * len(titles)]
    for one in rows:
        gain = f"{one['gain']} ± {1.96 * float(one['error']):.2g}"
        scores = one["seeds"], one["parent score"], one["system score"], gain
        lines.append((*(one[key] for key in KEY), *scores, one["verdict"], f"`{one['command']}`"))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    TABLE.write_text(f"{HEAD}\n{table}\n{TRIED_HEAD}\n{notes(unshown(rows))}", encoding="utf-8")


def unshown(rows: list[dict[str, str]]) -> list[str]:
    """Systems with a row that does not show its effect."""
    return [one["system"] for one in rows if one["verdict"] != "shown"]


def keep(name: str, effects: list[Effect], command: str, seconds: float) -> None:
    """What a module measured, into the file and the table, also printed."""
    fresh = [row(effect, command, seconds / len(effects)) for effect in effects]
    for one in fresh:
        print(*one.values(), sep=" | ", flush=True)
    taken = {tuple(one[key] for key in KEY) for one in fresh}
    write([one for one in stored() if tuple(one[key] for key in KEY) not in taken] + fresh)


if __name__ == "__main__":
    folder.run(benchmarks.effects, {"effect", "tried"}, "measure", keep, __doc__.splitlines()[0])
