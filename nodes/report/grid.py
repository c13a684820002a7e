"""A sweep's images in one labelled grid, drawn by matplotlib."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import torch

from ..method import limits
from ..wires import Scores, Sweep
from .figures import to_image
from .layout import Label, Plan, arrange

_DPI = 100
_MOST_SIDE, _MOST_PIXELS = 2**16 - 1, 150_000_000  # what matplotlib draws, and 2.4 GB while it does
SMALLEST, LARGEST, STEP = 64, 4096, 8  # of cell_size, in pixels


def grid(
    images: torch.Tensor, sweep: Sweep, trained_beta: float | None, cell: int, scores: Scores | None
) -> torch.Tensor:
    """Columns are the sweep's lambdas; each method has a band of rows, one row for each sample.

    Titles show lambda, beta and KL, captions the score. images: (N, H, W, C) in 0..1. cell: pixels of an image's longer side.
    Returns (1, H', W', 3). Raises ValueError, before anything is drawn, if the images or the scores are not the sweep's or the grid is too large.
    """
    from matplotlib.figure import Figure

    sweep.check(images)
    if scores is not None:
        scores.check(images)
    cell = limits.whole(cell, "cell_size", SMALLEST, LARGEST)

    def planned(size: int) -> Plan:
        scale = size / max(height, width) / _DPI
        return arrange(sweep, trained_beta, (width * scale, height * scale), max(6.0, min(14.0, size / 22)), scores)

    height, width = images.shape[1:3]
    plan = planned(cell)
    if not _fits(plan):
        sizes = range(SMALLEST, cell, STEP)
        fitting = bisect_left(sizes, True, key=lambda size: not _fits(planned(size)))
        raise ValueError(_too_large(plan, cell, sizes[fitting - 1] if fitting else None))
    figure = Figure(figsize=plan.size, dpi=_DPI)
    for place, image in zip(plan.places, images[..., :3].float().clamp(0, 1).cpu().numpy(), strict=True):
        axes = figure.add_axes(_share(plan, *place))
        axes.imshow(image)
        axes.set_axis_off()
    for label in plan.labels:
        _write(figure, plan, label)
    return to_image(figure)


def _pixels(plan: Plan) -> tuple[int, int]:
    """Width and height."""
    return round(plan.size[0] * _DPI), round(plan.size[1] * _DPI)


def _fits(plan: Plan) -> bool:
    width, height = _pixels(plan)
    return max(width, height) <= _MOST_SIDE and width * height <= _MOST_PIXELS


def _too_large(plan: Plan, cell: int, smaller: int | None) -> str:
    """smaller: a cell_size that fits, None if not even the smallest does."""
    width, height = _pixels(plan)
    advice = (
        "Sweep fewer lambdas or samples"
        if smaller is None
        else f"Use a cell_size of at most {smaller}, or sweep fewer lambdas"
    )
    return (
        f"cell_size: at {cell} pixels the grid would be {width} x {height} pixels; at most {_MOST_PIXELS // 10**6} million, and "
        f"{_MOST_SIDE} on a side, are drawn. {advice}."
    )


def _share(plan: Plan, left: float, top: float) -> tuple[float, float, float, float]:
    """An image's place from its left top corner in inches, as matplotlib counts: left, bottom, width, height in shares of the figure."""
    (width, height), size = plan.cell, plan.size
    return left / size[0], (size[1] - top - height) / size[1], width / size[0], height / size[1]


def _write(figure: Any, plan: Plan, label: Label) -> None:
    place = label.x / plan.size[0], (plan.size[1] - label.y) / plan.size[1]
    style = {"ha": label.across, "va": "center" if label.upright else "top", "rotation": 90 if label.upright else 0}
    figure.text(*place, label.text, fontsize=label.size, parse_math=False, **style)
