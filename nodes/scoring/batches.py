"""Scores a batch of images a few at a time, with progress, cancellation, and checks of the images and the scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import comfy.model_management
import comfy.utils
import torch

SIZE = 8


def check_images(images: torch.Tensor) -> None:
    """Raise ValueError unless images is (N, H, W, C) with N and C of at least 1 and 3."""
    if images.ndim != 4 or images.shape[0] < 1 or images.shape[-1] < 3:
        raise ValueError(
            f"images: expected a batch of colour images, (N, H, W, 3), got a tensor of shape {tuple(images.shape)}. "
            "Connect the IMAGE output of VAE Decode."
        )


def score_in_batches(
    name: str, images: torch.Tensor, score: Callable[[torch.Tensor, int], torch.Tensor]
) -> tuple[float, ...]:
    """One finite score for each image, from `score(images, index of the first)` on a few at a time.

    Raises ValueError for images or scores that are not finite, naming the scorer and the image, counted from 0.
    """
    check_images(images)
    progress = (
        comfy.utils.ProgressBar(images.shape[0]) if images.shape[0] > SIZE else None
    )  # a node may show more than this
    found: list[float] = []
    for chunk in images.split(SIZE):
        comfy.model_management.throw_exception_if_processing_interrupted()
        _check_finite(chunk, len(found))
        scores = comfy.model_management.cast_to(score(chunk, len(found)), torch.float32, torch.device("cpu"))
        found += [float(value) for value in scores]
        if progress is not None:
            progress.update(chunk.shape[0])
    for index, value in enumerate(found):
        if not math.isfinite(value):
            raise ValueError(
                f"scorer: {name} gave {value} for image {index}. Its weights are damaged or overflow: load another copy of the scorer."
            )
    return tuple(found)


def _check_finite(chunk: torch.Tensor, first: int) -> None:
    if not bool(chunk.isfinite().all()):
        index = first + next(place for place, image in enumerate(chunk) if not bool(image.isfinite().all()))
        raise ValueError(
            f"images: image {index} holds NaN or infinite values and cannot be scored. "
            "The usual cause is a VAE that overflows in half precision (start ComfyUI with --fp32-vae)."
        )
