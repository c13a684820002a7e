"""What a search shows while it samples: core's progress bar over its budget of images, the image being sampled, and how long the rest takes."""

from __future__ import annotations

import comfy.utils
import latent_preview
import torch
from comfy.model_patcher import ModelPatcher

from ..runs.showing import Callback, Clock, Stage, Tell, preview
from ..wires import REALIGNED


class Bar:
    """The bar of one search."""

    def __init__(self, model: ModelPatcher, budget: int, steps: int, tell: Tell) -> None:
        """model: whose latents are previewed. tell: is given how far the search is, as js/run/under_way.js reads it."""
        self._budget, self._steps, self._stage = budget, steps, Stage(tell)
        self._bar = comfy.utils.ProgressBar(budget * steps)
        self._previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
        self._clock = Clock(budget)

    def image(self, number: int, strength: float) -> Callback:
        """The callback of one image, counted from 0; that it begins is said now."""
        number = min(number, self._budget - 1)
        place = {"lambda": strength, "method": REALIGNED, "number": number + 1, "count": self._budget}
        self._stage.begin(place, self._clock.left(number))

        def callback(step: int, denoised: torch.Tensor, x: torch.Tensor, steps: int) -> None:
            share = (step + 1) / steps
            shown = preview(self._previewer, denoised) if self._previewer else None
            self._bar.update_absolute(round((number + share) * self._steps), self._budget * self._steps, shown)
            self._stage.go_on(place, self._clock.left(number + share))

        return callback
