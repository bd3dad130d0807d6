"""Tables as Markdown, CSV, LaTeX and for the terminal."""

import csv as comma
import io
import math
from typing import NamedTuple

WIDTH = 120
"""Characters after which a Markdown table goes on in a further one with the same rows."""


class Entry(NamedTuple):
    """One cell: mean over runs, its standard error, an interval, numbers of runs (diverged ones included and apart).

    places: digits shown after the point. mark: what is added to the text, as a footnote sign. best: shown in bold.
    refused: why there is no number although there are runs, in a word ("mixed"), shown in its place; "" otherwise.
    """

    mean: float = math.nan
    error: float = math.nan
    interval: tuple[float, float] | None = None
    runs: int = 0
    diverged: int = 0
    places: int = 1
    best: bool = False
    mark: str = ""
    refused: str = ""


class Section(NamedTuple):
    """A heading, lines of text, and a grid: rows of (name, entries), one entry a column."""

    heading: str
    lines: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]


class Table(NamedTuple):
    """A title, lines of protocol as (name, text), sections, and notes."""

    title: str
    protocol: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()


def text(entry: Entry) -> str:
    """A cell in plain words: "54.3 ± 1.2", "54.3 [50.1, 57.9]", "diverged", "mixed", or "–" where there is nothing."""
    if entry.refused:
        return entry.refused + entry.mark
    if math.isnan(entry.mean):
        return "diverged" + entry.mark if entry.diverged else "–" + entry.mark
    number = entry.places
    out = f"{entry.mean:z.{number}f}"
    if entry.interval is not None:
        out += f" [{entry.interval[0]:z.{number}f}, {entry.interval[1]:z.{number}f}]"
    elif not math.isnan(entry.error):
        out += f" ± {entry.error:.{number}f}"
    return out + entry.mark


def markdown(table: Table) -> str:
    """Markdown that also reads well as text: padded columns, wide grids cut into several."""
    blocks = [f"# {table.title}", "\n".join(f"- **{name}:** {said}" for name, said in table.protocol)]
    for section in table.sections:
        blocks += [f"## {section.heading}", *section.lines]
        blocks += [_grid(part) for part in _parts(section)]
    if table.notes:
        blocks += ["## Notes", "\n".join(f"- {note}" for note in table.notes)]
    return "\n\n".join(blocks) + "\n"


def csv(table: Table) -> str:
    """Comma-separated, one line a cell: where it stands, its numbers, runs, diverged ones, and why it is refused."""
    out = io.StringIO()
    writer = comma.writer(out, lineterminator="\n")
    writer.writerow(
        ["section", "row", "column", "mean", "standard_error", "low", "high", "runs", "diverged", "refused"]
    )
    for section in table.sections:
        for name, entries in section.rows:
            for column, e in zip(section.columns, entries, strict=True):
                low, high = e.interval or (math.nan, math.nan)
                numbers = [_plain(value) for value in (e.mean, e.error, low, high)]
                writer.writerow([section.heading, name, column, *numbers, e.runs, e.diverged, e.refused])
    return out.getvalue()


def _plain(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def latex(table: Table) -> str:
    """One `table` with a `tabular` (booktabs) a section."""
    return "\n".join(_tabular(section) for section in table.sections)


def rich_table(table: Table, width: int = WIDTH):
    """A `rich` renderable for a terminal of `width` characters."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    parts: list = [Text(table.title, style="bold")]
    parts += [Text.assemble((f"{name}: ", "bold"), said) for name, said in table.protocol]
    for section in table.sections:
        parts += [Text("\n" + section.heading, style="bold cyan"), *(Text(line) for line in section.lines)]
        for part in _parts(section, width):
            grid = Grid(header_style="bold", box=box.SIMPLE_HEAD)
            grid.add_column("card", no_wrap=True)
            for column in part.columns:
                grid.add_column(column, justify="right", no_wrap=True)
            for name, entries in part.rows:
                grid.add_row(Text(name), *(Text(text(e), style="bold green" if e.best else "") for e in entries))
            parts.append(grid)
    parts += [Text("Notes", style="bold cyan")] if table.notes else []
    parts += [Text(f"- {note}") for note in table.notes]
    return Group(*parts)


def _shown(entry: Entry) -> str:
    return f"**{text(entry)}**" if entry.best else text(entry)


def _escape(name: str) -> str:
    return name.replace("|", "\\|")


def _widths(section: Section) -> tuple[int, list[int]]:
    first = max(len(_escape(name)) for name in ["card", *(name for name, _ in section.rows)])
    cells = [[_shown(entries[i]) for _, entries in section.rows] for i in range(len(section.columns))]
    columns = zip(section.columns, cells, strict=True)
    return first, [max(len(c) for c in [_escape(column), *column_cells]) for column, column_cells in columns]


def _parts(section: Section, width: int = WIDTH) -> list[Section]:
    """The section's grid cut so that each part fits in `width`, if one column does."""
    first, widths = _widths(section)
    groups: list[list[int]] = [[]]
    for index in range(len(widths)):
        if groups[-1] and first + 4 + sum(widths[i] + 3 for i in [*groups[-1], index]) > width:
            groups.append([])
        groups[-1].append(index)
    return [
        section._replace(
            columns=tuple(section.columns[i] for i in group),
            rows=tuple((name, tuple(entries[i] for i in group)) for name, entries in section.rows),
        )
        for group in groups
    ]


def _grid(section: Section) -> str:
    first, widths = _widths(section)

    def line(name: str, cells: list[str]) -> str:
        padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"| {name:<{first}} | " + " | ".join(padded) + " |"

    lines = [line("card", [_escape(column) for column in section.columns])]
    lines.append(f"|:{'-' * (first + 1)}|" + "|".join("-" * (w + 1) + ":" for w in widths) + "|")
    lines += [line(_escape(name), [_shown(entry) for entry in entries]) for name, entries in section.rows]
    return "\n".join(lines)


def _tabular(section: Section) -> str:
    """LaTeX of one section; needs booktabs."""

    def cell(entry: Entry) -> str:
        said = _tex(text(entry))
        return f"\\textbf{{{said}}}" if entry.best else said

    lines = ["\\begin{table}", "\\centering", f"\\caption{{{_tex(section.heading)}. {_tex(' '.join(section.lines))}}}"]
    lines += [f"\\begin{{tabular}}{{l{'r' * len(section.columns)}}}", "\\toprule"]
    lines += [" & ".join(["card", *(_tex(column) for column in section.columns)]) + " \\\\", "\\midrule"]
    lines += [" & ".join([_tex(name), *(cell(e) for e in entries)]) + " \\\\" for name, entries in section.rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""])


_TEX = {
    **{sign: "\\" + sign for sign in "_%&#${}"},
    "\\": "\\textbackslash{}",
    "±": "$\\pm$",
    "–": "--",
    "†": "$\\dagger$",
    "‡": "$\\ddagger$",
    "§": "\\S{}",
    "…": "\\ldots{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
}


def _tex(said: str) -> str:
    return "".join(_TEX.get(sign, sign) for sign in said)
