"""Choosing lambda: the rules against hand-computed cases and brute force."""

from __future__ import annotations

import math
import statistics

import pytest
from deradiff.nodes.scoring.choice import Row, choose
from hypothesis import given
from hypothesis import strategies as st
from support.choices import BUDGET, HIGHEST, NAN, OF_ONE_JUDGE, ONE_ERROR, ROWS, row


def chosen(rows: list[Row], rule: str, budget: float = math.inf) -> float:
    return choose(rows, rule, budget).winner.strength


def test_statistics() -> None:
    one = Row(0.5, (1.0, 2.0, 6.0), (4.0, 8.0, 9.0))
    assert (one.mean, one.mean_kl) == (3.0, 7.0)
    assert one.error == pytest.approx(math.sqrt((4 + 1 + 9) / 2) / math.sqrt(3))
    assert math.isnan(row(0.5, 1.0).error) and row(0.5, 2.0, 2.0).error == 0


def test_kl_is_0_at_lambda_0_and_unknown_if_any_sample_s_is() -> None:
    assert row(0.0, 1.0, kl=NAN).mean_kl == 0
    assert math.isnan(row(0.0, 1.0, kl=NAN, contender=False).mean_kl)
    assert math.isnan(Row(0.5, (1.0, 2.0), (3.0, NAN)).mean_kl) and math.isnan(Row(0.5, (1.0,), ()).mean_kl)


def test_the_error_of_the_mean_kl_is_the_mean_of_the_samples_errors() -> None:
    one = Row(0.5, (1.0, 2.0), (4.0, 8.0), kl_error=(1.0, 2.0))
    assert (one.mean_kl, one.mean_kl_error, one.most_kl) == (6.0, 1.5, 7.5)
    assert (row(0.5, 1.0, kl=3.0).mean_kl_error, row(0.5, 1.0, kl=3.0).most_kl) == (0.0, 3.0)
    assert (row(0.0, 1.0, kl=3.0, off=2.0).most_kl, row(0.0, 1.0, kl=3.0, off=2.0, contender=False).most_kl) == (0, 5)
    assert row(0.5, 1.0, kl=3.0, off=NAN).most_kl == math.inf and math.isnan(row(0.5, 1.0, kl=NAN, off=2.0).most_kl)


@pytest.mark.parametrize(
    ("rule", "budget", "winner"),
    [
        (HIGHEST, 0.0, 1.0),
        (BUDGET, 1e9, 0.5),  # lambda 1 would win, but its KL is unknown
        (BUDGET, 10.0, 0.5),
        (BUDGET, 9.99, 0.0),
        (BUDGET, 0.0, 0.0),
        (ONE_ERROR, 0.0, 1.0),  # 4.5 - 4 is just above 0.41
    ],
)
def test_rules(rule: str, budget: float, winner: float) -> None:
    assert chosen(ROWS, rule, budget) == winner


def test_one_standard_error_is_that_of_the_paired_difference() -> None:
    best = row(1.0, 1.0, 4.0, 10.0)  # mean 5, its own standard error 2.6
    near = row(0.5, 0.5, 4.5, 9.5)  # short by 0.5, -0.5 and 0.5: 0.17 in the mean, standard error 0.33
    sure = row(0.25, 0.8, 3.7, 9.9)  # short by 0.2, 0.3 and 0.1: 0.2 in the mean, standard error 0.06
    assert chosen([best, sure], ONE_ERROR) == 1.0
    assert chosen([best, near, sure], ONE_ERROR) == 0.5
    assert chosen([row(2.0, 9.0, 9.0, 9.0), best], ONE_ERROR) == 2.0


def test_one_standard_error_exactly_is_within() -> None:
    best = row(1.0, 3.0, 5.0)
    assert chosen([best, row(0.5, 3.0, 3.0), row(0.25, 2.9, 2.9)], ONE_ERROR) == 0.5  # short by 1 with an error of 1
    assert chosen([best, row(0.5, 2.0, 4.0)], ONE_ERROR) == 1.0, "short by the same in every sample"
    for short in range(1, 30):
        assert chosen([row(1.0, short / 10, 0, 0), row(0.5, 0, 0, 0)], ONE_ERROR) == 0.5, "rounding decides nothing"


def test_the_winner_is_compared_with_the_best_other_that_could_win() -> None:
    found = choose(ROWS, HIGHEST)
    assert (found.runner_up, found.highest) == (ROWS[1], ROWS[2])
    lead = found.lead(ROWS[1])
    assert (lead.mean, lead.error) == (0.5, pytest.approx(math.sqrt(2 / 3) / 2))
    limited = choose(ROWS, BUDGET, 10.0)
    assert (limited.winner, limited.runner_up, limited.highest) == (ROWS[1], ROWS[0], ROWS[2])
    assert choose(ROWS, BUDGET, 9.0).runner_up is None
    beside_baseline = choose([row(0.5, 1.0), row(1.0, 9.0, contender=False)], HIGHEST)
    assert beside_baseline.runner_up is None and beside_baseline.highest.strength == 0.5


def test_ties_go_to_the_smaller_lambda() -> None:
    rows = [row(1.0, 3.0, 3.0), row(0.25, 3.0, 3.0), row(0.5, 3.0, 3.0)]
    assert {chosen(rows, rule) for rule in OF_ONE_JUDGE} == {0.25}
    assert choose(rows, HIGHEST).index == 1


def test_one_sample_has_no_error_and_counts_as_exact() -> None:
    rows = [row(0.0, 2.999), row(0.5, 3.0), row(1.0, 1.0)]
    assert chosen(rows, ONE_ERROR) == chosen(rows, HIGHEST) == 0.5


def test_a_baseline_never_wins() -> None:
    rows = [row(0.5, 9.0, 9.0, contender=False), row(1.0, 1.0, 1.0)]
    for rule in OF_ONE_JUDGE:
        found = choose(rows, rule, 10.0)
        assert found.winner.strength == 1.0 and found.excluded == ("baseline", "")


def test_what_was_left_out_is_said() -> None:
    assert choose(ROWS, BUDGET, 10.0).excluded == ("", "", "KL unknown", "over the budget")
    assert choose(ROWS, HIGHEST, 10.0).excluded == ("",) * 4


@pytest.mark.parametrize(
    ("kl", "off", "reason"),
    [
        (90.0, 10.0, ""),
        (90.0, 10.5, "may be over the budget"),
        (105.0, 10.0, "may be over the budget"),
        (90.0, NAN, "may be over the budget"),
        (110.5, 10.0, "over the budget"),
        (101.0, None, "over the budget"),
        (NAN, 10.0, "KL unknown"),
        (0.0, None, ""),  # identical models: known, and 0
    ],
)
def test_a_budget_admits_only_what_is_surely_within(kl: float, off: float | None, reason: str) -> None:
    rows = [row(0.25, 1.0, kl=1.0), row(0.5, 2.0, kl=kl, off=off)]
    found = choose(rows, BUDGET, 100.0)
    assert found.excluded == ("", reason) and found.winner.strength == (0.25 if reason else 0.5)
    assert choose(rows, HIGHEST, 100.0).winner.strength == 0.5


@pytest.mark.parametrize(
    ("rows", "rule", "budget", "says"),
    [
        (ROWS, "best", 1.0, "rule: expected one of 'highest mean', .*, got 'best'"),
        ([], HIGHEST, 1.0, "sweep: it holds no realigned"),
        ([row(1.0, 1.0, contender=False)], HIGHEST, 1.0, "sweep: it holds no realigned"),
        ([row(1.0, 1.0, NAN)], HIGHEST, 1.0, "scores: expected finite numbers, .* at lambda 1"),
        ([row(1.0, math.inf)], HIGHEST, 1.0, "scores: expected finite numbers"),
        ([row(1.0)], HIGHEST, 1.0, "scores: expected finite numbers"),
        (ROWS[1:], BUDGET, 9.0, "no lambda of this sweep stays within 9 nats; the nearest is lambda 0.5 with 10 nats"),
        (ROWS[1:], BUDGET, 9.0, "The KL is unknown at lambda 1. Raise"),
        (
            [row(0.5, 1.0, kl=9.0, off=2.0), row(1.0, 1.0, kl=10.0, off=0.5)],
            BUDGET,
            9.5,
            "the nearest is lambda 1 with 10 ± 0.5 nats. Raise",
        ),
        (ROWS[2:3], BUDGET, 9.0, "the KL of every lambda in this sweep is unknown"),
        (ROWS, BUDGET, NAN, "kl_budget: expected nats of at least 0, got nan"),
        (ROWS, BUDGET, -1.0, "kl_budget: expected nats of at least 0, got -1"),
    ],
)
def test_what_cannot_be_chosen_from(rows: list[Row], rule: str, budget: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        choose(rows, rule, budget)


scores = st.lists(st.integers(-5, 5).map(float), min_size=3, max_size=3)
kls = st.one_of(st.just(NAN), st.integers(0, 9).map(float))
tables = st.lists(
    st.builds(
        lambda s, v, k, c: Row(s / 4, tuple(v), (k,) * 3, contender=c), st.integers(0, 8), scores, kls, st.booleans()
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda r: (r.strength, r.contender),
).filter(lambda rows: any(r.contender for r in rows))


@given(tables, st.permutations(range(8)))
def test_rules_by_brute_force(rows: list[Row], order: list[int]) -> None:
    means = {r.strength: statistics.fmean(r.scores) for r in rows if r.contender}
    best = min(s for s in means if means[s] == max(means.values()))
    scored = {r.strength: r.scores for r in rows if r.contender}
    assert chosen(rows, HIGHEST) == best
    apart = {s: [one - other for one, other in zip(scored[best], scored[s], strict=True)] for s in scored}
    within = [s for s in apart if sum(apart[s]) / 3 <= statistics.stdev(apart[s]) / math.sqrt(3) + 1e-12]
    assert chosen(rows, ONE_ERROR) == min(within) <= best
    shuffled = [rows[place] for place in order if place < len(rows)]
    assert {chosen(shuffled, rule) == chosen(rows, rule) for rule in (HIGHEST, ONE_ERROR)} == {True}


@given(tables, st.integers(0, 9))
def test_a_budget_is_kept_and_a_larger_one_is_never_worse(rows: list[Row], budget: int) -> None:
    rows = [*(r for r in rows if r.strength > 0), row(0.0, -9.0, -9.0, -9.0)]
    tight, loose = choose(rows, BUDGET, budget).winner, choose(rows, BUDGET, budget + 1).winner
    assert tight.mean_kl <= budget and loose.mean >= tight.mean
    within = [r.mean for r in rows if r.contender and r.mean_kl <= budget]
    assert tight.mean == max(within)
