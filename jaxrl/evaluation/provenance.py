"""What stands beside the numbers of a table: the protocol they were measured by, and what is missing from them.

Another page than the leaderboard takes the same words: `protocol(kept, found, checkpoints.choices("last"))` and
`remarks(kept, unfinished, (), notes, faults.find(rows, lines).notes)`, with `kept, unfinished = runs.complete(found)`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from jaxrl.evaluation.checkpoints import Choice
from jaxrl.evaluation.render import Section
from jaxrl.evaluation.runs import Run, labels, ranges, short_names, sound
from jaxrl.evaluation.scores import Score

ORIGINS = {
    "d4rl": "D4RL's published references",
    "expert": "measured returns of a random and of an expert policy",
    "metadata": "references in the dataset's metadata",
}
"""What the names of conventions mean."""


def protocol(kept: Sequence[Run], found: Sequence[Run], shown: Sequence[Choice]) -> tuple[tuple[str, str], ...]:
    """Lines (name, text) on how the runs were made, evaluated and shown. Seconds are those of all runs found."""
    rows = [run.last for run in kept]
    tasks = list(dict.fromkeys(row.task for row in rows))
    short, pattern = short_names(tasks)
    logged = [task for task in tasks if any(row.task == task and not row.env_steps for row in rows)]
    data = [f"{short[task]} {_listed(r.dataset_hash for r in rows if r.task == task)}" for task in logged]
    walked = [row for row in rows if row.env_steps]
    versions = dict.fromkeys((row.environment, row.environment_version) for row in rows)
    return (
        ("Seeds", _seeds(kept)),
        ("Updates", _updates(kept)),
        ("Checkpoint", "; ".join(f"{one.said}{_under(one)}" for one in shown)),
        ("Episodes per evaluation", _listed(str(row.episodes) for row in rows)),
        ("Score", _scores(kept, tasks)),
        *([("Environment steps", _steps(walked))] if walked else []),
        *([("Data, by hash of its arrays", (f"{pattern}: " if pattern else "") + ", ".join(data))] if data else []),
        ("Environments", ", ".join(f"{name} ({version})" if version else name for name, version in versions)),
        ("Device", f"{_listed(row.device for row in rows)}; {_listed(row.precision for row in rows)}"),
        ("Versions", _listed(row.versions.replace(";", " ") for row in rows)),
        ("Commit", _listed(row.commit for row in rows)),
        ("Seconds", _seconds(found)),
    )


def _under(one: Choice) -> str:
    return f", under {one.prefix.strip(': ')!r}" if one.prefix else ""


def _steps(rows: Sequence[Score]) -> str:
    """Environment steps of each card, and where they differ between tasks."""
    found: dict[str, dict[int, list[str]]] = {}
    for row in rows:
        where = found.setdefault(row.card, {}).setdefault(row.env_steps, [])
        if row.task not in where:
            where.append(row.task)
    several = lambda counts, where: f" on {', '.join(where)}" if len(counts) > 1 else ""
    return "; ".join(
        f"{card} " + ", ".join(f"{count:,}{several(counts, where)}" for count, where in counts.items())
        for card, counts in found.items()
    )


def conventions(cells: Mapping[tuple[str, str], list[Run]], tasks: Iterable[str]) -> str:
    """Which references the scores of the tasks use: "the expert score", or which tasks use which."""
    rows = [run.last for cell in cells.values() for run in cell if run.last.score is not None]
    used: dict[str, list[str]] = {}
    for task in tasks:
        for name in dict.fromkeys(row.score_convention for row in rows if row.task == task):
            used.setdefault(name, []).append(task)
    if len(used) == 1:
        return f"the {next(iter(used))} score"
    return "; ".join(f"the {name} score ({', '.join(where)})" for name, where in used.items())


def remarks(
    kept, unfinished, sections: Sequence[Section], notes: Sequence[str], wrong: Sequence[str] = ()
) -> tuple[str, ...]:
    """Notes: the caller's, what is wrong with the rows, then what they tell of cells that are empty or diverged.

    wrong: the notes of `faults.find`.
    """
    name_of = labels(kept)
    out = [*notes, *wrong]
    cells = [entry for section in sections for _, entries in section.rows for entry in entries]
    if any(entry.runs == 0 for entry in cells):
        out.append("–: not run, or left out; reasons, where known, stand in these notes.")
    if any("‡" in entry.mark for entry in cells):
        out.append("‡: over the tasks that the row has only; ranked after the rows that have all.")
    if any(entry.refused for entry in cells):
        out.append(
            'Where a word such as "mixed" stands for a number, the note on that cell says why. A row that has such a '
            "cell, or one in a column marked §, has no aggregate and is ranked after those that have."
        )
    lost = Counter(_place(name_of, run) for run in kept if run.last.diverged)
    total = Counter(_place(name_of, run) for run in kept)
    if lost:
        said = ", ".join(f"{where} {count} of {total[where]}" for where, count in lost.items())
        out.append(f"†: runs that diverged (no longer finite) are left out of the numbers: {said}.")
    if unfinished:
        counted = Counter(f"{run.key[2]} on {run.key[1]}" for run in unfinished)
        said = ", ".join(f"{where} {count}" for where, count in counted.items())
        out.append(f"Runs that have not reached their last update are left out: {said}.")
    if min(total.values(), default=0) == 1:
        out.append("Where a cell has one seed there is no standard error, and its row no interval.")
    return tuple(out + _settings(kept))


def _scores(kept: Sequence[Run], tasks: Sequence[str]) -> str:
    """The formula, and where its references come from."""
    names = dict.fromkeys(run.last.score_convention for run in kept if run.last.score is not None)
    if not names:
        return "none, for want of reference returns"
    said = conventions(_cells(kept), tasks)
    meaning = "; ".join(f"{name} = {ORIGINS[name]}" for name in names if name in ORIGINS)
    return f"100 (return - low) / (high - low); {said}" + (f"; {meaning}" if meaning else "")


def _place(name_of, run: Run) -> str:
    return f"{name_of[run.key[2:4]]} on {run.key[1]}"


def _cells(found: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """{(name, task): runs}."""
    name_of, cells = labels(found), {}
    for run in found:
        cells.setdefault((name_of[run.key[2:4]], run.key[1]), []).append(run)
    return cells


def _settings(kept: Sequence[Run]) -> list[str]:
    """Settings of cards that go by one name although they are not at their defaults."""
    name_of = labels(kept)
    used: dict[tuple[str, str], list[str]] = {}
    for _, task, card, settings, _ in dict.fromkeys((*run.key[:4], 0) for run in kept):
        if settings and name_of[card, settings] == card:
            used.setdefault((card, settings), []).append(task)
    return [f"Settings of {card} on {', '.join(tasks)}: {settings}." for (card, settings), tasks in used.items()]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value or "not recorded" for value in values))


def _most(numbers: Mapping[str, int]) -> tuple[int, str]:
    """The commonest number, and the exceptions in words."""
    usual = Counter(numbers.values()).most_common(1)[0][0]
    odd = [f"{where} {number:,}" for where, number in numbers.items() if number != usual]
    return usual, f" ({', '.join(odd)})" if odd else ""


def _seeds(kept: Sequence[Run]) -> str:
    if not kept:
        return "none"
    name_of = labels(kept)
    usual, odd = _most(Counter(_place(name_of, run) for run in kept))
    seeds = sorted({run.key[4] for run in kept})
    return f"{usual} a cell{odd}; {ranges(seeds)}"


def _updates(kept: Sequence[Run]) -> str:
    name_of = labels(kept)
    reached = {_place(name_of, run): run.last.update for run in kept if sound(run.last)}
    if not reached:
        return "none"
    usual, odd = _most(reached)
    checkpoints = sorted({row.update for run in kept for row in run.rows})
    return f"{usual:,}{odd}, evaluated {len(checkpoints)} times"


def _seconds(found: Sequence[Run]) -> str:
    rows = [row for run in found for row in run.rows]
    compiled, trained, evaluated = (
        sum(getattr(row, f"{part}_seconds") for row in rows) for part in ("compile", "train", "evaluate")
    )
    total = compiled + trained + evaluated
    return f"{compiled:,.0f} compiling, {trained:,.0f} training, {evaluated:,.0f} evaluating, {total:,.0f} in all"
