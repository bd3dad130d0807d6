"""The sections of the page: a suite's, those on datasets, published numbers, runs, and papers."""

import math
from collections.abc import Sequence
from typing import Any

from jaxrl import registry
from jaxrl.evaluation import faults, published
from jaxrl.evaluation.render import Entry, Section, text
from jaxrl.report.datasets import Described
from jaxrl.report.facts import Facts, Record, scored
from jaxrl.report.figures import Figure, number
from jaxrl.report.markup import Cell, Column, Html, Row, element, filtered, grid, joined
from jaxrl.report.reproduce import as_today, family, of_board

SHOWN = ("episodes", "steps", "return, mean", "TQ", "SACo", "lSACo", "unique pairs", "action noise", "stitching gain")
"""Measures that stand beside the scores; the others are in the table below."""
CHARTED = ("TQ", "SACo", "action noise", "stitching gain")


def suite(facts: Facts, families: dict[str, str], figures: Sequence[Figure], identity: str) -> Html:
    """A suite: leaderboard, charts, and how the numbers were made."""
    first, *others = facts.table.sections
    board = facts.board
    values = {"suite": board.label, "task": "\n".join(facts.tasks), "name": "\n".join(facts.names)}
    values["family"] = "\n".join(dict.fromkeys(families[name] for name in facts.names))
    reasons = [element("p", reason, class_="note") for reason in facts.reasons]
    more = [
        element("details", element("summary", one.heading), _section(one, facts, families, f"{identity}-more-{place}"))
        for place, one in enumerate(others)
    ]
    return element(
        "section", element("h2", "Suite ", element("span", board.label, class_="name"), id=identity),
        element("h3", "Leaderboard"), _section(first, facts, families, f"{identity}-board"), reasons, more,
        [figure(one) for one in figures], _making(facts, identity), class_="suite", aria_labelledby=identity,
        **filtered(values),
    )  # fmt: skip


def _section(section: Section, facts: Facts, families: dict[str, str], identity: str) -> Html:
    """A grid of the leaderboard, sortable; the lines that explain it stand under it. A row whose aggregate is refused
    has no rank."""
    columns = [Column("rank", order="ascending"), Column("card", False), *_heads(section, facts)]
    rows = []
    for place, (name, entries) in enumerate(section.rows, start=1):
        card = facts.cards.get(name, name)
        label = joined(element("span", name, class_="name"), element("span", families[name], class_="family"))
        refused = section.columns[0].startswith("IQM") and entries[0].refused
        cells = [Cell(label, name), Cell("–" if refused else place, place), *map(entry, entries)]
        rows.append(Row(cells, {"name": name, "family": family(card)}))
    columns = [columns[1], columns[0], *columns[2:]]
    caption = f"{section.heading}, suite {facts.board.label}"
    lines = [element("p", line, class_="note") for line in section.lines]
    return joined(grid(identity, caption, columns, rows), lines)


def _heads(section: Section, facts: Facts) -> list[Column]:
    """Titles; those of single tasks can be filtered by task."""
    heads = []
    for title in section.columns:
        # A title is a task's name without what all share, and perhaps a mark: the shortest of those that hold it.
        fitting = [task for task in facts.tasks if title.rstrip(" §") in task and not title.startswith("IQM")]
        heads.append(Column(title, data={"task": min(fitting, key=len)} if fitting else {}))
    return heads


def entry(one: Entry) -> Cell:
    """A leaderboard's cell: the mean, and its error or interval in smaller print."""
    said = text(one)
    if math.isnan(one.mean):
        return Cell(said)
    head, space, rest = said.partition(" ")
    spread = element("span", rest, class_="spread") if space else None
    return Cell(
        joined(element("span", head, class_="mean"), space or None, spread), one.mean, kind="best" if one.best else ""
    )


def figure(one: Figure) -> Html:
    """A chart with its summary, how it is read, and its numbers."""
    saves = [
        element("button", f"Save {kind.upper()}", type="button", class_="save", data_kind=kind, data_chart=one.identity,
                aria_label=f"Save the chart {one.title} as {kind.upper()}")
        for kind in ("svg", "png")
    ]  # fmt: skip
    drawn = element("div", class_="chart", id=one.identity, role="img", aria_label=f"{one.title}. {one.summary}")
    caption = joined(element("p", one.summary, class_="summary"), element("p", one.how, class_="note"))
    numbers = element(
        "details", element("summary", "The numbers as a table"),
        grid(f"{one.identity}-numbers", f"{one.title}: numbers", one.columns, one.rows),
    )  # fmt: skip
    title = element("h3", one.title)
    head = element("div", title, element("div", saves, class_="saves"), class_="figure-head")
    return element("figure", head, drawn, element("figcaption", caption, numbers), **filtered(one.data))


def _making(facts: Facts, identity: str) -> Html:
    """How the numbers were made, and notes."""
    lines = [[element("dt", name), element("dd", said)] for name, said in facts.table.protocol]
    command, same = of_board(facts.board), sum(map(as_today, facts.runs))
    again: Html | str = "Each run's details name the command that makes it again."
    if same == len(facts.runs):
        again = joined("All runs are made again by ", element("code", command), ".")
    elif same:
        runs = f"{same} of {len(facts.runs)} runs are made again by "
        again = joined(runs, element("code", command), "; the details of each run name its own command.")
    place, digest = "/".join(facts.board.file.parts[-2:]), f"{facts.board.digest}…"
    rows = f"{len(facts.board.scores):,} rows of "
    source = joined(rows, element("code", place), ", SHA-256 ", element("code", digest), ". ", again)
    notes = [element("li", note) for note in facts.table.notes]
    return joined(
        element("h3", "How these numbers were made"), element("p", source), element("dl", lines, class_="protocol"),
        [element("h3", "Notes", id=f"{identity}-notes"), element("ul", notes, class_="notes")] if notes else None,
    )  # fmt: skip


def overview(boards: Sequence[Facts], identities: Sequence[str]) -> Html:
    """One row a suite."""
    columns = [Column("suite", False), Column("cards"), Column("datasets"), Column("runs"), Column("diverged")]
    columns += [Column("cut short"), Column("ranked first", False)]
    rows = []
    for facts, identity in zip(boards, identities, strict=True):
        lost = sum(bool(run.last.diverged) for run in facts.runs)
        first = facts.table.sections[0]
        best = (
            joined(element("span", first.rows[0][0], class_="name"), " ", text(first.rows[0][1][0]))
            if _ranked(first)
            else "not ranked"
        )
        counts = (len(facts.names), len(facts.tasks), len(facts.runs), lost, len(facts.unfinished))
        link = element("a", facts.board.label, href=f"#{identity}")
        cells = [
            Cell(link, facts.board.label),
            *(Cell(f"{count:,}", count) for count in counts),
            Cell(best, kind="words"),
        ]
        data = {"suite": facts.board.label, "task": "\n".join(facts.tasks), "name": "\n".join(facts.names)}
        rows.append(Row(cells, data))
    return grid("overview", "Suites of this report", columns, rows)


def _ranked(section: Section) -> bool:
    return bool(section.rows) and section.columns[0].startswith("IQM")


def datasets(found: Sequence[Described], boards: Sequence[Facts], drawn: Figure | None) -> Html:
    """Properties of the datasets beside the scores that cards reached on them."""
    if not found:
        return joined(element("p", "No run of this report learned from a dataset."))
    columns = [Column("dataset", False), Column("best card", False), Column("its score"), *map(Column, SHOWN)]
    rows = []
    for one in found:
        values = {measure.name: measure.value for measure in one.measures}
        name, score = _best(one.id, boards)
        row = [Cell(one.id, one.id), Cell(name or "–", name), number(score)]
        rows.append(Row([*row, *(_measure(values.get(title)) for title in SHOWN)], _places(one.id, boards)))
    missing = [joined(element("strong", one.id), f": {one.missing}.") for one in found if one.missing]
    missing += [joined(element("strong", one.id), f": {note}.") for one in found for note in one.notes]
    return joined(
        grid("datasets-table", "What the datasets are like, and the best score reached on them", columns, rows, "wide"),
        element("ul", [element("li", one) for one in missing], class_="notes") if missing else None,
        figure(drawn) if drawn else None, _all_measures(found, boards),
    )  # fmt: skip


def _all_measures(found: Sequence[Described], boards: Sequence[Facts]) -> Html | None:
    columns = [Column("dataset", False), Column("measure", False), Column("value"), Column("what it is", False)]
    columns.append(Column("source", False))
    rows = [
        Row(
            (
                Cell(one.id, one.id), Cell(measure.name), _measure(measure.value),
                Cell("; ".join(filter(None, (measure.meaning, measure.note)))), Cell(paper_link(measure.source)),
            ),
            _places(one.id, boards),
        )
        for one in found
        for measure in one.measures
    ]  # fmt: skip
    if not rows:
        return None
    table = grid("all-measures", "All measures of all datasets", columns, rows, "wide")
    return element("details", element("summary", "All measures, with their meaning and source"), table)


def _measure(value: float | None) -> Cell:
    if value is None:
        return Cell("–")
    return Cell(f"{value:,.0f}" if value == int(value) else f"{value:,.4g}", value)


def _places(task: str, boards: Sequence[Facts]) -> dict[str, str]:
    """What filters look at in a dataset's row: the dataset and its suites."""
    return {"task": task, "suite": "\n".join(one.board.label for one in boards if task in one.tasks)}


def _best(task: str, boards: Sequence[Facts]) -> tuple[str | None, float | None]:
    means = [
        (sum(values) / len(values), name)
        for facts in boards
        for name in facts.names
        if (values := scored(facts.cells, name, task))
    ]
    return max(means)[::-1] if means else (None, None)


def points(found: Sequence[Described], boards: Sequence[Facts]) -> list[Record]:
    """Every card's mean score on a dataset beside some of the dataset's measures."""
    out = []
    for one in found:
        for measure in (each for each in one.measures if each.name in CHARTED and each.value is not None):
            for facts in boards:
                for name in facts.names:
                    values = scored(facts.cells, name, one.id)
                    if values:
                        place = {"task": one.id, "suite": facts.board.label, "name": name}
                        place["family"] = family(facts.cards[name])
                        score = sum(values) / len(values)
                        out.append({**place, "measure": measure.name, "value": measure.value, "score": score})
    return sorted(out, key=lambda row: CHARTED.index(row["measure"]))


def published_section(boards: Sequence[Facts]) -> Html | None:
    """Published numbers beside ours; None where there are none."""
    rows: list[Row] = []
    for facts in boards:
        for one in published.compared(faults.averaged(facts.board.scores)):
            rows.append(_published(one, facts.board.label))
    if not rows:
        return None
    titles = ("card", "-dataset", "-ours", "-published", "difference", "-what differs", "-re-runs", "-published data")
    columns = [Column(one.removeprefix("-"), place > 0 and one[0] != "-") for place, one in enumerate(titles)]
    said = (
        "Published numbers are of other data, simulators, budgets or protocols, as the column on what differs says. "
        "They are never averaged or ranked together with ours, and a difference says little about an implementation."
    )
    return joined(element("p", said), grid("published-table", "Published numbers beside ours", columns, rows))


def _published(one: Any, label: str) -> Row:
    """A record of `published.compared`."""
    cited = lambda number: f"{number.source} {number.mean:g}" + (f" ± {number.std:g}" if number.std is not None else "")
    listed = lambda texts: element("ul", lines) if (lines := [element("li", text) for text in texts]) else ""
    cautions = [f"{n.source}: {n.caution}" for n in (one.published, *one.reruns) if n is not None and n.caution]
    differs = [*one.marks, *cautions]
    ours = f"{one.ours.mean:.1f}" + (f" ± {one.ours.error:.1f}" if one.ours.error is not None else "")
    name = f"{one.card} {one.settings}".strip()
    cells = (
        Cell(name, name), Cell(one.task),
        Cell(f"{ours} ({one.ours.convention}, {one.ours.seeds} seed{'s' * (one.ours.seeds != 1)})", kind="words"),
        Cell(cited(one.published) if one.published else "–", kind="words"),
        Cell("–" if one.difference is None else f"{one.difference:+.1f}", one.difference),
        Cell(element("details", element("summary", f"{len(differs)} things"), listed(differs)), kind="words"),
        Cell(listed(map(cited, one.reruns)) or "–", kind="words"), Cell(one.dataset),
    )  # fmt: skip
    return Row(cells, {"suite": label, "task": one.task, "name": name, "family": family(one.card)})


def papers(boards: Sequence[Facts]) -> Html:
    """The cards of the report and where they were published."""
    columns = [
        Column("card", False),
        Column("family", False),
        Column("paper", False),
        Column("year"),
        Column("id", False),
    ]
    rows = []
    for card in sorted({run.key[2] for facts in boards for run in facts.runs}):
        for part in card.split("+"):
            module = registry.modules().get(part)
            paper = module.CARD.paper if module else None
            cells = (
                Cell(card, card), Cell(family(card)), Cell(paper.title if paper else "this version has no such card"),
                Cell(paper.year, paper.year) if paper else Cell("–"), Cell(paper_link(paper.id) if paper else "–"),
            )  # fmt: skip
            rows.append(Row(cells, {"family": family(card)}))
    return grid("papers-table", "Cards of this report and their papers", columns, rows)


def paper_link(identity: str) -> Html | str:
    """A plain link to a paper by its arXiv number or DOI; its text is what is linked to."""
    if identity.startswith("arXiv:"):
        return element("a", identity, href=f"https://arxiv.org/abs/{identity.removeprefix('arXiv:')}", rel="noreferrer")
    if identity.startswith("10."):
        return element("a", f"doi:{identity}", href=f"https://doi.org/{identity}", rel="noreferrer")
    return identity
