"""One picture of datasets: returns, lengths, quality against coverage, actions."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.core.check import InputError
from jaxrl.evaluation.plots import COLOURS, DASHES, MARKERS, save
from jaxrl.evaluation.runs import short_names

BINS = 40


class Pictured(NamedTuple):
    """A dataset as it is drawn. returns, lengths: [episodes]; action: [n, A], or [n] classes; None: not known."""

    name: str
    returns: np.ndarray
    lengths: np.ndarray
    action: np.ndarray
    quality: float | None
    coverage: float | None


def draw(found: Sequence[Pictured], path: str | os.PathLike) -> None:
    """Draw datasets in one colour each: histograms of returns, lengths and actions, and TQ against SACo.

    The ending of `path` picks the format (png, svg, pdf). Raises InputError for no datasets, or a place that cannot be
    written.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    if not found:
        raise InputError("there are 0 datasets to draw; name at least one")
    short, pattern = short_names([one.name for one in found])
    figure = Figure(figsize=(9.0, 6.6 + 0.22 * math.ceil(len(found) / 4)), layout="constrained", dpi=150)
    axes = figure.subplots(2, 2).ravel()
    styles = [{"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}
              for i in range(len(found))]  # fmt: skip
    _histograms(axes[0], [one.returns for one in found], styles)
    _histograms(axes[1], [one.lengths for one in found], styles)
    axes[1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _scatter(axes[2], found, styles)
    _actions(axes[3], found, styles)
    share = "share of episodes"
    _dress(axes[0], "Returns", "undiscounted return of an episode", share)
    _dress(axes[1], "Lengths", "steps of an episode", share)
    _dress(
        axes[2], "Quality and coverage", "SACo: unique pairs, relative to the replay's", "TQ: 0 random, 1 best online"
    )
    several = any(one.action.ndim > 1 and one.action.shape[1] > 1 for one in found)
    _dress(axes[3], "Actions", "value, all axes together" if several else "value", "share of actions")
    figure.suptitle(f"datasets {pattern}" if pattern else found[0].name, fontsize=9)
    if len(found) > 1:
        names = [short[one.name] for one in found]
        columns = max(1, min(len(found), 105 // (max(map(len, names)) + 6)))
        handles = [Line2D([], [], marker=_marker(index), **style) for index, style in enumerate(styles)]
        figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    save(figure, Path(path))


def _marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def _edges(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Edges of bins that all columns have in common; around whole numbers where there are only such."""
    low, high = min(float(one.min()) for one in columns), max(float(one.max()) for one in columns)
    if all(np.issubdtype(one.dtype, np.integer) for one in columns):
        wide = max(1, math.ceil((high - low + 1) / BINS))
        return np.arange(low - 0.5, high + 0.5 + wide, wide)
    return np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, high + 0.5, BINS + 1)


def _histograms(axis, columns: Sequence[np.ndarray], styles: Sequence[dict]) -> None:
    """Shares of each column's values in common bins, as outlines."""
    edges = _edges(columns)
    for column, style in zip(columns, styles, strict=True):
        share = np.histogram(column, edges)[0] / column.size
        axis.stairs(share, edges, fill=True, alpha=0.12, color=style["color"], linewidth=0)
        axis.stairs(share, edges, linewidth=1.5, baseline=None, **style)
    if len(edges) == 2:
        axis.set_xlim(edges[0] - 3, edges[1] + 3)


def _scatter(axis, found: Sequence[Pictured], styles: Sequence[dict]) -> None:
    """TQ against SACo, with lines at the values of the random and the replay set; says why where nothing is known."""
    axis.axhline(0, color="#bbbbbb", linewidth=0.8)
    axis.axhline(1, color="#bbbbbb", linewidth=0.8)
    axis.axvline(1, color="#bbbbbb", linewidth=0.8)
    lost = 0
    for index, (one, style) in enumerate(zip(found, styles, strict=True)):
        if one.quality is None or one.coverage is None:
            lost += 1
            continue
        axis.scatter(one.coverage, one.quality, s=55, color=style["color"], marker=_marker(index), zorder=3)
    if lost:
        text = f"{lost} of {len(found)} not shown:\nno reference returns, or no replay set"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=8, color="#666666")
    known = [one.coverage for one in found if one.quality is not None and one.coverage is not None]
    axis.set_xlim(0, 1.08 * max([1.0, *known]))


def _actions(axis, found: Sequence[Pictured], styles: Sequence[dict]) -> None:
    """Continuous actions as histograms, classes as bars side by side."""
    if any(np.issubdtype(one.action.dtype, np.inexact) for one in found):
        _histograms(axis, [np.asarray(one.action, float) for one in found], styles)
        return
    classes = np.arange(1 + max(int(one.action.max()) for one in found))
    width = 0.8 / len(found)
    for index, (one, style) in enumerate(zip(found, styles, strict=True)):
        share = np.bincount(one.action, minlength=len(classes)) / len(one.action)
        axis.bar(classes + (index - (len(found) - 1) / 2) * width, share, width, color=style["color"])
    axis.set_xticks(classes if len(classes) <= 20 else classes[:: len(classes) // 10])


def _dress(axis, title: str, xlabel: str, ylabel: str) -> None:
    axis.set_title(title, fontsize=10, loc="left", pad=4)
    axis.set_xlabel(xlabel, fontsize=8.5, labelpad=2)
    axis.set_ylabel(ylabel, fontsize=8.5, labelpad=2)
    axis.tick_params(labelsize=8, length=2.5, color="#999999")
    axis.grid(True, color="#eeeeee", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color("#999999")
