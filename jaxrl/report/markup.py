"""HTML from plain values: whatever is not marked as HTML is escaped, so that text from files cannot become code."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

VOID = {"meta", "input", "br", "link"}


class Html(str):
    """Text that is HTML already."""


class Cell(NamedTuple):
    """A cell of a table. value: what it is sorted by, None for what comes last; data: what filters look at."""

    content: Any
    value: float | str | None = None
    data: Mapping[str, str] = {}
    kind: str = ""


class Row(NamedTuple):
    """A row whose first cell is its header. data: what filters look at."""

    cells: Sequence[Cell]
    data: Mapping[str, str] = {}


class Column(NamedTuple):
    """A column's title. number: right-aligned, and sorted from the largest first; sortable: whether it has a button."""

    title: Any
    number: bool = True
    data: Mapping[str, str] = {}
    sortable: bool = True
    order: str = "none"


def element(name: str, *content: Any, **attributes: Any) -> Html:
    """An element. `class_` and `for_` lose their underscore, others become hyphens; None and False are left out."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    shown = "".join(
        f" {key}" if value is True else f' {key}="{html.escape(str(value))}"'
        for key, value in pairs
        if value is not None and value is not False
    )
    return Html(f"<{name}{shown}>" + ("" if name in VOID else f"{joined(*content)}</{name}>"))


def joined(*content: Any) -> Html:
    """Parts one after another; those that are not HTML are escaped, None is nothing, lists are taken apart."""
    out = []
    for one in content:
        if one is None:
            continue
        if isinstance(one, Iterable) and not isinstance(one, str):
            out.append(joined(*one))
        else:
            out.append(one if isinstance(one, Html) else html.escape(str(one)))
    return Html("".join(out))


def data_block(identity: str, value: Any) -> Html:
    """Data for the page's script. No text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{html.escape(identity)}">{text}</script>')


def filtered(data: Mapping[str, str]) -> dict[str, Any]:
    """Attributes that filters look at: `data-task` and the like; several values are lines of one text."""
    return {"data_filter": True, **{f"data_{name}": value for name, value in data.items()}} if data else {}


def grid(identity: str, caption: Any, columns: Sequence[Column], rows: Iterable[Row], kind: str | None = None) -> Html:
    """A table that scrolls in a region of its own, with buttons in its headers that sort it. kind: its class."""
    head = [_header(column) for column in columns]
    body = [element("tr", _cells(row, columns), **filtered(row.data)) for row in rows]
    table = element(
        "table", element("caption", element("span", caption), id=f"{identity}-caption"),
        element("thead", element("tr", head)), element("tbody", body), id=identity, class_=kind,
    )  # fmt: skip
    return element("div", table, class_="scroll", role="region", tabindex="0", aria_labelledby=f"{identity}-caption")


def _header(column: Column) -> Html:
    side = "number" if column.number else None
    if not column.sortable:
        return element("th", column.title, scope="col", class_=side, **filtered(column.data))
    button = element("button", column.title, element("span", class_="arrow", aria_hidden="true"), type="button")
    return element("th", button, scope="col", class_=side, aria_sort=column.order, **filtered(column.data))


def _cells(row: Row, columns: Sequence[Column]) -> list[Html]:
    out = []
    for place, (cell, column) in enumerate(zip(row.cells, columns, strict=True)):
        name, scope = ("th", "row") if place == 0 else ("td", None)
        kinds = " ".join(filter(None, ["number" if column.number else "", cell.kind])) or None
        marks = filtered(cell.data or column.data)
        out.append(element(name, cell.content, scope=scope, class_=kinds, data_value=cell.value, **marks))
    return out
