"""When reuse evaluates every model: what it waits for, and what it predicts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from deradiff.nodes.method.evaluation import Steps, Turns
from deradiff.nodes.method.refresh import SHARE, Refresh
from hypothesis import given
from hypothesis import strategies as st

changes_of_a_run = st.lists(st.floats(0.0, 4.0), min_size=1, max_size=30)


def _run(tolerance: float, changes: Sequence[float | None]) -> tuple[list[bool], float]:
    """At which steps every model is wanted at lambda 0.5, if the changes are these whatever it decides, and the error predicted in the end."""
    sigmas = [float(len(changes) - at) for at in range(len(changes))]
    steps, turns, refresh, found = Steps(sigmas), Turns(1), Refresh(tolerance), []
    for sigma, change in zip(sigmas, changes, strict=True):
        steps.new(sigma)
        found.append(refresh.due(change, steps, turns))
        if not found[-1]:
            turns.pick((0.5, 0.5))
    return found, refresh.error


def _due(tolerance: float, changes: Sequence[float | None]) -> list[bool]:
    return _run(SHARE * tolerance, changes)[0]


def test_turns_begin_when_what_is_ahead_is_within_the_tolerance() -> None:
    changes = [None, None, *[0.2] * 8]
    assert _due(0.3, changes) == [True, True, *[False] * 6, True, False]
    assert _due(0.1001, changes) == [*[True] * 5, False, *[True] * 3, False], (
        "0.2 of half of the run; half as many before the end"
    )
    assert all(_due(0.0, changes))
    assert _due(0.3, [None, None, 0.2, 0.2, 2.0, 0.2, *[0.2] * 4])[2:6] == [False, False, True, False], (
        "it changed suddenly"
    )
    assert _due(0.3, [None, None, 0.2, 2.0, 2.0, 0.2, *[0.2] * 4])[2:6] == [False, False, True, False], (
        "a cycle is completed"
    )


@given(changes_of_a_run, st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_a_lower_tolerance_begins_later(changes: list[float], one: float, other: float) -> None:
    low, high = ([*_due(tolerance, [None, *changes]), False].index(False) for tolerance in sorted((one, other)))
    assert low >= high


def test_what_is_predicted_is_the_most_that_was_accepted() -> None:
    steady = [None, None, *[0.2] * 8]
    assert _run(0.1, steady)[1] == pytest.approx(SHARE * 0.2 * 0.8)
    assert _run(0.0, steady)[1] == 0.0
    sudden = [None, None, 0.2, 2.0, 2.0, 0.2, *[0.2] * 4]
    assert _run(0.1, sudden)[1] == pytest.approx(SHARE * 2.0 * 0.7), "the cycle that had to be completed counts"


@given(changes_of_a_run, st.floats(0.001, 2.0))
def test_the_prediction_keeps_the_tolerance_but_for_a_cycle_under_way(changes: list[float], tolerance: float) -> None:
    steady = [None, *[max(changes)] * len(changes)]
    assert _run(tolerance, steady)[1] <= tolerance
