"""The plot of a choice: score against lambda, and score against KL (the frontier)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..scoring.choice import Row
from .digits import number
from .figures import to_image
from .statements import Report, verdict

WIDTH, HEIGHT = 1200, 520
_DPI = 100
_INK, _MUTED, _GRID = "#1f2430", "#6b7280", "#e5e7eb"
_BLUE, _CHOSEN, _INTERPOLATED = "#2563eb", "#d9480f", "#8b95a5"
_FONT: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": _INK,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
}
_MOST_LABELS, _MANY = 11, 16


def plot(report: Report) -> torch.Tensor:
    """The plot as an IMAGE, (1, HEIGHT, WIDTH, 3) in 0..1."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_FONT):
        figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor="white")
        left, right = figure.subplots(1, 2, sharey=True)
        _against_lambda(left, report)
        _against_kl(right, report)
        figure.suptitle(_shortened(verdict(report)), x=0.065, y=0.965, ha="left", fontsize=14, fontweight="bold")
        figure.subplots_adjust(left=0.065, right=0.98, top=0.885, bottom=0.135, wspace=0.06)
        return to_image(figure)


def _against_lambda(axes: Any, report: Report) -> None:
    rows, winner = report.choice.rows, report.choice.winner
    _style(axes)
    axes.set_xlabel("λ")
    axes.set_ylabel(_shortened(report.score, 48))
    axes.axvline(winner.strength, color=_CHOSEN, linewidth=1, alpha=0.35, zorder=1)
    for contender, label, colour, line in (
        (False, "weights interpolated", _INTERPOLATED, "--"),
        (True, "realigned", _BLUE, "-"),
    ):
        series = sorted((row for row in rows if row.contender == contender), key=lambda row: row.strength)
        if series:
            places = [row.strength for row in series]
            _draw(axes, places, series, color=colour, linestyle=line, label=label)
    _ring(axes, winner.strength, winner)
    _lambda_ticks(axes, report)
    if not all(row.contender for row in rows):
        axes.legend(frameon=False, loc="best", handlelength=2.2, reverse=True)


def _against_kl(axes: Any, report: Report) -> None:
    choice = report.choice
    rows = sorted((row for row in choice.rows if not math.isnan(row.mean_kl)), key=lambda row: row.strength)
    _style(axes)
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlabel("KL from the reference (nats, last step left out)")
    axes.tick_params(axis="y", length=0)
    most = max((row.mean_kl for row in rows), default=0.0)
    _kl_ticks(axes, most)
    _draw(axes, [row.mean_kl for row in rows], rows, color=_BLUE)
    for row in _labelled(rows, choice.winner, most):
        _label(axes, row, row is choice.winner)
    if not math.isnan(choice.winner.mean_kl):
        _ring(axes, choice.winner.mean_kl, choice.winner)
    if choice.budget is not None and choice.budget <= 1.3 * most:
        axes.axvline(choice.budget, color=_MUTED, linewidth=1.2, linestyle=":")
        place = {"transform": axes.get_xaxis_transform(), "va": "bottom"}
        axes.text(choice.budget, 0.07, " budget", color=_MUTED, fontsize=9.5, **place)
    _say_what_is_missing(axes, report, bool(rows))


def _style(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.06, y=0.14)


def _draw(axes: Any, places: Sequence[float], rows: Sequence[Row], **style: str) -> None:
    """A line through the means, with standard errors where there are any."""
    many = len(rows) > _MANY
    errors = None if any(math.isnan(row.error) for row in rows) else [row.error for row in rows]
    sizes = {"markersize": 3.5 if many else 6, "capsize": 0 if many else 3, "linewidth": 1.8, "elinewidth": 1.1}
    axes.errorbar(places, [row.mean for row in rows], yerr=errors, marker="o", **sizes, **style)


def _ring(axes: Any, place: float, winner: Row) -> None:
    ring = {"markersize": 15, "markerfacecolor": "none", "markeredgecolor": _CHOSEN, "markeredgewidth": 2.2}
    axes.plot([place], [winner.mean], "o", zorder=5, **ring)


def _lambda_ticks(axes: Any, report: Report) -> None:
    """At the lambdas themselves if they are few and far enough apart, with beta under each if it is known."""
    rows = {row.strength: row for row in report.choice.rows}
    places = sorted(rows)
    gaps = [after - before for before, after in itertools.pairwise(places)]
    if len(places) <= _MOST_LABELS and min(gaps, default=1.0) >= (places[-1] - places[0]) / 12:
        axes.set_xticks(places, [_tick(report, rows[place]) for place in places])
        if report.trained_beta:
            axes.set_xlabel("λ, and the β it stands for")


def _tick(report: Report, row: Row) -> str:
    beta = report.beta(row)
    return f"{row.strength:g}" if beta is None else f"{row.strength:g}\n{number(beta)}"


def _kl_ticks(axes: Any, most: float) -> None:
    """Evenly spaced on the root scale, rounded to one digit."""
    if most > 0:
        shares = (most * (step / 5) ** 2 for step in range(6))
        axes.set_xticks(sorted({float(f"{share:.1g}") for share in shares}))
        axes.minorticks_off()
    else:
        axes.set_xticks([0.0])


def _labelled(rows: Sequence[Row], winner: Row, most: float) -> list[Row]:
    """The winner, and every other row whose place on the root scale is far enough from those labelled already."""
    kept = [row for row in rows if row is winner]
    for row in rows:
        apart = (abs(math.sqrt(row.mean_kl) - math.sqrt(other.mean_kl)) for other in kept)
        if all(distance > math.sqrt(most) / 8 for distance in apart):
            kept.append(row)
    return kept


def _label(axes: Any, row: Row, chosen: bool) -> None:
    """The lambda over the error bar."""
    from matplotlib.patheffects import withStroke

    top = row.mean + (0.0 if math.isnan(row.error) else row.error)
    axes.annotate(
        f"λ = {row.strength:g}",
        (row.mean_kl, top),
        xytext=(0, 12 if chosen else 6),
        textcoords="offset points",
        ha="center",
        color=_CHOSEN if chosen else _INK,
        fontsize=11 if chosen else 9.5,
        fontweight="bold" if chosen else "normal",
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=6,
    )


def _root(values: np.ndarray) -> np.ndarray:
    """Square roots, mirrored for negative values: the axis has a margin left of 0."""
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.square(values)


def _say_what_is_missing(axes: Any, report: Report, others: bool) -> None:
    """Name the lambdas that cannot be drawn. others: whether any can."""
    unknown = [row.strength for row in report.choice.rows if row.contender and math.isnan(row.mean_kl)]
    if not others:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "KL unknown", transform=axes.transAxes, ha="center", va="center", color=_MUTED)
    elif unknown:
        named = ", ".join(f"{strength:g}" for strength in unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        text = f"not shown, KL unknown: λ = {named}"
        axes.text(0.99, 0.02, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=9.5, color=_MUTED)


def _shortened(text: str, most: int = 110) -> str:
    """In one line, with dollar signs escaped: matplotlib would read them as mathematics."""
    line = " ".join(text.split())
    return (line if len(line) <= most else f"{line[: most - 1]}…").replace("$", r"\$")
