"""A sweep's images in one labelled grid, drawn by matplotlib."""

from __future__ import annotations

import math

import torch

from ..method.strength import beta_from_lambda
from ..wires import Entry, Scores, Sweep
from .digits import with_error
from .figures import to_image

_DPI = 100


def grid(
    images: torch.Tensor, sweep: Sweep, trained_beta: float | None, cell: int, scores: Scores | None
) -> torch.Tensor:
    """Columns are the sweep's entries, rows its samples; titles show lambda, beta and KL, captions the score.

    images: (N, H, W, C) in 0..1. cell: pixels of an image's longer side. Returns (1, H', W', 3). Raises ValueError if the
    images or the scores are not the sweep's.
    """
    from matplotlib.figure import Figure

    sweep.check(images)
    if scores is not None:
        scores.check(images)
    height, width = images.shape[1:3]
    scale = cell / max(height, width) / _DPI
    columns, rows = len(sweep.entries), sweep.samples
    captions = [f"{scores.name} {value:.3g}" for value in scores.values] if scores else [""] * images.shape[0]
    titles = [_title(entry, trained_beta) for entry in sweep.entries]
    type_size = max(6.0, min(14.0, cell / 22))
    line = type_size * 1.5 / 72  # inches
    head, below, gap = line * max(title.count("\n") + 1 for title in titles) + 0.1, line if scores else 0.0, 0.06
    step_x, step_y = width * scale + gap, height * scale + gap + below
    size = (gap + columns * step_x, head + gap + rows * step_y)
    figure = Figure(figsize=size, dpi=_DPI)
    cells = sweep.parts(list(zip(images[..., :3].float().clamp(0, 1).cpu().numpy(), captions, strict=True)))
    for column, (title, samples) in enumerate(zip(titles, cells, strict=True)):
        left = gap + column * step_x
        figure.text(
            (left + width * scale / 2) / size[0], 1 - 0.06 / size[1], title, ha="center", va="top", fontsize=type_size
        )
        for row, (image, caption) in enumerate(samples):
            top = head + gap + row * step_y
            bottom = size[1] - top - height * scale
            axes = figure.add_axes(
                (left / size[0], bottom / size[1], width * scale / size[0], height * scale / size[1])
            )
            axes.imshow(image)
            axes.set_axis_off()
            where = ((left + width * scale / 2) / size[0], (bottom - 0.03) / size[1])
            figure.text(*where, caption, ha="center", va="top", fontsize=type_size * 0.85)
    return to_image(figure)


def _title(entry: Entry, trained_beta: float | None) -> str:
    lines = [entry.label()]
    if trained_beta is not None:
        beta = beta_from_lambda(entry.strength, trained_beta)
        lines.append("reference" if math.isinf(beta) else f"β = {beta:.4g}")
    if not math.isnan(entry.mean_kl):
        lines.append(f"KL {_kl(entry)} nats")
    return "\n".join(lines)


def _kl(entry: Entry) -> str:
    """Three digits, or as many as its error lets be known."""
    return with_error(entry.mean_kl, entry.mean_kl_error) if entry.mean_kl_error else f"{entry.mean_kl:.3g}"
