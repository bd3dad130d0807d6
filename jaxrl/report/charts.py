"""Vega-Lite charts of a report, drawn by Vega-Altair. Data stand in the charts; colours come from the page's theme.

Every chart listens to parameters that the page's filters set, "" for all: `only_task`, `only_family`, `only_name`. Its
`usermeta` says how the page fits it: room beside a panel, how wide a panel may become (0: as wide as there is room) and
must be, and how many panels may stand side by side.
"""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from jaxrl.evaluation.runs import short_names
from jaxrl.report.facts import Facts, Record
from jaxrl.report.themes import DASHES, SHAPES, parameters

WIDTH, HEIGHT = 300, 200
"""Of a panel in a picture."""
Chart = dict[str, Any]


def intervals(facts: Facts, families: dict[str, str]) -> Chart | None:
    """Each statistic with its interval, a panel a statistic; None where no card has a score."""
    import altair as alt

    if not facts.aggregates:
        return None
    several = len({row["over"] for row in facts.aggregates}) > 1
    panel = lambda row: (
        "\n".join([row["statistic"], *textwrap.wrap(row["over"], 26, break_on_hyphens=False)])
        if several
        else row["statistic"]
    )
    rows = [{**row, "panel": panel(row), "family": families[row["name"]]} for row in facts.aggregates]
    axis = alt.Axis(labelLimit=LABEL, grid=True, ticks=False, domain=False)
    start = alt.Chart().encode(
        y=alt.Y("name:N", sort=list(facts.names), title=None, axis=axis), color=_colour(facts.names, None),
        tooltip=[alt.Tooltip("name:N", title="card"), *_numbers("value", "low", "high")],
    )  # fmt: skip
    numbers = {"title": None, "scale": alt.Scale(zero=False, padding=8), "axis": alt.Axis(tickCount=4)}
    bars = start.mark_rule(strokeWidth=5, opacity=0.45, strokeCap="round").encode(
        x=alt.X("low:Q", **numbers), x2="high:Q"
    )
    points = start.mark_point(filled=True, size=80, opacity=1).encode(x=alt.X("value:Q", **numbers))
    layers = _panel(bars + points if _spread(rows) else points, rows, height={"step": 26})
    facet = alt.Facet(
        "panel:N", sort=_listed(rows, "panel"), title=None, header=alt.Header(labelExpr="split(datum.label, '\\n')")
    )
    chart = layers.facet(facet=facet, columns=2).resolve_scale(x="independent", y="independent")
    room = 30 + min(LABEL, 7 * max(map(len, facts.names)))
    return _finished(chart, ("family", "name"), room, columns=(4, 2, 1))


def curves(facts: Facts, families: dict[str, str]) -> Chart | None:
    """Mean and interval at each checkpoint, a panel a task; None where nothing finite was measured."""
    import altair as alt

    if not facts.curves:
        return None
    short, _ = short_names(facts.tasks)
    rows = [{**row, "family": families[row["name"]], "panel": short[row["task"]]} for row in facts.curves]
    picked, shown, faint = _picked()
    x = alt.X("place:Q", title=facts.place, **_places(facts))
    start = alt.Chart().encode(x=x, color=_colour(facts.names))
    y = lambda field: alt.Y(f"{field}:Q", title=" or ".join(_listed(rows, "what")), scale=alt.Scale(zero=False))
    band = start.mark_area().encode(y=y("low"), y2="high:Q", opacity=faint)
    line = start.mark_line(strokeWidth=2).encode(y=y("mean"), strokeDash=_dash(facts.names), opacity=shown)
    said = [alt.Tooltip("name:N", title="card"), "task:N", *_numbers("place", "mean", "low", "high", "runs")]
    dots = start.mark_point(filled=True, size=36).encode(
        y=y("mean"), opacity=shown, tooltip=said, shape=_shape(facts.names)
    )
    lines = line + dots.add_params(picked)
    panel = _panel(band + lines if _spread(rows) else lines, rows, height=HEIGHT)
    facet = alt.Facet("panel:N", sort=list(short.values()), title=None, header=alt.Header(labelLimit=280))
    chart = panel.facet(facet=facet, columns=2).resolve_scale(x="independent", y="independent")
    return _finished(chart, ("task", "family", "name"), 72, columns=_shapely(len(facts.tasks)))


def _places(facts: Facts) -> dict[str, Any]:
    """Scale and axis of the curves: logarithmic above the first checkpoint where some cards end at less than a
    twentieth of others on a task."""
    import altair as alt

    ends: dict[str, dict[str, float]] = {}
    for row in facts.curves:
        ends.setdefault(row["task"], {})[row["name"]] = row["place"]
    nearest = min((row["place"] for row in facts.curves if row["place"] > 0), default=0.0)
    if not any(max(own.values()) > 20 * min(own.values()) for own in ends.values()) or not nearest:
        return {"axis": alt.Axis(format="~s", tickCount=5, grid=False)}
    most = max(row["place"] for row in facts.curves)
    ticks = [10**power for power in range(math.floor(math.log10(nearest)), math.ceil(math.log10(most)) + 1)]
    scale = alt.Scale(type="symlog", constant=nearest)
    return {"axis": alt.Axis(format="~s", values=[0, *ticks], grid=False), "scale": scale}


def profiles(facts: Facts, families: dict[str, str]) -> Chart | None:
    """Share of runs above each score, a panel for each set of tasks; None where no card has a score."""
    import altair as alt

    if not facts.profiles:
        return None
    rows = [{**row, "family": families[row["name"]]} for row in facts.profiles]
    picked, shown, faint = _picked()
    x = alt.X("level:Q", title="normalized score", axis=alt.Axis(grid=False))
    start = alt.Chart().encode(x=x, color=_colour(facts.names))
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    y = lambda field: alt.Y(f"{field}:Q", title="runs that score more", axis=axis, scale=alt.Scale(domain=[0, 1]))
    band = start.mark_area(interpolate="step-after").encode(y=y("low"), y2="high:Q", opacity=faint)
    said = [alt.Tooltip("name:N", title="card"), *_numbers("level", "share", "low", "high")]
    line = start.mark_line(strokeWidth=2, interpolate="step-after").encode(
        y=y("share"), strokeDash=_dash(facts.names), opacity=shown, tooltip=said
    )
    line = line.add_params(picked)
    panel = _panel(band + line if _spread(rows) else line, rows, height=HEIGHT + 40)
    groups = _listed(rows, "over")
    facet = alt.Facet("over:N", sort=groups, title=None, header=alt.Header(labels=len(groups) > 1, labelLimit=320))
    return _finished(panel.facet(facet=facet, columns=2), ("family", "name"), 64, columns=_shapely(len(groups)))


def improvements(facts: Facts, families: dict[str, str]) -> Chart | None:
    """How probably the row's card beats the column's, in per cent; None where there are no pairs."""
    import altair as alt

    if not facts.improvements:
        return None
    text = lambda row: f"{100 * row['probability']:.0f}" + "*" * certain(row)
    rows = [
        {**row, "name": row["first"], "family": families[row["first"]], "text": text(row)} for row in facts.improvements
    ]
    names = [name for name in facts.names if any(row["first"] == name for row in rows)]
    plain = {"labelLimit": LABEL, "ticks": False, "domain": False, "grid": False}
    said = [alt.Tooltip("first:N", title="card"), alt.Tooltip("second:N", title="than")]
    start = alt.Chart().encode(
        x=alt.X("second:N", sort=names, title="… than", axis=alt.Axis(orient="top", labelAngle=-40, **plain)),
        y=alt.Y("first:N", sort=names, title=None, axis=alt.Axis(**plain)),
        tooltip=[*said, *_numbers("probability", "low", "high", "tasks")],
    )
    colour = alt.Color(
        "probability:Q", scale=alt.Scale(domain=[0, 1], range="diverging", interpolate="rgb"), legend=None
    )
    boxes = start.mark_rect(cornerRadius=3, stroke=None).encode(color=colour)
    end = "abs(datum.probability - 0.5) > 0.39"
    words = start.mark_text(fontSize=12).encode(
        text="text:N", color=alt.condition(end, alt.value("#ffffff"), alt.value(alt.expr("ink")))
    )
    room = 40 + min(LABEL, 7 * max(map(len, names)))
    panel = _panel(boxes + words, rows, height={"step": 30})
    return _finished(panel, ("family", "name"), room, most=64 * len(names), least=34 * len(names))


def properties(points: list[Record]) -> Chart | None:
    """Scores against measures of the datasets, a panel a measure; None where none is known.

    points: {name, family, task, suite, measure, value, score}.
    """
    import altair as alt

    if not points:
        return None
    names = _listed(points, "name")
    said = [*(alt.Tooltip(f"{field}:N") for field in ("name", "task", "suite")), *_numbers("value", "score")]
    picked, shown, _ = _picked()
    scale = alt.Scale(zero=False, nice=True)
    dots = alt.Chart().mark_point(filled=True, size=70).encode(
        x=alt.X("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5, format=",~r")),
        y=alt.Y("score:Q", title="mean score", scale=scale),
        color=_colour(names), shape=_shape(names), tooltip=said, opacity=shown,
    ).add_params(picked)  # fmt: skip
    facet = alt.Facet("measure:N", sort=_listed(points, "measure"), title=None)
    chart = _panel(dots, points, height=HEIGHT).facet(facet=facet, columns=2).resolve_scale(x="independent")
    return _finished(chart, ("task", "family", "name", "suite"), 64, columns=(4, 2, 1))


def printable(value: Any) -> Any:
    """A value in which texts hold nothing that cannot be printed: Vega's expressions do not take every sign."""
    if isinstance(value, str):
        return "".join(sign if sign.isprintable() else " " for sign in value)
    if isinstance(value, dict):
        return {printable(key): printable(one) for key, one in value.items()}
    return type(value)(map(printable, value)) if isinstance(value, list | tuple) else value


def version() -> str:
    """The Vega-Lite version that charts are written for."""
    import altair

    return ".".join(altair.SCHEMA_VERSION.split(".")[:2])


LABEL = 170
"""Pixels of a card's name beside an axis."""


def _spread(rows: list[Record]) -> bool:
    """Whether any row has an interval."""
    return any(row["low"] is not None for row in rows)


def certain(row: Record) -> bool:
    """Whether a pair's interval leaves one half out."""
    return row["low"] is not None and not row["low"] <= 0.5 <= row["high"]


def _panel(chart, rows: list[Record], height):
    import altair as alt

    return chart.properties(data=alt.Data(values=rows), width=WIDTH, height=height)


def _shapely(panels: int) -> tuple[int, ...]:
    """Numbers of panels side by side that leave no panel alone, the most first."""
    if panels < 3:
        return tuple(range(panels, 0, -1))
    return (2, 1) if panels == 4 else (3, 2, 1)


def _finished(
    chart, filters: Sequence[str], room: int, most: int = 0, least: int = 0, columns: Sequence[int] = (1,)
) -> Chart:
    """The chart as plain data, with its filters as parameters."""
    spec = chart.to_dict()
    spec["params"] = [
        *spec.get("params", []),
        *({"name": f"only_{field}", "value": ""} for field in filters),
        *({"name": name, "value": value} for name, value in parameters("light").items()),
    ]
    if "facet" in spec:
        spec["columns"] = next((count for count in columns if count <= 2), 1)
    tests = [f"(only_{field} === '' || datum.{field} === only_{field})" for field in filters]
    spec["transform"] = [{"filter": " && ".join(tests)}, *spec.get("transform", [])]
    spec["usermeta"] = {"room": room, "most": most, "least": least, "columns": list(columns)}
    del spec["config"]
    return spec


def _picked():
    """(selection by clicks in the legend, opacity of lines, opacity of bands)."""
    import altair as alt

    picked = alt.selection_point(fields=["name"], bind="legend")
    shown = alt.when(picked).then(alt.value(1.0)).otherwise(alt.value(0.12))
    return picked, shown, alt.when(picked).then(alt.value(0.15)).otherwise(alt.value(0.02))


def _colour(names: Sequence[str], *legend: None):
    import altair as alt

    shown = {"legend": legend[0] if legend else alt.Legend(symbolOpacity=1)}
    return alt.Color("name:N", title=None, sort=list(names), scale=alt.Scale(domain=list(names)), **shown)


def _dash(names: Sequence[str]):
    import altair as alt

    dashes = [list(DASHES[i // 8 % len(DASHES)]) for i in range(len(names))]
    return alt.StrokeDash("name:N", title=None, scale=alt.Scale(domain=list(names), range=dashes))


def _shape(names: Sequence[str]):
    import altair as alt

    shapes = [SHAPES[(i + 3 * (i // 8)) % len(SHAPES)] for i in range(len(names))]
    return alt.Shape("name:N", title=None, scale=alt.Scale(domain=list(names), range=shapes))


def _numbers(*fields: str) -> list:
    import altair as alt

    return [alt.Tooltip(f"{field}:Q", format=",.4~r") for field in fields]


def _listed(rows: Iterable[Record], field: str) -> list[str]:
    return list(dict.fromkeys(row[field] for row in rows))
