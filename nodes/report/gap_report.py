"""The time gap of a run as a plot and as a table."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..method.noise_level import Gap
from .figures import FONT, GRID, MUTED, to_image

_SIZE, _DPI = (8.0, 4.2), 100
_BLUE = "#2563eb"


def table(gaps: Sequence[Gap]) -> str:
    """Tab-separated, one line for each step."""
    rows = (f"{n}\t{gap.level:.3f}\t{gap.error:+.4f}\t{gap.size:.4f}" for n, gap in enumerate(gaps, 1))
    return "\n".join(["step\tlevel (log noise / signal)\tmean predicted - true\tmean time gap", *rows])


def plot(gaps: Sequence[Gap]) -> torch.Tensor:
    """The plot as an IMAGE, (1, H, W, 3) in 0..1."""
    import matplotlib
    from matplotlib.figure import Figure

    steps = range(1, len(gaps) + 1)
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=_SIZE, dpi=_DPI, facecolor="white")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.plot(steps, [gap.size for gap in gaps], color=_BLUE, marker="o", markersize=3.5, label="time gap")
        axes.plot(steps, [gap.error for gap in gaps], color=MUTED, linestyle="--", label="predicted - true")
        axes.set_xlabel("step")
        axes.set_ylabel("in log(noise / signal)")
        axes.legend(frameon=False)
        figure.tight_layout()
        return to_image(figure)
