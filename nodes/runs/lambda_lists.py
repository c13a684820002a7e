"""Lists of lambdas as users type them: "0, 0.25, 0.5", "0:1:0.25", "0..1 x 5"."""

from __future__ import annotations

import re
from decimal import Decimal

from ..method.limits import quoted
from ..method.strength import checked_lambda

MOST = 200
_LONGEST = 10_000  # characters
_HELP = 'Write values and ranges, separated by commas, like "0, 0.5, 1", "0:1:0.25" (start:stop:step) or "0..1 x 5" (5 values).'
_AROUND = re.compile(r"\s*(:|\.\.|x)\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_COUNT = re.compile(r"\d{1,9}")
_COMMA = re.compile(r"\d+,\d+")
_POINT = re.compile(r"(?<!\.)\.(?!\.)")  # a decimal point, not the two of a range
_DECIMAL_COMMAS = re.compile(r"\d+,\d+(\s*[;\s]\s*\d+,\d+)+")


def parse_lambdas(text: str) -> tuple[float, ...]:
    """The lambdas of a list, in the order given, each once.

    Raises ValueError, quoting the offending part, for an empty list, anything unreadable, values that are no lambda, more
    than MOST of them, and a list that only decimal commas explain.
    """
    if not isinstance(text, str):
        raise ValueError(f"lambdas: expected a list as text, got {quoted(text)}. {_HELP}")
    if len(text) > _LONGEST:
        raise ValueError(f"lambdas: expected at most {_LONGEST} characters, got {len(text)}. {_HELP}")
    try:
        return _parsed(text.strip())
    except ValueError as error:
        raise ValueError(f"{error}{_about_commas(text)}") from None


def _parsed(text: str) -> tuple[float, ...]:
    values = [value for token in re.split(r"[,;\s]+", _AROUND.sub(r"\1", text)) if token for value in _values(token)]
    found = tuple(dict.fromkeys(values))
    if not found:
        raise ValueError(f"lambdas: the list is empty. {_HELP}")
    if len(found) > MOST:
        raise ValueError(f"lambdas: {len(found)} values, at most {MOST} can be swept at once. Take larger steps.")
    if len(found) < len(values) and _DECIMAL_COMMAS.fullmatch(text):
        raise ValueError(f"lambdas: cannot read {quoted(text)}. {_HELP}")
    return found


def _about_commas(text: str) -> str:
    """What to say to a reader who writes decimals with a comma, "" if nothing of the list looks so."""
    comma = _COMMA.search(text)
    if comma is None or _POINT.search(text):
        return ""
    first, second = comma[0].split(",")
    return (
        f" A comma separates values: {quoted(comma[0])} is read as {quoted(first)} and {quoted(second)}. Write decimals "
        "with a point, like 0.5."
    )


def _values(token: str) -> list[float]:
    if ".." in token:
        return _spaced(token)
    if ":" in token:
        return _stepped(token)
    return [float(_lambda(token, token))]


def _lambda(part: str, token: str) -> Decimal:
    """The number of a part of a token, within the limits of lambda."""
    checked_lambda(float(_number(part, token)), f"lambdas: {quoted(token)}")
    return _number(part, token) + 0  # -0 is 0


def _number(part: str, token: str) -> Decimal:
    if not _NUMBER.fullmatch(part):
        raise ValueError(f"lambdas: cannot read {quoted(token)}. {_HELP}")
    return Decimal(part)


def _stepped(token: str) -> list[float]:
    """start:stop:step, stop included where a step falls on it."""
    parts = token.split(":")
    if len(parts) != 3:
        raise ValueError(f"lambdas: {quoted(token)} needs start:stop:step. {_HELP}")
    start, stop, step = _lambda(parts[0], token), _lambda(parts[1], token), _number(parts[2], token)
    if step <= 0 or stop < start:
        raise ValueError(
            f"lambdas: in {quoted(token)} the step must be above 0 and the stop not below the start. {_HELP}"
        )
    if stop - start >= step * MOST:
        raise ValueError(
            f"lambdas: {quoted(token)} makes more than {MOST} values, at most {MOST} can be swept at once. Take larger steps."
        )
    return [float(start + index * step) for index in range(int((stop - start) // step) + 1)]


def _spaced(token: str) -> list[float]:
    """start..stop x n, both ends included."""
    bounds, _, count_text = token.partition("x")
    count = int(count_text) if _COUNT.fullmatch(count_text) else 0
    if not 2 <= count <= MOST:
        raise ValueError(
            f"lambdas: {quoted(token)} needs a whole number from 2 to {MOST} after the x: at most {MOST} can be swept at once. {_HELP}"
        )
    start, stop = (_lambda(part, token) for part in bounds.split("..", 1))
    return [float(start + (stop - start) * index / (count - 1)) for index in range(count)]
