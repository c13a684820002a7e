"""When reuse evaluates every model, so that the final latent's error stays within the tolerance.

A difference that changes by c of itself from step to step is held over what remains of the run, the fraction a of it, and its errors accumulate
over that; they cancel in part, as the models take turns in proportion to their weights, but only over whole cycles of turns. SHARE c a bounds what is
left in the final latent, relative to the distance of the reference's and the aligned model's: how often, and at what cost, is in benchmarks/reuse.md.
"""

from __future__ import annotations

from .evaluation import Steps, Turns

SHARE = 0.5  # a third breaks the promise as seldom, but by up to 1.6 of the models' distance


class Refresh:
    """Both models run until the error that turns would make from there on is within the tolerance, and again near the end: the longer they ran at
    the start, the longer there, half as many steps, as samplers of second order amplify errors. A cycle of turns is always completed.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._waited = 0  # steps before the first turn
        self._turned = False
        self.error = 0.0  # that is predicted of the turns so far

    def due(self, change: float | None, steps: Steps, turns: Turns) -> bool:
        """Whether to evaluate every model at this step. change: c above, as last measured; None if it never was."""
        error = None if change is None else SHARE * change * steps.ahead
        before_the_end = 1 <= steps.left <= (self._waited + 1) // 2
        due = error is None or before_the_end or (error > self._tolerance and turns.even)
        self._turned |= not due
        self._waited += not self._turned
        if not due:
            self.error = max(self.error, error or 0.0)
        return due
