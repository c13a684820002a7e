"""Lists of lambdas as people type them."""

from __future__ import annotations

import pytest
from deradiff.nodes.method.strength import HIGHEST, LOWEST
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
        ("-1:1:0.5", [-1, -0.5, 0, 0.5, 1]),
        ("-0.5..0.5 x 3", [-0.5, 0, 0.5]),
    ],
)
def test_good_lists(text: str, values: list[float]) -> None:
    assert parse_lambdas(text) == tuple(values)


@pytest.mark.parametrize("text", ["-0", "-1:0:0.5", "-1..0 x 3", "-0.5..0.5 x 3"])
def test_there_is_one_zero(text: str) -> None:
    assert [str(value) for value in parse_lambdas(text) if value == 0] == ["0.0"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" , ;\n", "empty"),
        ("0, banana, 1", "'banana'"),
        ("0.5.5", "'0.5.5'"),
        ("0, nan", "'nan'"),
        ("inf", "'inf'"),
        ("0.5, -3.25", "'-3.25'"),
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
        ("0:1:1e-300", "'0:1:1e-300'"),
        ("0, sNaN", "'sNaN'"),
        ("1e308", "'1e308'"),
        ("1e20", "'1e20' must be a number from -3 to 3"),
        ("0:1e308:1", "'0:1e308:1' must be a number from -3 to 3"),
        ("3.01", "'3.01' must be a number from -3 to 3"),
        ("0..3.5 x 3", "'0..3.5x3' must be a number from -3 to 3"),
        ("0_1", "'0_1'"),
        ("0..1 x " + "9" * 6000, "'0..1x999"),
        ("9" * 6000, "'999"),
        ("1e" + "9" * 6000, "'1e999"),
        ("0.5," * 5000, "at most 10000 characters, got 20000"),
    ],
    ids=lambda value: value[:20],
)
def test_bad_lists_quote_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="lambdas: ") as error:
        parse_lambdas(text)
    assert says in str(error.value)
    assert len(str(error.value)) < 320


@pytest.mark.parametrize("value", [None, 0.5, ["0"], b"0", True])
def test_what_is_no_text_is_quoted(value: object) -> None:
    with pytest.raises(ValueError, match=r"^lambdas: expected a list as text, got") as error:
        parse_lambdas(value)  # type: ignore[arg-type]
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("text", "pair", "first", "second"),
    [
        ("0,5", "0,5", "0", "5"),
        ("0, 0,25, 0,5", "0,25", "0", "25"),
        ("0,25;0,5", "0,25", "0", "25"),
        ("0:1:0,25", "0,25", "0", "25"),
        ("0,5..1 x 3", "0,5", "0", "5"),
        ("0,1;0,2;0,3", "0,1", "0", "1"),
        ("0,1 0,2", "0,1", "0", "1"),
    ],
)
def test_decimal_commas_are_explained(text: str, pair: str, first: str, second: str) -> None:
    """Whoever writes 0,5 for a half learns that it means 0 and 5 here."""
    with pytest.raises(ValueError, match=r"^lambdas: ") as error:
        parse_lambdas(text)
    assert str(error.value).endswith(
        f" A comma separates values: '{pair}' is read as '{first}' and '{second}'. Write decimals with a point, like 0.5."
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [("0,1", [0, 1]), ("0,0.5,1", [0, 0.5, 1]), ("0,2;1", [0, 2, 1]), ("0,0,1", [0, 1]), ("0,1;2,3", [0, 1, 2, 3])],
)
def test_commas_without_spaces_separate_values(text: str, values: list[float]) -> None:
    assert parse_lambdas(text) == tuple(values)


@pytest.mark.parametrize("text", ["0,0.5,x", "0, 5", "-4", "0.5,9"])
def test_nothing_is_said_of_commas_where_there_are_decimal_points_or_none(text: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_lambdas(text)
    assert "comma separates" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["0:3:0.01", "0..1 x 1000", ", ".join(str(index / 1000) for index in range(1000)), "0:1.99:0.01, 2"]
)
def test_too_many_are_refused_with_the_limit(text: str) -> None:
    with pytest.raises(ValueError, match=f"at most {MOST}"):
        parse_lambdas(text)
    assert len(parse_lambdas("0:1.99:0.01")) == len(parse_lambdas(f"0..3 x {MOST}")) == MOST


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
    assert all(LOWEST <= value <= HIGHEST for value in values)
