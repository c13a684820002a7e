"""The values of the pack's own wire types LAMBDA_SWEEP, SCORES and SCORER. Frozen, and independent of ComfyUI."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

REALIGNED, INTERPOLATED = "realigned", "interpolated"
Batch = TypeVar("Batch", torch.Tensor, tuple, list)


def mean_kl(kl: Sequence[float]) -> float:
    """Mean of each sample's KL in nats, NaN if it is unknown for any sample, or there is none."""
    return statistics.fmean(kl) if kl else math.nan


def mean_kl_error(errors: Sequence[float]) -> float:
    """How far the mean KL may be off, in nats, from how far each sample's may be, all in one direction; 0 if none is given."""
    return statistics.fmean(errors) if errors else 0.0


@dataclass(frozen=True)
class Entry:
    """One lambda of a sweep, sampled by realignment or, as a baseline, from the model with interpolated weights.

    kl: nats from the reference for each sample, NaN where it is unknown. kl_error: how far each may be off either way; () or 0
    where it was measured.
    """

    strength: float
    method: str
    seconds: float
    kl: tuple[float, ...]
    kl_error: tuple[float, ...] = ()

    @property
    def mean_kl(self) -> float:
        """Mean over the samples in nats, NaN if it is unknown for any."""
        return mean_kl(self.kl)

    @property
    def mean_kl_error(self) -> float:
        """How far mean_kl may be off, either way, in nats."""
        return mean_kl_error(self.kl_error)

    def label(self) -> str:
        return f"\u03bb = {self.strength:g}" + ("" if self.method == REALIGNED else " (weights)")


@dataclass(frozen=True)
class Sweep:
    """A sweep's entries in the order of the latent batch: all `samples` of the first entry, then of the second."""

    entries: tuple[Entry, ...]
    samples: int

    def check(self, images: torch.Tensor) -> None:
        """Raise ValueError unless the images, (N, H, W, C), are the sweep's, one for each entry and sample."""
        expected = len(self.entries) * self.samples
        if images.shape[0] != expected:
            raise ValueError(
                f"images: expected {expected} images ({len(self.entries)} lambdas x {self.samples} samples) for this sweep, "
                f"got {images.shape[0]}. Decode the latent that came with the sweep, all of it."
            )

    def parts(self, batch: Batch) -> list[Batch]:
        """A batch in the sweep's order (images, latents, scores), cut into one part of `samples` items for each entry."""
        return [batch[n * self.samples : (n + 1) * self.samples] for n in range(len(self.entries))]


@dataclass(frozen=True)
class Scores:
    """A scorer's score of each image of a batch, in the batch's order. Higher is better.

    diversity: of a sweep's samples at each of its entries, see scoring/diversity.py; () where it is unknown.
    """

    name: str
    values: tuple[float, ...]
    diversity: tuple[float, ...] = ()

    def __str__(self) -> str:
        """As Preview as Text shows them: JSON, which programs can read from ComfyUI's history."""
        return json.dumps({"name": self.name, "values": self.values})

    def check(self, images: torch.Tensor, name: str = "scores") -> None:
        """Raise ValueError unless there is one score for each of the images, (N, H, W, C). name: of the input."""
        if len(self.values) != images.shape[0]:
            raise ValueError(
                f"{name}: expected one score for each of the {images.shape[0]} images, got {len(self.values)}. "
                "Score the same images that are connected here."
            )


@dataclass(frozen=True)
class Scorer:
    """A way to score images: name, and (images (N, H, W, C) in 0..1, prompt) -> N scores. reads_prompt: whether the prompt matters.

    features: images -> what it sees in them, (N, D) of length 1; None for a scorer without.
    """

    name: str
    score: Callable[[torch.Tensor, str], tuple[float, ...]]
    reads_prompt: bool = True
    features: Callable[[torch.Tensor], torch.Tensor] | None = None


@dataclass(frozen=True)
class ComparingScorer(Scorer):
    """A scorer that compares each image with that of the same sample at lambda 0: (images, those at lambda 0) -> scores."""

    compare: Callable[[torch.Tensor, torch.Tensor], tuple[float, ...]] = field(kw_only=True)
