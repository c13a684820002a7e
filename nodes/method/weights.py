"""The weight of one aligned model: lambda, over the progress of sampling and over the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .region import Region
from .schedule import LambdaSchedule
from .strength import checked_lambda


@dataclass(frozen=True, eq=False)
class Weight:
    """lambda * schedule(progress) * region. Raises ValueError unless lambda, and its product with the schedule, are within its limits."""

    value: float
    schedule: LambdaSchedule | None = None
    region: Region | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checked_lambda(self.value))
        if self.schedule is not None:
            checked_lambda(
                self.peak,
                "lambda * schedule",
                "Bring lambda closer to 0, or lower the highest point of the schedule's curve.",
            )

    def at(self, progress: float) -> float:
        """lambda * schedule at a progress in 0..1."""
        return self.value if self.schedule is None else self.value * self.schedule.at(progress)

    def acts(self, low: float = 0.0, high: float = 1.0) -> bool:
        """Whether it is anything but 0 somewhere in the image, at some progress between `low` and `high`."""
        if self.value == 0.0 or (self.region is not None and self.region.everywhere == 0.0):
            return False
        return self.schedule is None or self.schedule.highest(low, high) > 0.0

    @property
    def moves(self) -> bool:
        """Whether it changes with the progress."""
        return self.value != 0.0 and self.schedule is not None and self.schedule.constant is None

    @property
    def peak(self) -> float:
        """Its value where it is furthest from 0, at any progress."""
        return self.value if self.schedule is None else self.value * self.schedule.highest(0.0, 1.0)


def weight(
    value: float, schedule: LambdaSchedule | None = None, mask: torch.Tensor | None = None, feather: int = 0
) -> Weight:
    """The weight that a node's inputs ask for. mask: (N, H, W) in 0..1. Raises ValueError like Weight and Region."""
    return Weight(value, schedule, None if mask is None else Region(mask, feather))
