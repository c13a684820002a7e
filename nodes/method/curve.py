"""A curve through a few points: what the curve editor draws and a lambda schedule follows.

Monotone cubic interpolation is that of Fritsch and Carlson (SIAM J. Numer. Anal. 17, 1980), with the end slopes that
ComfyUI's own curves have. js/curve/model.js computes the same numbers bit for bit: tests/method/curves.json checks both.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .limits import quoted

MONOTONE_CUBIC, LINEAR = "monotone_cubic", "linear"
INTERPOLATIONS = (MONOTONE_CUBIC, LINEAR)
HIGHEST = 2.0
MOST_POINTS = 64
NARROWEST = 1e-6  # between the x of two points
_FLATTEST = 1e-9  # slope; a stretch below it counts as level
_LONGEST = 10_000  # characters of a curve's text

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """y over x in 0..1 through points of rising x, constant beyond the first and the last. Raises ValueError for other points."""

    points: tuple[Point, ...]
    interpolation: str = MONOTONE_CUBIC

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation: expected {' or '.join(INTERPOLATIONS)}, got {self.interpolation!r}.")
        if not 1 <= len(self.points) <= MOST_POINTS:
            raise ValueError(f"curve: expected 1 to {MOST_POINTS} points, got {len(self.points)}.")
        for index, point in enumerate(self.points):
            _check(index, point, self.points[index - 1] if index else None)

    def at(self, x: float) -> float:
        """y at x. A stretch between two points of the same y is exactly that y."""
        xs = [point[0] for point in self.points]
        right = bisect_right(xs, x)
        if right == 0 or right == len(xs):
            return self.points[max(right - 1, 0)][1]
        (x0, y0), (x1, y1) = self.points[right - 1], self.points[right]
        dx, dy = x1 - x0, y1 - y0
        t = (x - x0) / dx
        if self.interpolation == LINEAR:
            return y0 + dy * t
        rising = t * t * (3.0 - 2.0 * t)
        leaving, arriving = t * (1.0 - t) * (1.0 - t), t * t * (t - 1.0)
        y = y0 + dy * rising + dx * (leaving * self._slopes[right - 1] + arriving * self._slopes[right])
        return min(max(y, min(y0, y1)), max(y0, y1))

    @cached_property
    def _slopes(self) -> tuple[float, ...]:
        pairs = list(pairwise(self.points))
        secants = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairs]
        if not secants:
            return (0.0,)
        inner = [(a + b) / 2.0 if a * b > 0.0 else 0.0 for a, b in pairwise(secants)]
        slopes = [secants[0], *inner, secants[-1]]
        for index, secant in enumerate(secants):
            if abs(secant) < _FLATTEST:
                slopes[index] = slopes[index + 1] = 0.0
                continue
            a, b = slopes[index] / secant, slopes[index + 1] / secant
            if a * a + b * b > 9.0:
                limit = 3.0 / math.sqrt(a * a + b * b)
                slopes[index], slopes[index + 1] = limit * a * secant, limit * b * secant
        return tuple(slopes)


def parse_curve(text: str, interpolation: str = MONOTONE_CUBIC) -> Curve:
    """The curve of the editor's value, JSON such as "[[0, 1], [0.5, 0.2], [1, 0]]".

    x is the progress of sampling in 0..1 and rises from point to point, y in 0..2. Raises ValueError quoting the part
    that is wrong.
    """
    if not isinstance(text, str):
        raise ValueError(f"curve: expected text such as [[0, 1], [1, 0]], got {_quoted(text)}.")
    if len(text) > _LONGEST:
        raise ValueError(f"curve: expected at most {_LONGEST} characters, got {len(text)}.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"curve: expected JSON such as [[0, 1], [1, 0]], got {_quoted(text)} ({error}).") from None
    if not isinstance(found, list):
        raise ValueError(f"curve: expected a list of points such as [[0, 1], [1, 0]], got {_quoted(found)}.")
    if len(found) > MOST_POINTS:
        raise ValueError(f"curve: expected 1 to {MOST_POINTS} points, got {len(found)}.")
    return Curve(tuple(_point(index, item) for index, item in enumerate(found)), interpolation)


def _point(index: int, item: object) -> Point:
    if (
        not isinstance(item, list)
        or len(item) != 2
        or any(isinstance(number, bool) or not isinstance(number, int | float) for number in item)
    ):
        raise ValueError(f"curve: expected two numbers [x, y] for point {index + 1}, got {_quoted(item)}.")
    try:
        return (float(item[0]), float(item[1]))
    except OverflowError:
        raise ValueError(f"curve: point {index + 1}, {_quoted(item)}, is out of range.") from None


def _check(index: int, point: Sequence[float], before: Sequence[float] | None) -> None:
    (x, y), said = point, f"curve: point {index + 1}, {list(point)},"
    if not 0.0 <= x <= 1.0:  # NaN fails too
        raise ValueError(f"{said} must have its x (the progress of sampling) between 0 and 1.")
    if not 0.0 <= y <= HIGHEST:
        raise ValueError(f"{said} must have its y (the factor of lambda) between 0 and {HIGHEST:g}.")
    if before is not None and x - before[0] < NARROWEST:
        raise ValueError(
            f"{said} must lie to the right of the point before it, {list(before)}, by at least {NARROWEST:g}."
        )


def _quoted(value: object) -> str:
    return quoted(value if isinstance(value, str) else repr(value))
