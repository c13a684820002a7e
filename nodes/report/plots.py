"""The plot of a choice: score against lambda, and score against KL (the frontier)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..scoring.choice import Row
from . import second_judge
from .digits import number
from .figures import FONT, GRID, INK, MUTED, shortened, to_image
from .statements import Report, chosen, confidence, not_considered, turned

WIDTH, HEIGHT = 1200, 520
_DPI = 100
_BLUE, _CHOSEN, _INTERPOLATED = "#2563eb", "#d9480f", "#8b95a5"
_MOST_LABELS, _MANY = 11, 16


def plot(report: Report) -> torch.Tensor:
    """The plot as an IMAGE, (1, HEIGHT, WIDTH, 3) in 0..1."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor="white")
        left, right = figure.subplots(1, 2, sharey=True)
        _against_lambda(left, report)
        _against_kl(right, report)
        second_judge.draw(left, right, report)
        _say(figure, report)
        sides = {"right": 0.98, "top": 0.86} if report.choice.turning is None else {"right": 0.935, "top": 0.82}
        figure.subplots_adjust(left=0.065, bottom=0.185, wspace=0.06, **sides)
        return to_image(figure)


def _say(figure: Any, report: Report) -> None:
    """The verdict above: what was chosen, and how sure that is. What the error bars are, below."""
    figure.suptitle(shortened(chosen(report)), x=0.065, y=0.975, ha="left", fontsize=14, fontweight="bold")
    figure.text(0.065, 0.918, shortened(_sentence(confidence(report.choice)), 150), ha="left", va="top", fontsize=11)
    if report.choice.turning is not None:
        said = shortened(_sentence(turned(report)), 150)
        figure.text(0.065, 0.873, said, ha="left", va="top", fontsize=11, color=second_judge.COLOUR)
    figure.text(0.065, 0.014, _bars(report), ha="left", va="bottom", fontsize=9.5, color=MUTED)


def _sentence(text: str) -> str:
    """With a capital, but for a Greek letter."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def _bars(report: Report) -> str:
    """What the error bars show, "" if there are none."""
    rows, said = report.choice.rows, []
    if len(rows) > 1 and len(rows[0].scores) > 1:
        said.append(
            f"Vertical bars: standard error of the difference from \u03bb = {report.choice.winner.strength:g}, "
            "sample by sample from the same noise."
        )
    if any(row.mean_kl_error > 0 for row in rows):
        said.append("Horizontal bars: how far the KL may be off.")
    return " ".join(said)


def _against_lambda(axes: Any, report: Report) -> None:
    rows, winner = report.choice.rows, report.choice.winner
    _style(axes)
    axes.set_xlabel("\u03bb")
    axes.set_ylabel(shortened(report.score, 48))
    axes.axvline(winner.strength, color=_CHOSEN, linewidth=1, alpha=0.35, zorder=1)
    for series, style in _series(rows):
        _draw(axes, [row.strength for row in series], series, _errors(report, series), None, **style)
    _ring(axes, winner.strength, winner)
    _lambda_ticks(axes, report)
    if not all(row.contender for row in rows):
        axes.legend(frameon=False, loc="best", handlelength=2.2, reverse=True)


def _against_kl(axes: Any, report: Report) -> None:
    choice = report.choice
    known = [row for row in choice.rows if not math.isnan(row.mean_kl)]
    _style(axes)
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlabel("KL from the reference (nats, last step left out)")
    axes.tick_params(axis="y", length=0)
    most = max((row.mean_kl for row in known), default=0.0)
    _kl_ticks(axes, most)
    for series, style in _series(known):
        _draw(axes, [row.mean_kl for row in series], series, _errors(report, series), _kl_errors(series), **style)
    for row in _labelled([row for row in known if row.contender], choice.winner, most):
        _label(axes, row, _errors(report, [row])[0], row is choice.winner)
    if not math.isnan(choice.winner.mean_kl):
        _ring(axes, choice.winner.mean_kl, choice.winner)
    if choice.budget is not None and choice.budget <= 1.3 * most:
        axes.axvline(choice.budget, color=MUTED, linewidth=1.2, linestyle=":")
        place = {"transform": axes.get_xaxis_transform(), "va": "bottom"}
        axes.text(choice.budget, 0.07, " budget", color=MUTED, fontsize=9.5, **place)
    _say_what_is_missing(axes, report, bool(known))


def _style(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.06, y=0.14)


def _series(rows: Sequence[Row]) -> Iterator[tuple[list[Row], dict[str, str]]]:
    """The rows of each kind that there is, lambda rising, and how they are drawn."""
    for contender, label, colour, line in (
        (False, "weights interpolated", _INTERPOLATED, "--"),
        (True, "realigned", _BLUE, "-"),
    ):
        series = sorted((row for row in rows if row.contender == contender), key=lambda row: row.strength)
        if series:
            yield series, {"color": colour, "linestyle": line, "label": label}


def _errors(report: Report, rows: Sequence[Row]) -> list[float]:
    """The standard error of each row's paired difference from the chosen one: 0 for that one itself, NaN from one sample."""
    choice = report.choice
    return [0.0 if row is choice.winner else choice.lead(row).error for row in rows]


def _kl_errors(rows: Sequence[Row]) -> list[list[float]]:
    """How far each KL may be off, below (not under 0) and above, 0 where that is not known."""
    errors = [row.mean_kl_error if math.isfinite(row.mean_kl_error) else 0.0 for row in rows]
    return [[min(error, row.mean_kl) for error, row in zip(errors, rows, strict=True)], errors]


def _draw(
    axes: Any,
    places: Sequence[float],
    rows: Sequence[Row],
    errors: Sequence[float],
    across: list[list[float]] | None,
    **style: str,
) -> None:
    """A line through the means, with bars as long as the errors; across: the horizontal ones, below and above."""
    many = len(rows) > _MANY
    sizes = {"markersize": 3.5 if many else 6, "capsize": 0 if many else 3, "linewidth": 1.8, "elinewidth": 1.1}
    upright = [error or math.nan for error in errors]  # a bar of no length would show its caps
    aside = None if across is None else [[error or math.nan for error in side] for side in across]
    axes.errorbar(places, [row.mean for row in rows], yerr=upright, xerr=aside, marker="o", **sizes, **style)


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
            axes.set_xlabel("\u03bb, and the \u03b2 it stands for")


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
        axes.set_xlim(-0.02, 1.0)


def _labelled(rows: Sequence[Row], winner: Row, most: float) -> list[Row]:
    """The winner, and every other row whose place on the root scale is far enough from those labelled already."""
    kept = [row for row in rows if row is winner]
    for row in rows:
        apart = (abs(math.sqrt(row.mean_kl) - math.sqrt(other.mean_kl)) for other in kept)
        if all(distance > math.sqrt(most) / 8 for distance in apart):
            kept.append(row)
    return kept


def _label(axes: Any, row: Row, error: float, chosen: bool) -> None:
    """The lambda over the error bar."""
    from matplotlib.patheffects import withStroke

    top = row.mean + (0.0 if math.isnan(error) else error)
    axes.annotate(
        f"\u03bb = {row.strength:g}",
        (row.mean_kl, top),
        xytext=(0, 12 if chosen else 6),
        textcoords="offset points",
        ha="center",
        color=_CHOSEN if chosen else INK,
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
        axes.text(0.5, 0.5, "KL unknown", transform=axes.transAxes, ha="center", va="center", color=MUTED)
    elif unknown:
        named = ", ".join(f"{strength:g}" for strength in unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        text = not_considered(report.choice) or f"not shown, KL unknown: \u03bb = {named}"
        axes.text(0.99, 0.02, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=9.5, color=MUTED)
