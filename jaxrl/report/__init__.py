"""Reports of finished suites: one page for people, and the same leaderboards as text and pictures."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from jaxrl import suites
from jaxrl.core import files
from jaxrl.core.check import InputError, known
from jaxrl.evaluation import faults, published, tables
from jaxrl.report import boards as reading
from jaxrl.report import facts as facts_module
from jaxrl.report.boards import Board
from jaxrl.report.facts import Facts

ENDINGS = {"html": "report.html", "md": "report.md", "latex": "report.tex", "csv": "report.csv", "png": "report"}
"""Formats and what is written by default in the report's folder: a file, or for png a folder of pictures."""
EXTRA = "the report draws with Altair and vl-convert; pip install 'jaxrl-suite[report]'"
SCALE = 2.0
"""Pixels of a picture for each of the page's."""
Say = Callable[[str], None]


def write(
    folder: Path, form: str = "html", out: Path | None = None, *, measured: bool = True, say: Say = lambda text: None
) -> tuple[list[Path], list[str]]:
    """Write the report of all scores under `folder`; returns the files, and lines on what could not be read.

    form: "html", "md", "latex", "csv" or "png". out: default by form, in `folder`. measured: whether datasets on this
    machine are measured for the page. say: is told what goes on. Raises InputError where there is nothing to read, a
    library is missing or nothing can be written.
    """
    known("format", form, ENDINGS)
    if form in ("html", "png"):
        check_extra()
    place = Path(out) if out else Path(folder) / ENDINGS[form]
    if form != "png" and place.is_dir():
        raise InputError(f"--out {place} is a folder; name the file to be written, such as {place / ENDINGS[form]}")
    found, complaints = reading.found(folder)
    if form in ("html", "png"):
        gathered = [_gathered(board, say) for board in found]
        if form == "png":
            return _pictures(gathered, place, say), complaints
        return [_page(gathered, place, Path(folder), complaints, measured, say)], complaints
    text = {"md": _markdown, "latex": _latex, "csv": _csv}[form](found)
    files.write(place, text)
    return [place], complaints


def check_extra() -> None:
    """InputError with the remedy where a library that draws is missing."""
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error.name or error} is not installed: {EXTRA}") from None


def _gathered(board: Board, say: Say) -> Facts:
    say(f"computing {board.label}")
    return facts_module.gathered(facts_module.key(), board, suites.remarks(board.suite))


def _page(gathered: list[Facts], place: Path, folder: Path, complaints: list[str], measured: bool, say: Say) -> Path:
    from jaxrl.report import datasets, page

    described = datasets.described(gathered, say, measured)
    say("writing the page")
    files.write(place, page.page(gathered, described, folder, complaints))
    return place


def _pictures(gathered: list[Facts], place: Path, say: Say) -> list[Path]:
    """Each chart as a PNG file, named by suite and chart."""
    import vl_convert

    from jaxrl.report import charts, figures, themes
    from jaxrl.report.reproduce import family

    out = []
    for facts in gathered:
        families = {name: family(facts.cards.get(name, name)) for name in facts.names}
        stem = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in facts.board.label)
        for one in figures.of_board(facts, families, stem):
            say(f"drawing {one.identity}")
            spec = {**one.chart, "config": themes.config("light")}
            file = place / f"{one.identity}.png"
            files.write(file, vl_convert.vegalite_to_png(spec, vl_version=charts.version(), scale=SCALE))
            out.append(file)
    return out


def _table(board: Board) -> tables.Table:
    notes = [*suites.remarks(board.suite), *board.notes]
    key = facts_module.key()
    table = tables.leaderboard(board.scores, checkpoint="both", key=key, notes=notes, lines=board.lines)
    return table._replace(title=f"Leaderboard: {board.label}")


def _markdown(found: list[Board]) -> str:
    parts = [tables.markdown(_table(board)) + published.section(faults.averaged(board.scores)) for board in found]
    return "\n".join(parts)


def _latex(found: list[Board]) -> str:
    return "\n".join(f"% {board.label}\n{tables.latex(_table(board))}" for board in found)


def _csv(found: list[Board]) -> str:
    """The tables' cells, with the suite in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for place, board in enumerate(found):
        head, *rows = csv.reader(io.StringIO(tables.csv(_table(board))))
        writer.writerows([["suite", *head]] * (place == 0) + [[board.label, *row] for row in rows])
    return out.getvalue()
