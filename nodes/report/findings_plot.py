"""The plot of a search: the curve over lambda with its band, every image a dot, and how many images each lambda took."""

from __future__ import annotations

from typing import Any

import torch

from . import second_judge
from .digits import percent
from .figures import FONT, GRID, MUTED, shortened, to_image
from .findings import Finding, sentence

WIDTH, HEIGHT = 1200, 640
_DPI = 100
_BLUE, _CHOSEN = "#2563eb", "#d9480f"
_MOST = 4  # lines of the sentence


def plot(finding: Finding) -> torch.Tensor:
    """The plot as an IMAGE, (1, HEIGHT, WIDTH, 3) in 0..1."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor="white")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        _curve(above, finding)
        _held_out(above, finding)
        _spent(below, finding)
        lines = _said(figure, finding)
        right = 0.925 if finding.found.held_out else 0.98
        figure.subplots_adjust(left=0.075, right=right, bottom=0.085, top=0.95 - 0.038 * lines, hspace=0.08)
        return to_image(figure)


def _said(figure: Any, finding: Finding) -> int:
    """The sentence above, its first part as the title. Returns how many lines it took."""
    title, *rest = sentence(finding).split("; ")
    figure.text(0.075, 0.975, shortened(title, 110), ha="left", va="top", fontsize=14, fontweight="bold")
    for place, text in enumerate(rest[:_MOST]):
        figure.text(0.075, 0.928 - 0.038 * place, shortened(text, 150), ha="left", va="top", fontsize=11, color=MUTED)
    return len(rest[:_MOST]) + 1


def _styled(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _curve(axes: Any, finding: Finding) -> None:
    search, found = finding.search, finding.found
    _styled(axes)
    axes.set_ylabel(shortened(f"{finding.scorer}, over \u03bb = {search.strengths[0]:g}", 48))
    band = f"{percent(search.confidence)} of the curves"
    axes.fill_between(
        search.strengths, found.curve.low, found.curve.high, color=_BLUE, alpha=0.15, linewidth=0, label=band
    )
    axes.plot(search.strengths, found.curve.middle, color=_BLUE, linewidth=2, label="curve")
    across, up = zip(*finding.dots, strict=True)
    axes.plot(across, up, "o", color=_BLUE, alpha=0.35, markersize=4, markeredgewidth=0, label="image")
    if found.alike is not None:
        axes.axvspan(*found.alike, color=_CHOSEN, alpha=0.08, linewidth=0, label="as good")
    at = found.curve.middle[search.strengths.index(found.strength)]
    ring = {"markersize": 15, "markerfacecolor": "none", "markeredgecolor": _CHOSEN, "markeredgewidth": 2.2}
    axes.plot([found.strength], [at], "o", zorder=5, label=f"\u03bb = {found.strength:g}", **ring)
    axes.legend(frameon=False, loc="best", fontsize=9.5, markerscale=0.7)


def _held_out(axes: Any, finding: Finding) -> None:
    """The second judge's curve on an axis of its own."""
    found, search = finding.found, finding.search
    if found.held_out is None:
        return
    twin = axes.twinx()
    for side in ("top", "left"):
        twin.spines[side].set_visible(False)
    colour = second_judge.COLOUR
    twin.tick_params(axis="y", length=0, colors=colour)
    twin.fill_between(search.strengths, found.held_out.low, found.held_out.high, color=colour, alpha=0.08, linewidth=0)
    twin.plot(search.strengths, found.held_out.middle, "--", color=colour, linewidth=1.5)
    twin.set_ylabel(shortened(f"{finding.held_out} (held out, dashed)", 48), color=colour)
    if found.turning is not None:
        axes.axvline(found.turning.at, color=colour, linewidth=1.2, linestyle=":")


def _spent(axes: Any, finding: Finding) -> None:
    search = finding.search
    _styled(axes)
    steps = zip(search.strengths, search.strengths[1:], strict=False)
    width = 0.7 * min(after - before for before, after in steps)
    spent = finding.spent
    axes.bar(list(spent), list(spent.values()), width=width, color=MUTED)
    axes.set_ylabel("images")
    axes.set_xlabel("\u03bb")
