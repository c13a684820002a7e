"""What lambda may be, and lambda from beta and back: every guard, and the properties that hold for all numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from deradiff.nodes.method import strength
from hypothesis import assume, given
from hypothesis import strategies as st

positive = st.floats(min_value=1e-6, max_value=1e6)
lambdas = st.floats(min_value=0, max_value=1e6)
BAD_BETAS = [math.nan, math.inf, -math.inf, 0, 0.0, -0.0, -5000.0, True, "5000", None]


@given(lambdas)
def test_a_valid_lambda_comes_back_as_it_is(value: float) -> None:
    assert strength.checked_lambda(value) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "finite number of at least 0, got nan"),
        (math.inf, "finite number of at least 0, got inf"),
        (-math.inf, "finite number of at least 0, got -inf"),
        (-0.01, "finite number of at least 0, got -0.01"),
        (-3, "finite number of at least 0, got -3"),
        (10**400, "finite number of at least 0, got inf"),
        (-(10**400), "finite number of at least 0, got -inf"),
        (True, "must be a number, got True"),
        (False, "must be a number, got False"),
        ("0.5", "must be a number, got '0.5'"),
        (None, "must be a number, got None"),
        ([0.5], "must be a number"),
        (0.5j, "must be a number"),
        (torch.tensor(0.5), "must be a number"),
    ],
)
def test_lambda_guard(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=r"^lambda must be") as raised:
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


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, True, "1"])
def test_beta_of_a_bad_lambda_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^lambda must be a"):
        strength.beta_from_lambda(value, 5000.0)


@given(st.one_of(st.none(), st.booleans(), st.text(), st.integers(), st.floats(), st.complex_numbers()))
def test_the_guard_lets_only_finite_numbers_of_at_least_zero_through(value: object) -> None:
    try:
        number = strength.checked_lambda(value)
    except ValueError:
        number = None
    valid = type(value) in (int, float) and math.isfinite(value) and value >= 0
    assert (number == value and type(number) is float) if valid else number is None


@pytest.mark.parametrize(
    ("trained", "target", "expected"), [(5000, 5000, 1.0), (5000, 10000, 0.5), (2000, 500, 4.0), (0.04, 0.16, 0.25)]
)
def test_lambda_is_trained_over_target(trained: float, target: float, expected: float) -> None:
    assert strength.lambda_from_beta(trained, target) == pytest.approx(expected, rel=1e-15)


@given(positive, positive)
def test_beta_and_lambda_are_each_others_inverse(trained: float, target: float) -> None:
    weight = strength.lambda_from_beta(trained, target)
    assert strength.beta_from_lambda(weight, trained) == pytest.approx(target, rel=1e-12)


@given(positive, positive, positive)
def test_a_larger_target_beta_stays_closer_to_the_reference(trained: float, target: float, more: float) -> None:
    assume(target + more > target)
    assert strength.lambda_from_beta(trained, target + more) <= strength.lambda_from_beta(trained, target)


def test_lambda_zero_is_infinite_beta() -> None:
    assert strength.beta_from_lambda(0.0, 5000.0) == math.inf


def test_a_ratio_beyond_the_range_of_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        strength.lambda_from_beta(1e308, 1e-308)
