"""The page: one HTML file that needs nothing else, and may reach nothing else.

Its Content-Security-Policy names the scripts by their hashes, so text from files could not run even if it were not
escaped; Vega evaluates expressions with its interpreter (`ast`), so `unsafe-eval` is not needed. Styles are inline
because Vega sets some on its elements.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl import __version__
from jaxrl.report import charts, figures, runs_table, sections, themes
from jaxrl.report.datasets import Described
from jaxrl.report.facts import Facts
from jaxrl.report.figures import Figure
from jaxrl.report.markup import Cell, Column, Html, Row, data_block, element, joined
from jaxrl.report.reproduce import family

HERE = Path(__file__).parent
FILTERS = {"suite": "Suite", "task": "Dataset", "family": "Family", "name": "Card"}


class Part(NamedTuple):
    """A section of the page under a heading of its own."""

    identity: str
    title: str
    content: Html


def page(boards: Sequence[Facts], described: Sequence[Described], folder: Path, complaints: Sequence[str]) -> str:
    """The page as text. folder: the report's, below which runs are looked for; complaints: files left out, and why."""
    families = {name: family(card) for facts in boards for name, card in facts.cards.items()}
    families |= {name: "unknown" for facts in boards for name in facts.names if name not in families}
    identities = [f"suite-{place}" for place in range(1, len(boards) + 1)]
    drawn = {
        identity: figures.of_board(facts, families, identity)
        for facts, identity in zip(boards, identities, strict=True)
    }
    properties = _properties(sections.points(described, boards))
    suites = [sections.suite(facts, families, drawn[one], one) for facts, one in zip(boards, identities, strict=True)]
    parts = [
        Part("datasets", "Datasets beside scores", sections.datasets(described, boards, properties)),
        *_published(boards),
        Part("runs", "Runs", runs_table.table(list(boards))),
        Part("papers", "Cards and papers", sections.papers(boards)),
    ]
    every = [one for made in drawn.values() for one in made] + ([properties] if properties else [])
    data = {
        "charts": {one.identity: one.chart for one in every},
        "themes": {theme: themes.config(theme) for theme in themes.TOKENS},
        "parameters": {theme: themes.parameters(theme) for theme in themes.TOKENS},
        **runs_table.details(list(boards), folder),
    }
    links = [(one, facts.board.label) for one, facts in zip(identities, boards, strict=True)]
    links += [(part.identity, part.title) for part in parts]
    body = joined(
        element("a", "Skip to the results", href="#results", class_="skip"), _header(boards, folder, complaints),
        element("nav", element("ul", [element("li", element("a", text, href=f"#{one}")) for one, text in links]),
                aria_label="Sections"),
        _filters(boards, families),
        element("main", sections.overview(boards, identities), suites, [_part(part) for part in parts], id="results",
                tabindex="-1"),
        element("footer", element("p", f"Made by jaxrl {__version__} from the files named above. This page needs no "
                "network and sends nothing.")),
        element("dialog", id="details", aria_label="Details of a run"), data_block("data", data),
    )  # fmt: skip
    return _document(f"jaxrl report: {', '.join(facts.board.label for facts in boards)}", body)


def _document(title: str, body: Html) -> str:
    scripts = [_bundle(), (HERE / "page.js").read_text(encoding="utf-8").replace("\r\n", "\n")]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    style = themes.style() + (HERE / "page.css").read_text(encoding="utf-8")
    head = joined(
        element("meta", charset="utf-8"), element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"), element("title", title),
        element("style", Html(style)),
    )  # fmt: skip
    code = joined(*(element("script", Html(one)) for one in scripts))
    return f"<!DOCTYPE html>\n{element('html', element('head', head), element('body', body, code), lang='en')}\n"


def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, of the version that Altair writes charts for."""
    import vl_convert

    text = vl_convert.javascript_bundle(None, vl_version=charts.version()).replace("\r\n", "\n")
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _header(boards: Sequence[Facts], folder: Path, complaints: Sequence[str]) -> Html:
    runs = [run for facts in boards for run in facts.runs]
    lost = sum(bool(run.last.diverged) for run in runs)
    late = sum(len(facts.unfinished) for facts in boards)
    counts = {
        "suites": len(boards), "cards": len({run.key[2] for run in runs}),
        "datasets": len({run.key[1] for run in runs}), "runs": len(runs), "diverged": lost, "cut short": late,
    }  # fmt: skip
    one = {"suites": "suite", "cards": "card", "datasets": "dataset", "runs": "run"}
    tiles = [
        element("li", element("span", f"{count:,}", class_="count"), f" {one.get(name, name) if count == 1 else name}")
        for name, count in counts.items()
    ]
    warnings = [element("li", line) for line in complaints]
    return element(
        "header",
        element("div", element("h1", "Benchmark report"),
                element("button", "Dark theme", type="button", id="theme", aria_pressed="false"), class_="top"),
        element("p", "What ", element("code", f"jaxrl report {folder.name or folder}"), " found. Datasets are counted "
                "with environments that are learned from directly; runs that diverged are counted and named, never "
                "averaged."),
        element("ul", tiles, class_="tiles"),
        element("noscript", element("p", "Charts, filters, sorting and run details need JavaScript, which this page "
                "carries itself; the tables read without it.", class_="warning")),
        element("div", element("p", "Not everything could be read:"), element("ul", warnings), class_="warning")
        if warnings else None,
    )  # fmt: skip


def _filters(boards: Sequence[Facts], families: dict[str, str]) -> Html:
    values: dict[str, list[str]] = {
        "suite": [facts.board.label for facts in boards],
        "task": list(dict.fromkeys(task for facts in boards for task in facts.tasks)),
        "family": sorted({family(run.key[2]) for facts in boards for run in facts.runs}),
        "name": sorted({name for facts in boards for name in facts.names}),
    }
    fields = []
    for name, title in FILTERS.items():
        options = [element("option", "All", value=""), *(element("option", one, value=one) for one in values[name])]
        fields.append(
            element("div", element("label", title, for_=f"filter-{name}"),
                    element("select", options, id=f"filter-{name}", data_field=name), class_="field")
        )  # fmt: skip
    return element(
        "form", element("h2", "Filter", class_="aside", id="filter-title"), fields,
        element("button", "Show all", type="reset"),
        element("p", id="found", role="status", aria_live="polite"), id="filters", aria_labelledby="filter-title",
    )  # fmt: skip


def _part(part: Part) -> Html:
    return element("section", element("h2", part.title, id=part.identity), part.content, aria_labelledby=part.identity)


def _published(boards: Sequence[Facts]) -> list[Part]:
    content = sections.published_section(boards)
    return [] if content is None else [Part("published", "Published beside ours", content)]


def _properties(points: list[dict[str, Any]]) -> Figure | None:
    """The chart of scores against measures."""
    chart = charts.properties(charts.printable(points))
    if chart is None:
        return None
    columns = (Column("card", False), Column("dataset", False), Column("suite", False), Column("measure", False))
    rows = [
        Row(
            (
                Cell(one["name"], one["name"]), Cell(one["task"]), Cell(one["suite"]), Cell(one["measure"]),
                Cell(f"{one['value']:.4g}", one["value"]), figures.number(one["score"]),
            ),
            {field: one[field] for field in ("name", "family", "task", "suite")},
        )
        for one in points
    ]  # fmt: skip
    measured = len({one["task"] for one in points})
    summary = (
        f"Mean scores of {len({one['name'] for one in points})} cards on {measured} datasets beside measures of them."
    )
    how = "Each point is a card on a dataset. What the measures mean stands in the table of all measures."
    titles = (*columns, Column("value"), Column("mean score"))
    return Figure("properties", "Scores against what the data are like", how, summary, chart, titles, rows)
