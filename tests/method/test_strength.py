"""What lambda may be, and lambda from beta and back: every guard, and the properties that hold for all numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy
import pytest
import torch
from deradiff.nodes.method import strength
from hypothesis import assume, given
from hypothesis import strategies as st

positive = st.floats(min_value=1e-6, max_value=1e6)
lambdas = st.floats(min_value=strength.LOWEST, max_value=strength.HIGHEST)
BAD_BETAS = [math.nan, math.inf, -math.inf, 0, 0.0, -0.0, -5000.0, True, "5000", None]


@given(lambdas)
def test_a_valid_lambda_comes_back_as_it_is(value: float) -> None:
    assert strength.checked_lambda(value) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "from -3 to 3, got nan"),
        (math.inf, "from -3 to 3, got inf"),
        (-math.inf, "from -3 to 3, got -inf"),
        (-3.01, "from -3 to 3, got -3.01"),
        (-4, "from -3 to 3, got -4"),
        (3.01, "from -3 to 3, got 3.01"),
        (1e20, "from -3 to 3, got 1e+20"),
        (10**400, "from -3 to 3, got 1000"),
        pytest.param(-(10**5000), "from -3 to 3, got a number of thousands of digits", id="too long to print"),
        (True, "got True"),
        (False, "got False"),
        ("0.5", "got '0.5'"),
        (None, "got None"),
        ([0.5], "got [0.5]"),
        (0.5j, "got 0.5j"),
        (torch.tensor(0.5), "got tensor(0.5000)"),
    ],
)
def test_lambda_guard(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=r"^lambda must be a number from -3 to 3, got ") as raised:
        strength.checked_lambda(value)
    assert says in str(raised.value)


@pytest.mark.parametrize("value", BAD_BETAS)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("trained_beta", lambda value: strength.lambda_from_beta(value, 5000.0)),
        ("target_beta", lambda value: strength.lambda_from_beta(5000.0, value)),
        ("trained_beta", lambda value: strength.beta_from_lambda(0.5, value)),
    ],
)
def test_beta_guard(name: str, call: Callable[[object], float], value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a"):
        call(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -3.5, True, "1"])
def test_beta_of_a_bad_lambda_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^lambda must be a"):
        strength.beta_from_lambda(value, 5000.0)


@given(st.one_of(st.none(), st.booleans(), st.text(), st.integers(), st.floats(), st.complex_numbers()))
def test_the_guard_lets_only_numbers_within_the_limits_through(value: object) -> None:
    try:
        number = strength.checked_lambda(value)
    except ValueError:
        number = None
    valid = type(value) in (int, float) and strength.LOWEST <= value <= strength.HIGHEST
    assert (number == value and type(number) is float) if valid else number is None


@pytest.mark.parametrize(
    ("trained", "target", "expected"),
    [(5000, 5000, 1.0), (5000, 10000, 0.5), (2000, 1000, 2.0), (3, 1, 3.0), (0.04, 0.16, 0.25)],
)
def test_lambda_is_trained_over_target(trained: float, target: float, expected: float) -> None:
    assert strength.lambda_from_beta(trained, target) == pytest.approx(expected, rel=1e-15)


@given(positive, positive)
def test_beta_and_lambda_are_each_others_inverse(trained: float, target: float) -> None:
    assume(trained / target <= strength.HIGHEST)
    weight = strength.lambda_from_beta(trained, target)
    assert strength.beta_from_lambda(weight, trained) == pytest.approx(target, rel=1e-12)


@given(positive, positive, positive)
def test_a_larger_target_beta_stays_closer_to_the_reference(trained: float, target: float, more: float) -> None:
    assume(target + more > target and trained / target <= strength.HIGHEST)
    assert strength.lambda_from_beta(trained, target + more) <= strength.lambda_from_beta(trained, target)


def test_lambda_zero_is_infinite_beta() -> None:
    assert strength.beta_from_lambda(0.0, 5000.0) == math.inf


def test_no_beta_stands_for_a_lambda_below_zero() -> None:
    assert strength.beta_from_lambda(-0.5, 5000.0) is None


def test_there_is_one_zero() -> None:
    assert str(strength.checked_lambda(-0.0)) == "0.0"


@pytest.mark.parametrize(("trained", "target", "least"), [(5000, 1000, "1666.67"), (1e308, 1e-308, "3.33333e+307")])
def test_a_ratio_that_is_no_lambda_is_refused_with_the_beta_that_is(trained: float, target: float, least: str) -> None:
    with pytest.raises(
        ValueError, match=r"^lambda = trained_beta / target_beta must be a number from -3 to 3"
    ) as raised:
        strength.lambda_from_beta(trained, target)
    assert f"Use a target_beta of at least {least}." in str(raised.value)


@pytest.mark.parametrize("value", [numpy.float32(0.5), numpy.float64(0.5), numpy.int64(1), Fraction(1, 2)])
def test_numbers_of_other_packs_are_numbers(value: float) -> None:
    found = strength.checked_lambda(value)
    assert type(found) is float and found == value
