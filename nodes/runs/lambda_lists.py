"""Lists of lambdas as users type them: "0, 0.25, 0.5", "0:1:0.25", "0..1 x 5"."""

from __future__ import annotations

import re
from decimal import Decimal

from ..method.strength import checked_lambda

MOST = 200
_HELP = 'Write values and ranges, separated by commas, like "0, 0.5, 1", "0:1:0.25" (start:stop:step) or "0..1 x 5" (5 values).'
_AROUND = re.compile(r"\s*(:|\.\.|x)\s*")


def parse_lambdas(text: str) -> tuple[float, ...]:
    """The lambdas of a list, in the order given, each once.

    Raises ValueError, quoting the offending part, for an empty list, anything unreadable, NaN, infinite or negative
    values, and more than MOST lambdas.
    """
    tokens = [token for token in re.split(r"[,;\s]+", _AROUND.sub(r"\1", text.strip())) if token]
    found: dict[float, None] = {}
    for token in tokens:
        for value in _values(token):
            found[checked_lambda(value, f"lambdas: {token!r}")] = None
    if not found:
        raise ValueError(f"lambdas: the list is empty. {_HELP}")
    if len(found) > MOST:
        raise ValueError(f"lambdas: {len(found)} values, at most {MOST} can be swept at once. Take larger steps.")
    return tuple(found)


def _values(token: str) -> list[float]:
    try:
        if ".." in token:
            return _spaced(token)
        if ":" in token:
            return _stepped(token)
        return [float(Decimal(token))]
    except ArithmeticError:  # decimal raises it for text that is not a number and for numbers out of its range
        raise ValueError(f"lambdas: cannot read {token!r}. {_HELP}") from None


def _finite(parts: list[str], token: str) -> list[Decimal]:
    numbers = [Decimal(part) for part in parts]
    if not all(number.is_finite() for number in numbers):
        raise ValueError(f"lambdas: {token!r} is not a range of finite numbers. {_HELP}")
    return numbers


def _stepped(token: str) -> list[float]:
    """start:stop:step, stop included where a step falls on it."""
    parts = token.split(":")
    if len(parts) != 3:
        raise ValueError(f"lambdas: {token!r} needs start:stop:step. {_HELP}")
    start, stop, step = _finite(parts, token)
    if step <= 0 or stop < start:
        raise ValueError(f"lambdas: in {token!r} the step must be above 0 and the stop not below the start. {_HELP}")
    count = (stop - start) // step
    _check_count(count + 1, token)
    return [float(start + index * step) for index in range(int(count) + 1)]


def _spaced(token: str) -> list[float]:
    """start..stop x n, both ends included."""
    bounds, _, count_text = token.partition("x")
    if not count_text.isdecimal() or int(count_text) < 2:
        raise ValueError(f"lambdas: {token!r} needs a whole number of at least 2 after the x. {_HELP}")
    start, stop = _finite(bounds.split("..", 1), token)
    count = int(count_text)
    _check_count(Decimal(count), token)
    return [float(start + (stop - start) * index / (count - 1)) for index in range(count)]


def _check_count(count: Decimal, token: str) -> None:
    if count > MOST:
        raise ValueError(
            f"lambdas: {token!r} makes {count} values, at most {MOST} can be swept at once. Take larger steps."
        )
