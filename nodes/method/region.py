"""Lambda over space. The kernels are diagonal, so the closed form holds for every latent element by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from . import limits

MOST_FEATHER = 256  # latent pixels
_SLACK = 1e-3  # resampled masks overshoot a little


@dataclass(frozen=True, eq=False)
class Region:
    """A factor of lambda over the image: mask, (H, W) or (N, H, W) in 0..1, and its feather in latent pixels.

    N is the batch for images and the frames for videos. Raises ValueError for anything else.
    """

    mask: torch.Tensor
    feather: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.mask, torch.Tensor) or self.mask.ndim not in (2, 3) or 0 in self.mask.shape:
            got = tuple(self.mask.shape) if isinstance(self.mask, torch.Tensor) else type(self.mask).__name__
            raise ValueError(f"mask: expected a MASK of shape (batch, height, width), got {got}.")
        low, high = (float(value) for value in torch.aminmax(self.mask.float()))
        if not (low >= -_SLACK and high <= 1 + _SLACK):  # NaN fails too
            raise ValueError(
                f"mask: expected values between 0 (reference) and 1 (whole lambda), got {low:g} to {high:g}."
            )
        limits.whole(self.feather, "mask_feather", 0, MOST_FEATHER, "It counts latent pixels.")

    @cached_property
    def everywhere(self) -> float | None:
        """0.0 or 1.0 where the mask is that throughout, else None."""
        return flat(self.mask.float().clamp(0.0, 1.0))


def feathered(mask: torch.Tensor, feather: int) -> torch.Tensor:
    """The mask, (N, 1, H, W) or (N, 1, T, H, W), with its edges faded over `feather` pixels on either side.

    The mean over a square of 2 feather + 1 pixels, the image's border repeated: a straight edge becomes a straight ramp.
    """
    if feather == 0:
        return mask
    frames = mask.movedim(2, 1).flatten(0, 1) if mask.ndim == 5 else mask
    for sides, window in (
        ((0, 0, feather, feather), (2 * feather + 1, 1)),
        ((feather, feather, 0, 0), (1, 2 * feather + 1)),
    ):
        padded = torch.nn.functional.pad(frames, sides, mode="replicate")
        frames = torch.nn.functional.avg_pool2d(padded, window, stride=1)
    return frames.unflatten(0, (mask.shape[0], -1)).movedim(1, 2) if mask.ndim == 5 else frames


def flat(mask: torch.Tensor) -> float | None:
    """0.0 or 1.0 for a mask that is that everywhere, else None."""
    first = float(mask.flatten()[0])
    return first if first in (0.0, 1.0) and bool((mask == first).all()) else None
