"""Pictures of scores: learning curves with confidence bands, a panel a task."""

import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.evaluation import aggregate
from jaxrl.evaluation.runs import Run, labels, runs, short_names, sound
from jaxrl.evaluation.scores import Score

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7A5195")
"""Okabe and Ito's palette, told apart by colour-blind readers too; yellow is too faint for lines and gave way."""
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


class Axis(NamedTuple):
    """What scores are drawn against: a label, and its value at each row of a run."""

    label: str
    read: Callable[[Run], list[float]]


def _seconds(run: Run) -> list[float]:
    """Seconds of training up to each row, compiling left out."""
    return list(itertools.accumulate(row.train_seconds for row in run.rows))


UPDATES = Axis("updates", lambda run: [row.update for row in run.rows])
STEPS = Axis("environment steps", lambda run: [row.env_steps for row in run.rows])
CLOCK = Axis("seconds of training", _seconds)


def curves(scores: Iterable[Score], path: str | os.PathLike, against: Axis = UPDATES) -> None:
    """Draw score (return, where a task has no reference) against updates: mean over seeds and its 95 % t interval.

    against: `UPDATES`, `STEPS` of the environment for sample efficiency, or `CLOCK` for wall-clock time. One panel
    a task, one colour a card, the same in all panels. The ending of `path` picks the format (png, svg, pdf).
    Raises InputError for no scores, or a place that cannot be written.
    """
    from matplotlib.figure import Figure

    found = runs(scores)
    tasks = list(dict.fromkeys(run.key[1] for run in found))
    name_of, (short, pattern) = labels(found), short_names(tasks)
    names = list(dict.fromkeys(name_of.values()))
    wide = _columns(len(tasks))
    tall = math.ceil(len(tasks) / wide)
    figure = Figure(figsize=(max(3.1 * wide, 5.0), 2.3 * tall + 1.0), layout="constrained", dpi=150)
    axes = figure.subplots(tall, wide, squeeze=False).ravel()
    handles: dict[str, object] = {}
    for axis, task in zip(axes, tasks, strict=False):
        here = [run for run in found if run.key[1] == task]
        scored = any(row.score is not None for run in here for row in run.rows)
        for index, name in enumerate(names):
            line = _line(axis, [run for run in here if name_of[run.key[2:4]] == name], scored, index, against)
            if line is not None:
                handles.setdefault(name, line)
        _dress(axis, short[task], "score" if scored else "return", against is not CLOCK)
    for position, axis in enumerate(axes):
        axis.set_visible(position < len(tasks))
        axis.set_xlabel(against.label if position + wide >= len(tasks) else "", fontsize=8, labelpad=2)
    figure.suptitle(_title(found, pattern), fontsize=9)
    ordered = {name: handles[name] for name in names if name in handles}
    width = max(map(len, names)) + 6
    columns = max(1, min(len(ordered), int(figure.get_figwidth() * 14) // width))
    if ordered:
        figure.legend(
            ordered.values(), ordered.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=9
        )
    save(figure, Path(path))


def _columns(panels: int) -> int:
    """Panels side by side: about three by two, never more than five."""
    return min(5, max(1, round(math.sqrt(panels * 2.0))))


def _line(axis, found: list[Run], scored: bool, index: int, against: Axis):
    """Mean over sound runs at each update, with its band. Returns the line, or None where nothing can be drawn."""
    points: dict[int, list[float]] = {}
    places: dict[int, list[float]] = {}
    for row, place in (pair for run in found for pair in zip(run.rows, against.read(run), strict=True)):
        value = row.score if scored else row.return_mean
        if sound(row) and value is not None:
            points.setdefault(row.update, []).append(value)
            places.setdefault(row.update, []).append(place)
    if not points:
        return None
    updates = sorted(points)
    at = [float(np.mean(places[update])) for update in updates]
    values = aggregate.matrix([points[update] for update in updates])
    low, high = aggregate.mean_interval(values)
    colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
    middle = aggregate.run_mean(values)
    axis.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)
    style = {
        "color": colour,
        "linestyle": dash,
        "marker": MARKERS[(index + 3 * (index // len(COLOURS))) % len(MARKERS)],
    }
    return axis.plot(at, middle, **style, linewidth=1.5, markersize=3.2, markeredgewidth=0)[0]


def _dress(axis, title: str, ylabel: str, counted: bool) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, ScalarFormatter

    # A variant's name stands below its dataset's, or long ones would run into the next panel.
    axis.set_title(title.replace("+", "\n+"), fontsize=9, loc="left", pad=4)
    axis.set_ylabel(ylabel, fontsize=8, labelpad=2)
    axis.tick_params(labelsize=7.5, length=2.5, color="#999999")
    axis.grid(True, color="#e6e6e6", linewidth=0.6)
    axis.set_axisbelow(True)
    nearest = _nearest_of_spread(axis)
    if nearest is None:
        axis.xaxis.set_major_locator(MaxNLocator(4))
    else:
        axis.set_xscale("symlog", linthresh=nearest, linscale=0.5)
    axis.xaxis.set_major_formatter(EngFormatter(sep="") if counted else ScalarFormatter())
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.margins(x=0.03)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color("#999999")


def _nearest_of_spread(axis) -> float | None:
    """The smallest place above zero where some lines end at less than a twentieth of the others; else None."""
    ends = [max(line.get_xdata()) for line in axis.lines]
    places = [place for line in axis.lines for place in line.get_xdata() if place > 0]
    return min(places) if places and max(ends) > 20 * min(ends) else None


def _title(found: list[Run], pattern: str) -> str:
    counts = Counter(run.key[:4] for run in found).values()
    few, many = min(counts), max(counts)
    seeds = f"{few} to {many} seeds" if few < many else f"{many} seeds"
    spread = f"mean and 95 % interval of the mean over {seeds}" if many > 1 else "one seed"
    lost = sum(not sound(run.last) for run in found)
    parts = [found[0].key[0], *([f"tasks {pattern}"] if pattern else []), spread]
    return "  ·  ".join(parts + ([f"{lost} diverged run{'s' * (lost > 1)} left out from there on"] if lost else []))


def save(figure, path: Path) -> None:
    """Write a figure; InputError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another folder with --out") from None
    except ValueError as error:
        raise InputError(f"cannot draw {path}: {error}; end the name in .png, .svg or .pdf") from None
