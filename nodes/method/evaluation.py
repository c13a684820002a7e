"""Which models are evaluated at a step: all of them, or one at a time, in turn."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

EXACT, REUSE, STOCHASTIC = "exact", "reuse", "stochastic"
KINDS = (EXACT, REUSE, STOCHASTIC)
TOLERANCE = 0.05


@dataclass(frozen=True)
class Evaluation:
    """exact: every model that has a weight. reuse: one model per step, with reused differences to the others. stochastic: one model per step.

    tolerance: of reuse, how far the final latent may be from that of exact, relative to the distance of reference and aligned; 0 is
    exact. Raises ValueError for an unknown kind or a tolerance that is not a finite number of at least 0.
    """

    kind: str = EXACT
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"evaluation: expected {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {self.kind!r}.")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"reuse_tolerance: expected a finite number of at least 0, got {self.tolerance}.")


class Turns:
    """Chooses the model of each turn: each as often as its weight says, spread as evenly as possible (error diffusion).

    The aligned models are considered in order, each for its share of what the earlier ones left, the reference last. With a
    seed, the starting point of each is random, so that at every step a model's probability is its weight.
    """

    def __init__(self, aligned: int, seed: int | None = None) -> None:
        """aligned: how many aligned models there are."""
        drawn = random.Random(seed)
        self._owed = [0.0 if seed is None else drawn.random() - 0.5 for _ in range(aligned)]

    @property
    def even(self) -> bool:
        """Whether every model has had about as many turns as its weight says: a cycle of turns is complete."""
        return all(abs(owed) <= 0.25 for owed in self._owed)

    def pick(self, weights: Sequence[float]) -> int:
        """weights: of the reference and the aligned models, in 0..1 and of sum 1. Returns the index of the chosen model, 0 for the reference."""
        left = 1.0
        for index, weight in enumerate(weights[1:]):
            self._owed[index] += weight / left if left > 0.0 else 0.0
            if self._owed[index] > 0.5:
                self._owed[index] -= 1.0
                return index + 1
            left -= weight
        return 0


class Steps:
    """Finds a sampler's steps from the sigmas of its evaluations: one step may have several, at sigmas between those of the run."""

    _SLACK = 1e-4

    def __init__(self, sigmas: Sequence[float]) -> None:
        """sigmas: those of the run, decreasing, the last possibly 0."""
        self._sigmas = [sigma for sigma in sigmas if sigma > 0.0]
        self.at = -1  # the current step, from 0

    def new(self, sigma: float) -> bool:
        """Whether this evaluation begins another step."""
        at = max(
            sum(known >= sigma * (1.0 - self._SLACK) for known in self._sigmas) - 1, 0
        )  # churn begins above the first
        before, self.at = self.at, at
        return at != before

    @property
    def left(self) -> int:
        """How many steps follow this one."""
        return len(self._sigmas) - 1 - self.at

    @property
    def ahead(self) -> float:
        """The fraction of the run's steps that remain, this step included."""
        return (self.left + 1) / max(len(self._sigmas), 1)
