"""Measures of images that need no model: colourfulness, sharpness, contrast, warmth and closeness to another image.

Images are (N, H, W, C) in 0..1, sRGB, C of at least 3; channels after the third are ignored. Each measure returns (N,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CLOSENESS = "closeness to lambda 0"


def luma(images: torch.Tensor) -> torch.Tensor:
    """Rec. 601 luma of the encoded values, (N, H, W) in 0..1."""
    red, green, blue = (share * images[..., channel] for channel, share in enumerate(_LUMA))
    return red + green + blue


def colourfulness(images: torch.Tensor) -> torch.Tensor:
    """Hasler and Suesstrunk, Measuring colourfulness in natural images (2003), in 8-bit units: 0 grey, 15 slightly, 109 extremely colourful."""
    red, green, blue = (255 * images[..., channel].flatten(1) for channel in range(3))
    opponents = torch.stack([red - green, (red + green) / 2 - blue])
    spread = opponents.var(dim=-1, correction=0).sum(dim=0).sqrt()
    return spread + 0.3 * opponents.mean(dim=-1).square().sum(dim=0).sqrt()


def sharpness(images: torch.Tensor) -> torch.Tensor:
    """Variance of the Laplacian of luma in 8-bit units (Pech-Pacheco et al. 2000), without the image's outermost pixels."""
    grey = 255 * luma(images)
    if min(grey.shape[1:]) < 3:
        raise ValueError(f"images: sharpness needs at least 3 x 3 pixels, got {grey.shape[2]} x {grey.shape[1]}.")
    across = grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    down = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1]
    return (across + down - 4 * grey[:, 1:-1, 1:-1]).flatten(1).var(dim=-1, correction=0)


def contrast(images: torch.Tensor) -> torch.Tensor:
    """RMS contrast: the standard deviation of luma (Peli 1990), 0 for an even image, at most 0.5."""
    return luma(images).flatten(1).std(dim=-1, correction=0)


def warmth(images: torch.Tensor) -> torch.Tensor:
    """Mean red less mean blue, -1 to 1: the reward that the demo pair was aligned on."""
    return (images[..., 0] - images[..., 2]).flatten(1).mean(dim=-1)


def closeness(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """1 less the mean absolute difference of two batches of one size: 1 for equal images, 0 for black and white."""
    return 1 - (images[..., :3] - others[..., :3]).abs().flatten(1).mean(dim=-1)


MEASURES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "colourfulness": colourfulness,
    "sharpness": sharpness,
    "contrast": contrast,
    "warmth": warmth,
}
