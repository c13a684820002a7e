"""The plots of a report: each judge's gain over lambda with its band, as SVG, and a choice with its frontier over KL, as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import torch
from deradiff.nodes.report.figures import FONT, GRID, MUTED, shortened
from deradiff.nodes.report.plots import plot
from deradiff.nodes.report.statements import Report
from deradiff.nodes.scoring.paired import SURE

from .report_page import Part, image
from .report_results import Arm, Results, band

_BLUE, _HELD_OUT, _INTERPOLATED = "#2563eb", "#15803d", "#8b95a5"
_WIDTH, _HEIGHT, _ACROSS = 5.6, 3.4, 2  # inches of a judge's plot, and how many stand side by side


def gains(results: Results) -> Part:
    """Every judge's mean difference from the lowest lambda, with the confidence band of that paired difference."""
    import matplotlib
    from matplotlib.figure import Figure

    judges = results.every_judge
    across = min(_ACROSS, len(judges))
    down = math.ceil(len(judges) / across)
    with matplotlib.rc_context({**FONT, "svg.hashsalt": "deradiff"}):
        figure = Figure(figsize=(_WIDTH * across, _HEIGHT * down), layout="constrained")
        each = figure.subplots(down, across, squeeze=False).ravel()
        for axes, judge in zip(each, judges, strict=False):
            _gain(axes, results, judge)
        for axes in each[len(judges) :]:
            axes.set_visible(False)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return image(file.getvalue(), "image/svg+xml", f"Gain over lambda by {', '.join(judges)}", "plot")


def _gain(axes: Any, results: Results, judge: str) -> None:
    second = judge in results.held_out
    axes.set_title(shortened(judge + (" (held out)" if second else ""), 60), loc="left", fontsize=11, fontweight="bold")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    interpolated = [arm for arm in results.arms if arm.interpolated]
    if interpolated:
        _line(axes, results, judge, interpolated, _INTERPOLATED, "weights interpolated")
    _line(axes, results, judge, results.realigned, _HELD_OUT if second else _BLUE, "realigned")
    axes.set_xlabel("\u03bb")
    axes.set_ylabel(f"over \u03bb = {results.realigned[0].strength:g}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    if interpolated:
        axes.legend(frameon=False, loc="best", fontsize=9.5)


def _line(axes: Any, results: Results, judge: str, arms: Sequence[Arm], colour: str, label: str) -> None:
    found = [results.gain(judge, arm) for arm in arms]
    low, high = zip(*map(band, found), strict=True)
    places = [arm.strength for arm in arms]
    axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    style = "--" if label != "realigned" else "-"
    axes.plot(
        places,
        [gain.mean for gain in found],
        style,
        marker="o",
        markersize=4.5,
        color=colour,
        linewidth=1.8,
        label=label,
    )


def frontier(report: Report) -> Part:
    """Score against lambda and against KL, with the choice marked, as Pick Lambda draws it."""
    return image(png(plot(report)), "image/png", f"{report.score} against lambda and against KL", "plot")


def png(drawn: torch.Tensor) -> bytes:
    """A plot of the pack's, an IMAGE (1, H, W, 3), as a file."""
    from PIL import Image

    pixels = (drawn[0] * 255).round().byte().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


BAND = f"Shaded: the {SURE:.0%} confidence band of that difference, sample by sample (two-sided t)."
