"""The weights of all models at one evaluation, as numbers or as tensors over the latent."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.model_management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher

from ..method import mixture, region
from ..method.mixture import Share
from ..method.region import Region
from ..method.weights import Weight
from .progress import Progress

Mask = float | torch.Tensor


class Field:
    """What each model weighs during one run, the reference first. Tensors go to the device when a factor changes."""

    def __init__(
        self, weights: Sequence[Weight], shape: torch.Size, reference: ModelPatcher, progress: Progress | None
    ) -> None:
        """shape: the latents', (B, C, H, W) or (B, C, T, H, W); progress: of the run, where a weight moves. Raises ValueError if a mask does not fit them."""
        self._weights = weights
        self._masks = [1.0 if weight.region is None else _resized(weight.region, shape) for weight in weights]
        self._device = reference.load_device
        self._progress = progress
        self._last: tuple[tuple[float, ...], tuple[Share, ...]] | None = None

    def at(self, timestep: torch.Tensor) -> tuple[Share, ...]:
        """timestep: (B,) sigmas. A model that has no weight anywhere gets the number 0.0."""
        progress = self._progress.at(timestep) if self._progress is not None else 0.0
        factors = tuple(weight.at(progress) for weight in self._weights)
        if self._last is None or self._last[0] != factors:
            self._last = (factors, self._shares(factors))
        return self._last[1]

    def _shares(self, factors: Sequence[float]) -> tuple[Share, ...]:
        weights = [0.0 if factor == 0.0 else factor * mask for factor, mask in zip(factors, self._masks, strict=True)]
        shares = (mixture.reference_weight(weights), *weights)
        return tuple(
            comfy.model_management.cast_to(share, None, self._device) if isinstance(share, torch.Tensor) else share
            for share in shares
        )


def _resized(found: Region, shape: torch.Size) -> Mask:
    """The region's mask over latents of `shape`, (B, 1, ...), resized as core resizes inpainting masks; a number where it is 0 or 1 throughout."""
    if len(shape) not in (4, 5):
        raise ValueError(
            f"mask: this model's latent has {len(shape) - 2} dimensions beside batch and channels, but a lambda mask is an image. "
            "Disconnect the mask."
        )
    if found.everywhere is not None:
        return found.everywhere
    mask = comfy.utils.reshape_mask(found.mask.float().clamp(0.0, 1.0), (shape[0], 1, *shape[2:]))
    return region.feathered(mask, found.feather)
