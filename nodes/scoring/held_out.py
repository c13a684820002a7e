"""Where a held-out judge turns: the lambda from which a score still rises while a judge that was not optimised falls.

A model that was trained on a scorer, or on what resembles it, can please the scorer without getting better (Gao, Schulman and Hilton,
Scaling Laws for Reward Model Overoptimization, arXiv 2210.10760: a proxy rises with sqrt(KL) while the true reward turns).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .paired import SURE, difference


class Judged(Protocol):
    """A lambda with its scores by two judges, one of each for every sample."""

    @property
    def strength(self) -> float: ...
    @property
    def scores(self) -> tuple[float, ...]: ...
    @property
    def held_out(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class Turning:
    """at: the lambda of the highest held-out mean. below: the first lambda above it whose held-out scores are surely lower, None if
    there is none. rises: whether the score rises further beyond it.
    """

    at: float
    below: float | None
    rises: bool

    @property
    def turned(self) -> bool:
        return self.below is not None


def turning(rows: Sequence[Judged]) -> Turning:
    """rows: every lambda that was judged by both, sample by sample from the same noise. Raises ValueError if there are none."""
    if not rows:
        raise ValueError("Expected at least one lambda that the held-out judge scored, got none.")
    peak = max(rows, key=lambda row: (statistics.fmean(row.held_out), -row.strength))
    beyond = sorted((row for row in rows if row.strength > peak.strength), key=lambda row: row.strength)
    lower = [row for row in beyond if difference(peak.held_out, row.held_out).chance >= SURE]
    rises = max(map(_mean, beyond), default=-float("inf")) > _mean(peak)
    return Turning(peak.strength, lower[0].strength if lower else None, rises)


def _mean(row: Judged) -> float:
    return statistics.fmean(row.scores)
