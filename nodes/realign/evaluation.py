"""Which models are evaluated at a step: all of them, or one after the other in turn.
May import the standard library only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

EXACT, REUSE, STOCHASTIC = "exact", "reuse", "stochastic"
KINDS = (EXACT, REUSE, STOCHASTIC)
TOLERANCE = 0.4


@dataclass(frozen=True)
class Evaluation:
    """exact: every model that has a weight. reuse: one model a step, its difference to the others reused. stochastic: one model a step.

    tolerance: reuse evaluates every model again after a step at which the difference turned out to have changed by more than
    this, relative to itself; 0 is exact. Raises ValueError for an unknown kind or a tolerance that is no number of at least 0.
    """

    kind: str = EXACT
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"evaluation: expected {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {self.kind!r}.")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"reuse_tolerance: expected a finite number of at least 0, got {self.tolerance}.")


class Turns:
    """Whose turn it is: each model as often as its weight says, as evenly as can be (error diffusion).

    The aligned models are considered in order, each for its part of what the earlier ones left, the reference last. With a
    seed, where each of them begins is drawn, so that at every step a model's chance is its weight.
    """

    def __init__(self, aligned: int, seed: int | None = None) -> None:
        """aligned: how many aligned models there are."""
        drawn = random.Random(seed)
        self._owed = [0.0 if seed is None else drawn.random() - 0.5 for _ in range(aligned)]

    def pick(self, weights: Sequence[float]) -> int:
        """weights: of the reference and the aligned models, in 0..1 and of sum 1. Returns whose turn it is, 0 for the reference."""
        left = 1.0
        for index, weight in enumerate(weights[1:]):
            self._owed[index] += weight / left if left > 0.0 else 0.0
            if self._owed[index] > 0.5:
                self._owed[index] -= 1.0
                return index + 1
            left -= weight
        return 0


class Steps:
    """Finds the steps of a sampler in the sigmas it asks for: several evaluations, at sigmas of its own, may belong to one."""

    _SLACK = 1e-4

    def __init__(self, sigmas: Sequence[float]) -> None:
        """sigmas: those of the run, falling, the last perhaps 0."""
        self._sigmas = [sigma for sigma in sigmas if sigma > 0.0]
        self._at = -1

    def new(self, sigma: float) -> bool:
        """Whether this evaluation begins another step."""
        at = sum(known >= sigma * (1.0 - self._SLACK) for known in self._sigmas)
        before, self._at = self._at, at
        return at != before

    @property
    def near_the_end(self) -> bool:
        """Whether this is the last step but one, whose prediction samplers of second order amplify."""
        return self._at == len(self._sigmas) - 1
