"""A part of the progress of sampling."""

from __future__ import annotations

from dataclasses import dataclass

from .limits import as_number, quoted

_ROUNDING = 1e-6  # progress is computed back from sigma


@dataclass(frozen=True)
class Window:
    """From start to end, both included, of ComfyUI's percent: 0 at the first step of full denoising, 1 at its end.

    Raises ValueError unless 0 <= start <= end <= 1.
    """

    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= as_number(self.start) <= as_number(self.end) <= 1.0:
            raise ValueError(
                "start_percent and end_percent: expected 0 <= start_percent <= end_percent <= 1, "
                f"got {quoted(self.start)} and {quoted(self.end)}."
            )

    @property
    def whole(self) -> bool:
        """Whether it is all of the run."""
        return self.start == 0.0 and self.end == 1.0

    @property
    def span(self) -> tuple[float, float]:
        """Where it begins and ends, with what progress is rounded by."""
        return self.start - _ROUNDING, self.end + _ROUNDING

    def holds(self, progress: float) -> bool:
        first, last = self.span
        return first <= progress <= last


WHOLE = Window()
