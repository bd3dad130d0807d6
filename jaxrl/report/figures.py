"""A board's charts with what says the same in words: a summary, and the numbers as a table."""

from typing import NamedTuple

from jaxrl.report import charts
from jaxrl.report.facts import Facts, Record
from jaxrl.report.markup import Cell, Column, Row


class Figure(NamedTuple):
    """A chart. identity: of its element, and of its file where it is written as a picture; how: how it is read.

    summary: what it shows, in words. columns, rows: its numbers. data: what filters look at.
    """

    identity: str
    title: str
    how: str
    summary: str
    chart: charts.Chart
    columns: tuple[Column, ...]
    rows: list[Row]
    data: dict[str, str] = {}


def of_board(facts: Facts, families: dict[str, str], prefix: str) -> list[Figure]:
    """The board's figures; those that cannot be drawn are left out. prefix: of identities, unique on the page."""
    made = (
        ("aggregates", "Aggregates with intervals", AGGREGATES, charts.intervals, _aggregates),
        ("curves", "Learning curves", CURVES, charts.curves, _curves),
        ("profiles", "Performance profiles", PROFILES, charts.profiles, _profiles),
        ("improvement", "Probability of improvement", IMPROVEMENT, charts.improvements, _improvements),
    )
    records = ("names", "tasks", "aggregates", "profiles", "improvements", "curves")
    plain = facts._replace(**{name: charts.printable(getattr(facts, name)) for name in records})
    out = []
    for name, title, how, draw, tabulate in made:
        chart = draw(plain, charts.printable(families))
        if chart is not None:
            summary, columns, rows = tabulate(facts, families)
            out.append(Figure(f"{prefix}-{name}", title, how, summary, chart, columns, rows))
    return out


AGGREGATES = (
    "Points are statistics of all runs on the tasks named, bars their 95 % stratified-bootstrap intervals (50,000 "
    "resamples). IQM: mean of the middle half of the runs. Optimality gap: what runs lack to a score of 100 on "
    "average; less is better."
)
CURVES = (
    "Lines are means over seeds at each checkpoint, bands Student's 95 % interval of the mean. Select a name in the "
    "legend to bring it forward."
)
PROFILES = (
    "The share of runs that score more than the number below; higher is better, and curves that cross are better at "
    "different levels. Bands are 95 % stratified-bootstrap intervals."
)
IMPROVEMENT = (
    "How probably a run of the row's card scores more than one of the column's on a task that both have, in per cent, "
    "ties counted one half. *: the 95 % stratified-bootstrap interval (2,000 resamples) leaves 50 % out."
)
NOT_GIVEN = "not given"


def number(value: float | None, places: int = 1) -> Cell:
    """A number's cell; a dash where there is none."""
    return Cell("–" if value is None else f"{value:,.{places}f}", value)


def interval(row: Record, places: int = 1, scale: float = 1.0) -> Cell:
    """An interval's cell, sorted by its lower end."""
    if row["low"] is None:
        return Cell(NOT_GIVEN)
    return Cell(f"[{scale * row['low']:.{places}f}, {scale * row['high']:.{places}f}]", row["low"])


def shared(row: Record, families: dict[str, str]) -> dict[str, str]:
    """What filters look at in a card's row."""
    task = {"task": row["task"]} if "task" in row else {}
    return {"name": row["name"], "family": families[row["name"]], **task}


def _columns(*titles: str) -> tuple[Column, ...]:
    """A header of rows, then numbers; titles of other text start with a hyphen."""
    return tuple(Column(title.removeprefix("-"), place > 0 and title[0] != "-") for place, title in enumerate(titles))


def _aggregates(facts: Facts, families: dict[str, str]) -> tuple[str, tuple[Column, ...], list[Row]]:
    rows = [
        Row(
            (
                Cell(row["name"], row["name"]), Cell(row["statistic"]), Cell(row["over"]), number(row["value"]),
                interval(row),
            ),
            shared(row, families),
        )
        for row in facts.aggregates
    ]  # fmt: skip
    said = []
    for over in dict.fromkeys(row["over"] for row in facts.aggregates):
        found = [row for row in facts.aggregates if row["statistic"] == "IQM" and row["over"] == over]
        first = max(found, key=lambda row: row["value"])
        ends = f" [{first['low']:.1f}, {first['high']:.1f}]" if first["low"] is not None else ""
        others = f", the highest of {len(found)}" if len(found) > 1 else ""
        said.append(f"{over[0].upper()}{over[1:]}, {first['name']} has an IQM of {first['value']:.1f}{ends}{others}.")
    return " ".join(said), _columns("card", "-statistic", "-tasks", "value", "95 % interval"), rows


def _curves(facts: Facts, families: dict[str, str]) -> tuple[str, tuple[Column, ...], list[Row]]:
    rows = [
        Row(
            (
                Cell(row["name"], row["name"]), Cell(row["task"]), number(row["place"], 0), Cell(row["what"]),
                number(row["mean"]), interval(row), number(row["runs"], 0),
            ),
            shared(row, families),
        )
        for row in facts.curves
    ]  # fmt: skip
    highest: dict[str, list[str]] = {}
    for task in facts.tasks:
        ends = {row["name"]: row["mean"] for row in facts.curves if row["task"] == task}
        if ends:
            highest.setdefault(max(ends, key=ends.__getitem__), []).append(task)
    said = "; ".join(f"{name} on {', '.join(tasks)}" for name, tasks in highest.items())
    titles = ("card", "-dataset", facts.place, "-what", "mean", "95 % interval", "runs")
    return f"Highest at the last checkpoint: {said}.", _columns(*titles), rows


def _profiles(facts: Facts, families: dict[str, str]) -> tuple[str, tuple[Column, ...], list[Row]]:
    """Every tenth of the levels' range: the table is for reading."""
    levels = list(dict.fromkeys(row["level"] for row in facts.profiles))
    shown = set(levels[:: max(1, (len(levels) - 1) // 10)])
    percent = lambda value: Cell("–" if value is None else f"{100 * value:.0f} %", value)
    rows = [
        Row(
            (
                Cell(row["name"], row["name"]), Cell(row["over"]), number(row["level"]), percent(row["share"]),
                interval({**row, "low": row["low"], "high": row["high"]}, 0, 100),
            ),
            shared(row, families),
        )
        for row in facts.profiles
        if row["level"] in shown
    ]  # fmt: skip
    middle = min(levels, key=lambda level: abs(level - 50))
    near = [row for row in facts.profiles if row["level"] == middle]
    said = ", ".join(f"{row['name']} {100 * row['share']:.0f} %" for row in sorted(near, key=lambda row: -row["share"]))
    return (
        f"Runs that score more than {middle:.0f}: {said}.",
        _columns("card", "-tasks", "score", "runs above", "95 % interval, %"),
        rows,
    )


def _improvements(facts: Facts, families: dict[str, str]) -> tuple[str, tuple[Column, ...], list[Row]]:
    rows = [
        Row(
            (
                Cell(row["first"], row["first"]), Cell(row["second"], row["second"]),
                Cell(f"{100 * row['probability']:.0f} %", row["probability"]), interval(row, 0, 100),
                number(row["tasks"], 0),
            ),
            {"name": row["first"], "family": families[row["first"]]},
        )
        for row in facts.improvements
    ]  # fmt: skip
    clear = [row for row in facts.improvements if charts.certain(row) and row["probability"] > 0.5]
    pairs = len(facts.improvements) // 2
    given = sum(row["low"] is not None for row in facts.improvements) // 2
    said = f"Of {pairs} pair{'s' * (pairs != 1)}, {len(clear)} differ by more than their 95 % interval allows for."
    said += f" {pairs - given} have no interval." if given < pairs else ""
    return said, _columns("card", "-than", "probability", "95 % interval, %", "tasks"), rows
