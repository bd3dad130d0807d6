"""Colours of the page and of its charts, light and dark; `tests/report` holds them to WCAG's contrasts."""

from typing import Any

TOKENS = {
    "light": {
        "page": "#f6f7f9", "surface": "#ffffff", "raised": "#eef1f5", "ink": "#1a2230", "muted": "#556072",
        "line": "#d5dae2", "accent": "#0a58a8", "on-accent": "#ffffff", "best": "#e3f1e6", "on-best": "#14532b",
        "warn": "#fdf0d5", "on-warn": "#6b4300",
    },
    "dark": {
        "page": "#10141a", "surface": "#181e26", "raised": "#222a35", "ink": "#e7ebf1", "muted": "#a5b0bf",
        "line": "#343e4c", "accent": "#82bcff", "on-accent": "#0c1420", "best": "#17382a", "on-best": "#a5e3b8",
        "warn": "#3b2f14", "on-warn": "#f3cf86",
    },
}  # fmt: skip
"""Custom properties of the style sheet, by theme."""
PAIRS = (
    ("ink", "page"), ("ink", "surface"), ("ink", "raised"), ("muted", "page"), ("muted", "surface"),
    ("muted", "raised"), ("accent", "page"), ("accent", "surface"), ("accent", "raised"), ("on-accent", "accent"),
    ("on-best", "best"), ("ink", "best"), ("muted", "best"), ("on-warn", "warn"),
)  # fmt: skip
"""Text and what it may stand on."""
CATEGORY = {
    "light": ("#0072b2", "#c4530a", "#00805d", "#b0478a", "#8f6400", "#3d3d3d", "#6a51a3", "#c0262d"),
    "dark": ("#56b4e9", "#ff9456", "#2cc596", "#ec9fcb", "#e9b949", "#dcdcdc", "#b39ddb", "#ff7b7b"),
}
"""Colours of cards: Okabe and Ito's, moved until each stands out from its surface."""
DIVERGING = {"light": ("#a8430a", "#f2f3f5", "#045a94"), "dark": ("#b34a10", "#2b333f", "#0b67a6")}
"""Of probabilities: 0, one half, 1. White text reads on the ends, the theme's ink in the middle."""
DASHES = ((1, 0), (7, 3), (2, 3), (8, 3, 2, 3))
"""Dashes that tell cards of one colour apart."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


def style() -> str:
    """The custom properties: the system's theme unless the page's switch chose one."""
    block = lambda theme: "".join(f"--{name}:{value};" for name, value in TOKENS[theme].items())
    return (
        f":root{{color-scheme:light;{block('light')}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{block('dark')}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{block('dark')}}}\n"
    )


def config(theme: str) -> dict[str, Any]:
    """Vega-Lite's configuration in a theme's colours."""
    tokens = TOKENS[theme]
    words = {"labelColor": tokens["muted"], "titleColor": tokens["muted"], "labelFontSize": 12, "titleFontSize": 12}
    words["titleFontWeight"] = "normal"
    return {
        "aria": False,
        "background": tokens["surface"],
        "font": FONT,
        "view": {"stroke": tokens["line"]},
        "axis": {**words, "gridColor": tokens["line"], "domainColor": tokens["line"], "tickColor": tokens["line"]},
        "legend": {**words, "labelColor": tokens["ink"], "symbolLimit": 0, "orient": "bottom", "labelLimit": 260},
        "header": {"labelColor": tokens["ink"], "labelFontSize": 12, "labelFontWeight": "bold"},
        "range": {"category": list(CATEGORY[theme]), "diverging": list(DIVERGING[theme])},
    }


def parameters(theme: str) -> dict[str, str]:
    """Values of the charts' parameters that a theme sets: the colour of text on the middle of the diverging range."""
    return {"ink": TOKENS[theme]["ink"]}
