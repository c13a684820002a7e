"""What a search for lambda says: the answer, how sure it is, and the curves behind it. May import numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .block_model import Posterior
from .held_out import Turning
from .paired import Difference


@dataclass(frozen=True)
class Curve:
    """A judge's mean score less that at the lowest lambda, at each candidate, and its band of the search's confidence."""

    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, posterior: Posterior, confidence: float) -> Curve:
        draws, tail = posterior.draws - posterior.draws[:, :1], (1 - confidence) / 2
        ends = (np.quantile(draws, share, axis=0) for share in (tail, 1 - tail))
        return cls(tuple(map(float, draws.mean(0))), *(tuple(map(float, end)) for end in ends))


@dataclass(frozen=True)
class Found:
    """What a search may say.

    strength: the best lambda. chance: that it is good enough, 0 to 1, as it may be stated (standing.py). settled: whether that is the confidence that was asked for.
    alike: the lowest and the highest lambda of an unbroken run around it that are all good enough with that confidence; None unless settled.
    possible: every lambda that is not ruled out with that confidence. more: about how many more images would settle it, 0 if it is
    settled, infinite if it would take over 60 times as many as so far.
    gain: the best less the lowest lambda, on blocks alone that were sampled after it was the best; None where there are none.
    curve: the scorer's. held_out: the second judge's; None without one. turning: where that one surely falls, None where it does not; no
    lambda from there on is the best then, alike or possible. images: how many were scored.
    """

    strength: float
    chance: float
    settled: bool
    alike: tuple[float, float] | None
    possible: tuple[float, ...]
    more: float
    gain: Difference | None
    curve: Curve
    held_out: Curve | None
    turning: Turning | None
    images: int
