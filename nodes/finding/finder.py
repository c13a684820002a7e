"""The run of a search for lambda: samples what it asks for, has the images judged, and tells it the scores."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from comfy.model_patcher import ModelPatcher

from ..engine import LOG
from ..engine.patch import from_one_noise, realign, reweighted
from ..method.weights import Weight
from ..runs.measured import measured_sample
from ..scoring.batches import SIZE
from ..scoring.search import Search
from ..wires import Scorer
from .bar import Bar
from .task import Task

Key = tuple[int, float]
"""A block and a lambda: one image."""


@dataclass(frozen=True)
class Sample:
    """A LATENT, exactly KSampler (DeRaDiff)'s, with the seconds and nats of its run; kl is NaN where it is unknown."""

    latent: dict
    seconds: float
    kl: float
    kl_error: float


class Finder:
    """Goes on with a search until it ends. samples: what has been sampled so far, which outlives a run that is cancelled."""

    def __init__(self, task: Task, search: Search, samples: dict[Key, Sample]) -> None:
        self.task, self.search, self.samples = task, search, samples
        self._realigned = realign(
            task.reference, task.aligned, Weight(search.strengths[-1], task.schedule), task.evaluation
        )
        self._block: tuple[int, ModelPatcher] | None = None

    def run(self, bar: Bar, looked: Callable[[], None]) -> None:
        """looked: called whenever the search has learned something. Raises ValueError for scores that are not finite."""
        if self.samples:
            LOG.info("The search goes on: %d images had been sampled before.", len(self.samples))
        while asks := self.search.round():
            wanted = [(ask.block, strength) for ask in asks for strength in ask.strengths]
            for key in wanted:
                self.sample(key, bar)
            for keys in self._batches(wanted):
                self._judge(keys)
            looked()

    def images(self, key: Key) -> torch.Tensor:
        """The decoded image of a sample, (1, H, W, C), or the frames of a video."""
        decoded = self.task.vae.decode(self.samples[key].latent["samples"])
        return decoded.reshape(-1, *decoded.shape[-3:])

    def sample(self, key: Key, bar: Bar) -> None:
        """Sample an image unless it has been sampled."""
        if key not in self.samples:
            self.samples[key] = self._sample(key, bar)

    def _sample(self, key: Key, bar: Bar) -> Sample:
        block, strength = key
        prompt = self.task.prompts[self.task.prompt(block)]
        model = reweighted(self._of(block), Weight(strength, self.task.schedule))
        callback = bar.image(len(self.samples), strength)
        begin = time.perf_counter()
        run = (self.task.settings_of(block), prompt.positive, prompt.negative, self.task.latent, callback)
        out, outcome = measured_sample(model, *run)
        kl, errors = outcome.divergence.kl, outcome.divergence.error
        return Sample(out, time.perf_counter() - begin, kl[0], errors[0] if errors else 0.0)

    def _of(self, block: int) -> ModelPatcher:
        """The realigned MODEL of a block, whose runs share their first evaluation: noise and prompt are those of the block."""
        if self._block is None or self._block[0] != block:
            self._block = (block, from_one_noise(self._realigned))
        return self._block[1]

    def _batches(self, keys: list[Key]) -> Iterator[list[Key]]:
        """Cut into what is judged at once: a few images of one prompt."""
        by_prompt: dict[int, list[Key]] = {}
        for key in keys:
            by_prompt.setdefault(self.task.prompt(key[0]), []).append(key)
        for of_one in by_prompt.values():
            for first in range(0, len(of_one), SIZE):
                yield of_one[first : first + SIZE]

    def _judge(self, keys: list[Key]) -> None:
        images = [self.images(key) for key in keys]
        scores = self._scores(self.task.scorer, keys, images)
        held_out = self._scores(self.task.held_out, keys, images) if self.task.held_out else {}
        for key in keys:
            block, strength = key
            second = {strength: held_out[key]} if held_out else None
            self.search.note(block, {strength: scores[key]}, second)

    def _scores(self, judge: Scorer, keys: list[Key], images: list[torch.Tensor]) -> dict[Key, float]:
        """Of each image; of a video, the mean over its frames."""
        text = self.task.prompts[self.task.prompt(keys[0][0])].text
        values = iter(judge.score(torch.cat(images), text))
        return {key: statistics.fmean(next(values) for _ in frames) for key, frames in zip(keys, images, strict=True)}
