"""The held-out judge in the plot of a choice: its means on an axis of their own, and where it turns."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ..scoring.choice import Row
from .figures import shortened
from .statements import Report

COLOUR = "#15803d"


def draw(left: Any, right: Any, report: Report) -> None:
    """left: score against lambda, right: against KL. Does nothing without a held-out judge."""
    rows = [row for row in report.choice.rows if row.held_out and row.contender]
    if not rows:
        return
    twins = [
        _one(axes, rows, place) for axes, place in ((left, attrgetter("strength")), (right, attrgetter("mean_kl")))
    ]
    low, high = min(axes.get_ylim()[0] for axes in twins), max(axes.get_ylim()[1] for axes in twins)
    for axes in twins:
        axes.set_ylim(low, high)
    twins[0].set_yticklabels([])
    twins[1].set_ylabel(shortened(f"{report.held_out} (held out, dashed)", 48), color=COLOUR)
    _turn(left, right, rows, report)


def _one(axes: Any, rows: list[Row], place: Callable[[Row], float]) -> Any:
    twin = axes.twinx()
    for side in ("top", "left"):
        twin.spines[side].set_visible(False)
    twin.tick_params(axis="y", length=0, colors=COLOUR)
    known = sorted((place(row), statistics.fmean(row.held_out)) for row in rows if not math.isnan(place(row)))
    twin.plot([x for x, _ in known], [y for _, y in known], "s--", color=COLOUR, markersize=4.5, linewidth=1.5)
    twin.margins(y=0.14)
    return twin


def _turn(left: Any, right: Any, rows: list[Row], report: Report) -> None:
    """A line at the lambda from which the judge falls, if it surely does."""
    found = report.choice.turning
    if found is None or not found.turned:
        return
    row = next(row for row in rows if row.strength == found.at)
    for axes, place in ((left, row.strength), (right, row.mean_kl)):
        if not math.isnan(place):
            axes.axvline(place, color=COLOUR, linewidth=1.2, linestyle=":")
    style = {"color": COLOUR, "fontsize": 9.5, "transform": left.get_xaxis_transform(), "va": "bottom"}
    left.text(row.strength, 0.01, " turns here", **style)
