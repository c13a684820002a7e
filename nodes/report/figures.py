"""What the plots and grids share: their look, a matplotlib figure as an IMAGE, and how wide a text is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

INK, MUTED, GRID = "#1f2430", "#6b7280", "#e5e7eb"
FONT: Any = {  # settings of matplotlib
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def to_image(figure: Any) -> torch.Tensor:
    """The figure drawn at its own size, (1, H, W, 3) in 0..1."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None]  # HWC -> 1HWC


def text_width(text: str, size: float) -> float:
    """The width of its longest line in inches at a type size in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size)
    lines = [line for line in text.split("\n") if line]
    return max((text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines), default=0.0) / 72


def shortened(text: str, most: int = 110) -> str:
    """In one line of a figure, with dollar signs escaped: matplotlib would read them as mathematics."""
    line = " ".join(text.split())
    return (line if len(line) <= most else f"{line[: most - 1]}\u2026").replace("$", r"\$")
