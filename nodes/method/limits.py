"""Numbers and texts that a user gives: whether they can be used, and how they are quoted where they cannot.

Links and the API bring values that no widget would: every limit of a widget is one of these checks too.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import SupportsInt

_QUOTED = 60  # characters


def number(value: object, name: str, low: float, high: float, advice: str = "") -> float:
    """The value as a float. name: the input's; advice: what to do, a sentence. Raises ValueError unless low <= value <= high."""
    found = as_number(value)
    if not low <= found <= high:  # NaN fails too
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {quoted(value)}.{_sentence(advice)}")
    return found


def positive(value: object, name: str, advice: str = "") -> float:
    """The value as a float. Raises ValueError unless it is finite and above 0."""
    found = as_number(value)
    if not (math.isfinite(found) and found > 0):
        raise ValueError(f"{name} must be a finite number above 0, got {quoted(value)}.{_sentence(advice)}")
    return found


def whole(value: object, name: str, low: int, high: int, advice: str = "") -> int:
    """The value as an integer. Raises ValueError unless it is a whole number and low <= value <= high."""
    found = int(value) if isinstance(value, SupportsInt) and math.isfinite(as_number(value)) else low - 1
    if not (low <= found <= high and found == value):
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {quoted(value)}.{_sentence(advice)}")
    return found


def quoted(value: object) -> str:
    """repr, cut to a length that fits a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."


def as_number(value: object) -> float:
    """The value as a float, NaN for anything but a number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an integer beyond the range of floats
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def _sentence(advice: str) -> str:
    return f" {advice}" if advice else ""
