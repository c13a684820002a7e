"""Numbers as text."""

from __future__ import annotations

import math

import pytest
from deradiff.nodes.report.digits import number, percent, with_error

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "text"),
    [(NAN, "unknown"), (INF, "∞"), (6666.67, "6667"), (125000.0, "125000"), (0.03125, "0.03125")],
)
def test_numbers_read_easily(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (312.4, 18.3, "312 ± 18"),
        (310.0, 20.0, "310 ± 20"),
        (310.0, 9.96, "310 ± 10"),
        (0.1234, 0.0123, "0.123 ± 0.012"),
        (31247.0, 1830.0, "31200 ± 1800"),
        (-0.25, 0.1, "-0.25 ± 0.10"),
        (5.0, 20.0, "5 ± 20"),
        (310.0, 1e-9, "310 ± 1e-09"),
        (3e-8, 1e-9, "3e-08 ± 1e-09"),
        (5e12, 1e12, "5e+12 ± 1e+12"),
        (310.0, 0.0, "310"),
        (310.0, INF, "310 ± ∞"),
        (310.0, NAN, "310 ± unknown"),
        (NAN, 0.0, "unknown"),
        (NAN, 20.0, "unknown"),
    ],
)
def test_a_value_is_written_as_far_as_its_error_lets_it_be_known(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


@pytest.mark.parametrize(
    ("chance", "text"),
    [
        (NAN, "unknown"),
        (0.97, "97 %"),
        (0.9499, "94 %"),
        (0.57, "57 %"),
        (0.99, "99 %"),
        (0.9987, "99.8 %"),
        (0.9995, "over 99.9 %"),
        (1.0, "100 %"),
        (0.031, "3 %"),
        (0.0099, "0.9 %"),
        (0.0001, "under 0.1 %"),
        (0.0, "0 %"),
    ],
)
def test_a_percentage_never_says_more_than_is_known(chance: float, text: str) -> None:
    assert percent(chance) == text
