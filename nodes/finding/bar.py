"""What a search shows while it samples: core's progress bar over its budget of images, the image being sampled, and how long the rest takes."""

from __future__ import annotations

import math
import time
from typing import Any

import comfy.utils
import latent_preview
import torch
from comfy.model_patcher import ModelPatcher

from ..runs.showing import Callback, Clock, Tell
from ..wires import REALIGNED

_EVERY = 0.5  # seconds between two messages of one image


class Bar:
    """The bar of one search."""

    def __init__(self, model: ModelPatcher, budget: int, steps: int, tell: Tell) -> None:
        """model: whose latents are previewed. tell: is given how far the search is, as js/run/under_way.js reads it."""
        self._budget, self._steps, self._tell = budget, steps, tell
        self._bar = comfy.utils.ProgressBar(budget * steps)
        self._previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
        self._clock = Clock(budget)
        self._told = -math.inf

    def image(self, number: int, strength: float) -> Callback:
        """The callback of one image, counted from 0; that it begins is said now."""
        number = min(number, self._budget - 1)
        self._say(number, strength, self._clock.left(number))

        def callback(step: int, denoised: torch.Tensor, x: torch.Tensor, steps: int) -> None:
            share = (step + 1) / steps
            self._bar.update_absolute(
                round((number + share) * self._steps), self._budget * self._steps, self._preview(denoised)
            )
            if time.perf_counter() - self._told >= _EVERY:
                self._say(number, strength, self._clock.left(number + share))

        return callback

    def _preview(self, denoised: torch.Tensor) -> Any:
        if self._previewer is None:
            return None
        latent = denoised.tensors[0] if denoised.is_nested else denoised  # type: ignore[attr-defined]
        return self._previewer.decode_latent_to_preview_image("JPEG", latent)

    def _say(self, number: int, strength: float, left: float | None) -> None:
        self._told = time.perf_counter()
        place = {"lambda": strength, "method": REALIGNED, "number": number + 1, "count": self._budget}
        self._tell({**place, "left": left})
