"""What a sampler was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Request:
    """The latents' shape, (B, C, H, W) or (B, C, T, H, W), the sigmas, the seed, and the noise mask as core was given it."""

    shape: torch.Size
    sigmas: Sequence[float]
    seed: int
    mask: torch.Tensor | None = None
