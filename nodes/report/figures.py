"""A matplotlib figure as an IMAGE."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def to_image(figure: Any) -> torch.Tensor:
    """The figure drawn at its own size, (1, H, W, 3) in 0..1."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None]  # HWC -> 1HWC
