"""A sweep's images in one labelled grid, drawn by matplotlib."""

from __future__ import annotations

from typing import Any

import torch

from ..wires import Scores, Sweep
from .figures import to_image
from .layout import Label, Plan, arrange

_DPI = 100


def grid(
    images: torch.Tensor, sweep: Sweep, trained_beta: float | None, cell: int, scores: Scores | None
) -> torch.Tensor:
    """Columns are the sweep's lambdas; each method has a band of rows, one row for each sample.

    Titles show lambda, beta and KL, captions the score. images: (N, H, W, C) in 0..1. cell: pixels of an image's longer side.
    Returns (1, H', W', 3). Raises ValueError if the images or the scores are not the sweep's.
    """
    from matplotlib.figure import Figure

    sweep.check(images)
    if scores is not None:
        scores.check(images)
    height, width = images.shape[1:3]
    scale = cell / max(height, width) / _DPI
    plan = arrange(sweep, trained_beta, (width * scale, height * scale), max(6.0, min(14.0, cell / 22)), scores)
    figure = Figure(figsize=plan.size, dpi=_DPI)
    for place, image in zip(plan.places, images[..., :3].float().clamp(0, 1).cpu().numpy(), strict=True):
        axes = figure.add_axes(_share(plan, *place))
        axes.imshow(image)
        axes.set_axis_off()
    for label in plan.labels:
        _write(figure, plan, label)
    return to_image(figure)


def _share(plan: Plan, left: float, top: float) -> tuple[float, float, float, float]:
    """An image's place from its left top corner in inches, as matplotlib counts: left, bottom, width, height in shares of the figure."""
    (width, height), size = plan.cell, plan.size
    return left / size[0], (size[1] - top - height) / size[1], width / size[0], height / size[1]


def _write(figure: Any, plan: Plan, label: Label) -> None:
    place = label.x / plan.size[0], (plan.size[1] - label.y) / plan.size[1]
    style = {"ha": label.across, "va": "center" if label.upright else "top", "rotation": 90 if label.upright else 0}
    figure.text(*place, label.text, fontsize=label.size, parse_math=False, **style)
