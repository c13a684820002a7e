"""What a guard does in one sampling run. Nothing here outlives the run."""

from __future__ import annotations

import dataclasses

from ..method.cap import Guard
from .aligned import Call
from .models import Models
from .predicted import Predicted
from .progress import Progress


class Guarding:
    """Bounds what every evaluation adds to the reference's prediction."""

    def __init__(self, guard: Guard, models: Models, progress: Progress | None) -> None:
        """progress: of the run, None where the guard acts throughout."""
        self._guard, self._models, self._progress = guard, models, progress

    def __call__(self, call: Call, predicted: Predicted) -> Predicted:
        """The prediction, its branches bounded. At lambda 1 the reference is evaluated for this."""
        if self._progress is not None and not self._guard.window.holds(self._progress.at(call.timestep)):
            return predicted
        known = predicted.known if 0 in predicted.known else {**predicted.known, **self._models.evaluate([0], call)}
        branches = [
            self._guard.bounded(mixed, reference) for mixed, reference in zip(predicted.mixed, known[0], strict=True)
        ]
        return dataclasses.replace(predicted, mixed=branches, known=known)
