"""What a sweep shows while it runs: core's progress bar over all of its runs, their finished images, and how long the rest takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.utils
import latent_preview
import torch
from comfy.model_patcher import ModelPatcher
from PIL import Image

Callback = Callable[..., None]
Tell = Callable[[dict[str, Any]], None]
_EVERY = 0.5  # seconds between two messages of one run


@dataclass(frozen=True)
class Part:
    """One run of a sweep. models: how many each of its steps evaluates, about."""

    weight: float
    method: str
    models: int


class Clock:
    """How long the rest of some work takes, by what the work cost that has been done since the first time it was asked."""

    def __init__(self, whole: float) -> None:
        self._whole = whole
        self._first: tuple[float, float] | None = None

    def left(self, done: float) -> float | None:
        """Seconds, about; None until something was done. done: of the whole, in its unit. Loading models counts for nothing."""
        now = time.perf_counter()
        if self._first is None:
            self._first = (now, done)
        begin, before = self._first
        return (now - begin) / (done - before) * (self._whole - done) if done > before else None


class Stage:
    """Tells how far some work is, but not too often."""

    def __init__(self, tell: Tell) -> None:
        """tell: is given it as js/run/under_way.js reads it."""
        self._tell = tell
        self._told = -math.inf

    def begin(self, place: dict[str, Any], left: float | None) -> None:
        """A run begins. place: lambda, method, number and count. left: seconds, None if unknown."""
        self._told = time.perf_counter()
        self._tell({**place, "left": left})

    def go_on(self, place: dict[str, Any], left: float | None) -> None:
        """The same run goes on."""
        if time.perf_counter() - self._told >= _EVERY:
            self.begin(place, left)


class Sheet:
    """The images of a sweep's runs in one, row by row in a square; black where none has come yet."""

    def __init__(self, count: int, size: int) -> None:
        """size: of the longer side at most, in pixels."""
        self._columns = math.ceil(math.sqrt(count))
        self._rows = math.ceil(count / self._columns)
        self._most = size // self._columns
        self._whole: Image.Image | None = None

    def put(self, index: int, image: Image.Image) -> Image.Image:
        """The sheet with the image of a run in its place."""
        image = image.copy()
        image.thumbnail((self._most, self._most))
        if self._whole is None:
            self._whole = Image.new("RGB", (image.width * self._columns, image.height * self._rows))
        row, column = divmod(index, self._columns)
        self._whole.paste(image, (column * image.width, row * image.height))
        return self._whole.copy()  # core encodes it later, in another thread


class Showing:
    """Shows the runs of a sweep as they go on."""

    def __init__(self, model: ModelPatcher, parts: Sequence[Part], steps: int, tell: Tell) -> None:
        """model: whose latents are previewed. tell: is given how far the sweep is, as js/run/under_way.js reads it."""
        self._parts, self._steps, self._stage = parts, steps, Stage(tell)
        self._bar = comfy.utils.ProgressBar(steps * len(parts))
        self._previewer, self._live = _previewer(model)
        self._sheet = Sheet(len(parts), latent_preview.MAX_PREVIEW_RESOLUTION)
        self._clock = Clock(steps * sum(part.models for part in parts))

    def run(self, index: int) -> Callback:
        """The callback of one run; that it begins is said now."""
        before = self._steps * sum(part.models for part in self._parts[:index])
        part = self._parts[index]
        place = {"lambda": part.weight, "method": part.method, "number": index + 1, "count": len(self._parts)}
        self._stage.begin(place, self._clock.left(before) if index else None)

        def callback(step: int, denoised: torch.Tensor, x: torch.Tensor, steps: int) -> None:
            preview = self._preview(index, denoised, finished=step + 1 >= steps)
            self._bar.update_absolute(index * steps + step + 1, len(self._parts) * steps, preview)
            share = (step + 1) / steps * self._steps
            self._stage.go_on(place, self._clock.left(before + share * part.models))

        return callback

    def _preview(self, index: int, denoised: torch.Tensor, finished: bool) -> tuple | None:
        """Core's preview with the runs so far in it; where previews are off, when a run has finished."""
        if self._previewer is None or not (finished or self._live):
            return None
        found = preview(self._previewer, denoised)
        if found is None:  # another pack's previewer, which shows its images by itself
            return None
        kind, image, size = found
        return kind, self._sheet.put(index, image), size


def preview(previewer: latent_preview.LatentPreviewer, denoised: torch.Tensor) -> tuple | None:
    """Core's preview of a latent, of a nested one the first; None from another pack's previewer that shows its images by itself."""
    latent = denoised.tensors[0] if denoised.is_nested else denoised  # type: ignore[attr-defined]
    return previewer.decode_latent_to_preview_image("JPEG", latent)


def _previewer(model: ModelPatcher) -> tuple[latent_preview.LatentPreviewer | None, bool]:
    """Core's previewer and True; where previews are off the cheapest one, if there is one for such latents, and False."""
    latents = model.model.latent_format
    chosen = latent_preview.get_previewer(model.load_device, latents)
    if chosen is not None or latents.latent_rgb_factors is None:
        return chosen, True
    known = (latents.latent_rgb_factors, latents.latent_rgb_factors_bias, latents.latent_rgb_factors_reshape)
    return latent_preview.Latent2RGBPreviewer(*known), False
