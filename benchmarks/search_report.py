"""Table and plot of the search's benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deradiff.nodes.report.figures import FONT, GRID, INK, MUTED

_SEARCH, _FIXED, _PAIRED = "#d9480f", "#8b95a5", "#2563eb"
_STYLE: Any = {
    **FONT,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "legend.frameon": False,
}
STATED, LEAST, QUARTER = 0.95, 0.93, 4.0
_NOT_COMPARED = ("flat", "two humps")  # any answer is right; the grid misses the humps
_FEW = 50  # settled searches under which their share is not judged


@dataclass(frozen=True)
class Tried:
    """One subject and budget. Shares are of the repetitions; of the settled searches where the name says so.

    right: the answer is within the indifference. stated: the mean chance that the search gave. band_covers: candidates whose true value
    lay in the curve's 95 % band. grid_images, paired_grid_images: what a
    fixed grid needs to be right as often, infinite if its largest size is not.
    """

    subject: str
    noise: str
    budget: float
    repetitions: float
    right: float
    images: float
    settled: float
    right_when_settled: float
    stated: float
    band_covers: float
    grid_images: float
    paired_grid_images: float

    @property
    def stated_answers(self) -> float:
        """How many searches were settled."""
        return self.settled * self.repetitions


def write(rows: Sequence[Tried], out: Path) -> None:
    """search.md and search.png."""
    (out / "search.md").write_text(_text(rows), encoding="utf-8")
    _plot(rows, out / "search.png")


def _text(rows: Sequence[Tried]) -> str:
    head = (
        "curve",
        "noise",
        "budget",
        "images spent",
        "right",
        "fixed grid needs",
        "times as many",
        "paired grid needs",
        "settled",
        "right when settled",
        "curve in its band",
    )
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "--:|" * (len(head) - 2)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return (
        "\n\n".join(
            [
                _INTRODUCTION.format(repetitions=_repetitions(rows, real=False), real=_repetitions(rows, real=True)),
                _summary(rows),
                "\n".join(lines),
            ]
        )
        + "\n"
    )


_INTRODUCTION = """# The search for λ

What `make search` measured: the pack's search (`nodes/scoring/search.py`) against sampling a fixed grid of λ and taking the highest mean. {repetitions}
searches for each row ({real} for those of real scores: where 99 % are right, what a grid needs for that hangs on the tenths); an answer is *right* if its true score falls short of the best by at most 15 % of the distance between the worst and the best.

![Images needed, and how often a settled answer is right](search.png)

* **fidelity**: the real scores of [the fidelity benchmark](fidelity.md), 540 samples at 8 lambdas (reward + 5 or 8 times whether the caption is shown). The true curve is their
  mean. The grid is those 8 lambdas.
* **peaked, flat, monotone, two humps**: simulated, 31 candidates between 0 and 1.5, with noise whose three sizes are 0.25, 0.5 and 1 of the curve's height. They are not drawn
  from the search's own model: blocks depart from the curve by slopes and waves, images by noise with heavy tails. The grid is 0:1.5:0.25; where a peak lies between two of its lambdas it
  can hardly be right more often however many images it gets, which the search, free to sample any candidate, is not bound by. Both humps lie so (the nearest of the grid's lambdas fall about 15 % short), so their rows
  compare no images, only how often the search is right. A flat curve has no scale but its noise, so it
  is the same at every size; every answer is right there, and the honest result is *undecided*.
* **fixed grid needs**: the images with which a grid whose lambdas have blocks of their own is right as often as the search; *paired*: the same where all lambdas share their
  blocks. "over N": its largest size, 256 images of each lambda, is right less often.
* **settled**: searches that stated their answer with 95 %; **right when settled**: how many of those were right, which must be 95 %. **curve in its band**: candidates at which the true curve lay in its 95 % band.
* Images spent count everything, the fresh blocks on which the winner is scored again included."""


def _summary(rows: Sequence[Tried]) -> str:
    judged = [row for row in rows if row.subject not in _NOT_COMPARED]
    settled = sum(row.stated_answers for row in rows)
    right = sum(row.stated_answers * row.right_when_settled for row in rows if row.settled)
    times = sorted(_times(row) for row in judged)
    quarter = sum(each >= QUARTER for each in times)
    low = [row for row in rows if row.right_when_settled < LEAST]
    worst = [f"{_name(row)} ({row.right_when_settled:.1%})" for row in low if row.stated_answers >= _FEW]
    rare = [
        f"{_name(row)} ({row.right_when_settled:.1%} of {row.stated_answers:.0f})"
        for row in low
        if row.stated_answers < _FEW
    ]
    less = "; ".join(f"{_name(row)} ({_times(row):.1f})" for row in judged if _times(row) < QUARTER) or "none"
    return (
        f"**Images.** At the same chance of a good λ the search needed at most a quarter of the fixed grid's images in {quarter} of {len(times)} rows "
        f"(the median grid needed {_multiple(times[len(times) // 2])} as many). Fewer than four times: {less}.\n\n"
        f"**Confidence.** Of {settled:.0f} answers that were stated with 95 %, {right / max(settled, 1):.1%} were right. Rows under 93 % (of at least {_FEW} "
        f"settled searches): {'; '.join(worst) or 'none'}. Of fewer: {'; '.join(rare) or 'none'}."
    )


def _repetitions(rows: Sequence[Tried], real: bool) -> str:
    return " or ".join(
        f"{each:,g}" for each in sorted({row.repetitions for row in rows if (row.noise == "real") == real})
    )


def _name(row: Tried) -> str:
    noise = "" if row.noise == "real" else f", {row.noise} noise"
    return f"{row.subject}{noise}, budget {row.budget:g}"


def _times(row: Tried) -> float:
    return row.grid_images / row.images


def _multiple(value: float) -> str:
    return "more than its largest size, or infinitely," if math.isinf(value) else f"{value:.1f} times"


def _cells(row: Tried) -> list[str]:
    largest = 256 * (8 if row.noise == "real" else 7)

    def images(value: float) -> str:
        return "" if row.subject in _NOT_COMPARED else f"over {largest}" if math.isinf(value) else f"{value:.0f}"

    times = f"over {largest / row.images:.0f}" if math.isinf(row.grid_images) else f"{_times(row):.1f}"
    return [
        row.subject,
        row.noise,
        f"{row.budget:g}",
        f"{row.images:.0f}",
        f"{row.right:.1%}",
        images(row.grid_images),
        "" if row.subject in _NOT_COMPARED else times,
        images(row.paired_grid_images),
        f"{row.settled:.1%}",
        "" if math.isnan(row.right_when_settled) else f"{row.right_when_settled:.1%}",
        f"{row.band_covers:.1%}",
    ]


def _plot(rows: Sequence[Tried], path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.subject != "flat"]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(13, 0.32 * len(rows) + 2.0), dpi=90, facecolor="white", layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        places = range(len(rows))
        left.set_yticks(list(places), [_name(row) for row in rows])
        left.invert_yaxis()
        left.set_xscale("log")
        left.set_xlabel("images for the same chance of a good \u03bb (\u25b7: more than that)")
        largest = [256 * (8 if row.noise == "real" else 7) for row in rows]
        for key, colour, label in (
            ("grid_images", _FIXED, "fixed grid, independent means"),
            ("paired_grid_images", _PAIRED, "fixed grid, paired"),
            ("images", _SEARCH, "search"),
        ):
            values = [
                math.nan if row.subject in _NOT_COMPARED and key != "images" else getattr(row, key) for row in rows
            ]
            left.scatter(
                [value if math.isfinite(value) else math.nan for value in values],
                places,
                color=colour,
                label=label,
                s=36,
            )
            beyond = [n for n in places if math.isinf(values[n])]
            left.scatter([largest[n] for n in beyond], beyond, color=colour, marker=">", s=44)
        for n in (n for n in places if rows[n].subject not in _NOT_COMPARED):
            left.plot([rows[n].images, min(rows[n].grid_images, largest[n])], [n, n], color=GRID, zorder=0)
        left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9.5, borderaxespad=-2.2)
        right.set_xlabel("right, of the answers stated with 95 %")
        right.axvline(STATED, color=MUTED, linewidth=1, linestyle=":")
        right.axvline(LEAST, color=_FIXED, linewidth=1)
        sure = [n for n in places if rows[n].stated_answers >= _FEW]
        shares = [rows[n].right_when_settled for n in sure]
        bounds = [_wilson(rows[n].right_when_settled, rows[n].stated_answers) for n in sure]
        errors = [[share - low for share, (low, _) in zip(shares, bounds, strict=True)]]
        errors += [[high - share for share, (_, high) in zip(shares, bounds, strict=True)]]
        right.errorbar(shares, sure, xerr=errors, fmt="o", color=_SEARCH, capsize=2, linewidth=1)
        right.set_xticks([0.85, 0.9, LEAST, STATED, 1.0], ["85 %", "90 %", "93 %", "95 %", "100 %"])
        right.set_xlim(min([0.85, *(low for low, _ in bounds)]) - 0.005, 1.005)
        figure.savefig(path)


def _wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` trials."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return min(middle - half, share), max(min(middle + half, 1.0), share)
