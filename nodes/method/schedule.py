"""Lambda over the progress of sampling. The closed form holds at every step, so lambda may differ from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from .curve import Curve
from .limits import as_number, quoted

_ROUNDING = 1e-6  # progress is computed back from sigma


@dataclass(frozen=True)
class LambdaSchedule:
    """A factor of lambda over progress, ComfyUI's percent: 0 at the first step of full denoising, 1 at its end.

    start and end are included; outside of them the factor is 0. Raises ValueError unless 0 <= start <= end <= 1.
    """

    curve: Curve
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= as_number(self.start) <= as_number(self.end) <= 1.0:
            raise ValueError(
                "start_percent and end_percent: expected 0 <= start_percent <= end_percent <= 1, "
                f"got {quoted(self.start)} and {quoted(self.end)}."
            )

    def at(self, progress: float) -> float:
        """The factor of lambda at a progress in 0..1."""
        if self.start - _ROUNDING <= progress <= self.end + _ROUNDING:
            return self.curve.at(progress)
        return 0.0

    def highest(self, low: float, high: float) -> float:
        """The largest factor between two progresses; a curve has its extremes at its points."""
        low, high = max(low, self.start - _ROUNDING), min(high, self.end + _ROUNDING)
        if low > high:
            return 0.0
        inside = (y for x, y in self.curve.points if low <= x <= high)
        return max(self.curve.at(low), self.curve.at(high), *inside)

    @property
    def constant(self) -> float | None:
        """The factor if it is the same at every progress, else None."""
        first = self.curve.points[0][1]
        whole = self.start == 0.0 and self.end == 1.0
        return first if whole and all(y == first for _, y in self.curve.points) else None
