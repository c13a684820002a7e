"""Lists of lambdas as people type them."""

from __future__ import annotations

import math

import pytest
from deradiff.nodes.runs.lambda_lists import MOST, parse_lambdas
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", [0.5]),
        ("0, 0.25, 0.5, 0.75, 1", [0, 0.25, 0.5, 0.75, 1]),
        ("1 0;0.5\n0.25,,", [1, 0, 0.5, 0.25]),
        ("0:1:0.25", [0, 0.25, 0.5, 0.75, 1]),
        ("0 : 1 : 0.4", [0, 0.4, 0.8]),
        ("0:0.3:0.1", [0, 0.1, 0.2, 0.3]),
        ("2:2:1", [2]),
        ("0..1 x 5", [0, 0.25, 0.5, 0.75, 1]),
        ("1..0x3", [1, 0.5, 0]),
        ("0.5, 0:1:0.5, 0.5, .50, 5e-1", [0.5, 0, 1]),
        ("1e-2", [0.01]),
    ],
)
def test_good_lists(text: str, values: list[float]) -> None:
    assert parse_lambdas(text) == tuple(values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" , ;\n", "empty"),
        ("0, banana, 1", "'banana'"),
        ("0.5.5", "'0.5.5'"),
        ("0, nan", "'nan'"),
        ("inf", "'inf'"),
        ("0.5, -0.25", "'-0.25'"),
        ("0:1", "'0:1'"),
        ("0:1:0", "'0:1:0'"),
        ("0:1:-0.5", "'0:1:-0.5'"),
        ("1:0:0.5", "'1:0:0.5'"),
        ("0:nan:1", "'0:nan:1'"),
        ("0:inf:1", "'0:inf:1'"),
        ("0..1", "'0..1'"),
        ("0..1 x 1", "'0..1x1'"),
        ("0..1 x 2.5", "'0..1x2.5'"),
        ("0..nan x 3", "'0..nanx3'"),
        ("1e999", "'1e999'"),
        ("0:1:1e-30", "'0:1:1e-30'"),
    ],
)
def test_bad_lists_quote_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="lambdas: ") as error:
        parse_lambdas(text)
    assert says in str(error.value)


@pytest.mark.parametrize(
    "text", ["0:999:1", "0..1 x 1000", ", ".join(str(index / 1000) for index in range(1000)), "0:199:1, 0.5"]
)
def test_too_many_are_refused_with_the_limit(text: str) -> None:
    with pytest.raises(ValueError, match=f"at most {MOST}"):
        parse_lambdas(text)
    assert len(parse_lambdas(f"0:{MOST - 1}:1")) == MOST


WORDS = st.sampled_from(
    ["0", "1", "0.5", ":", "..", " x ", ",", " ", "-", "+", "e", "nan", "sNaN", "inf", "9" * 30, "٣", "_"]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.lists(WORDS, max_size=12).map("".join)))
def test_any_text_gives_lambdas_or_a_value_error(text: str) -> None:
    try:
        values = parse_lambdas(text)
    except ValueError as error:
        assert str(error)
        return
    assert 1 <= len(values) <= MOST and len(set(values)) == len(values)
    assert all(math.isfinite(value) and value >= 0 for value in values)
