"""Lambda over the progress of sampling. The closed form holds at every step, so lambda may differ from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from .curve import Curve
from .window import WHOLE, Window


@dataclass(frozen=True)
class LambdaSchedule:
    """A factor of lambda over progress: a curve, and 0 outside of a window."""

    curve: Curve
    window: Window = WHOLE

    def at(self, progress: float) -> float:
        """The factor of lambda at a progress in 0..1."""
        return self.curve.at(progress) if self.window.holds(progress) else 0.0

    def highest(self, low: float, high: float) -> float:
        """The largest factor between two progresses; a curve has its extremes at its points."""
        first, last = self.window.span
        low, high = max(low, first), min(high, last)
        if low > high:
            return 0.0
        inside = (y for x, y in self.curve.points if low <= x <= high)
        return max(self.curve.at(low), self.curve.at(high), *inside)

    @property
    def constant(self) -> float | None:
        """The factor if it is the same at every progress, else None."""
        first = self.curve.points[0][1]
        return first if self.window.whole and all(y == first for _, y in self.curve.points) else None
