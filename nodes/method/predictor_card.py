"""What a time predictor was trained on, and whether a model is of that kind. A wire value: TIME_PREDICTOR."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from .time_predictor import Bins

_SAME = 1e-3
_KINDS = {0.7071: "eps or v prediction", 0.5: "flow"}


@dataclass(frozen=True)
class Space:
    """A space of noised latents. latent_format: the class of core's; signal: how noise is mixed in, see signal_at_even_noise."""

    latent_format: str
    channels: int
    signal: float

    def __str__(self) -> str:
        kind = next(
            (name for signal, name in _KINDS.items() if abs(signal - self.signal) < _SAME), f"{self.signal:.3f}"
        )
        return f"latents {self.latent_format} of {self.channels} channels, noise as for {kind}"

    def fits(self, other: Space) -> bool:
        """Whether a predictor for one serves the other."""
        same = (self.latent_format, self.channels) == (other.latent_format, other.channels)
        return same and abs(self.signal - other.signal) < _SAME


@dataclass(frozen=True)
class Card:
    """space and bins: what it predicts. iterations, loss: how long it was trained, and its mean cross-entropy in nats at the end."""

    space: Space
    bins: Bins
    iterations: int
    loss: float


@dataclass(frozen=True)
class TimePredictor:
    """A trained network and its card. name: of its file; patchers: by which core loads it, for each device (engine/predictors.py)."""

    name: str
    network: torch.nn.Module
    card: Card
    patchers: dict[torch.device, Any] = field(default_factory=dict, repr=False, compare=False)
