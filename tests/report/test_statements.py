"""What is said of a choice: how sure it is, in every case there is."""

from __future__ import annotations

import pytest
from deradiff.nodes.report.statements import Report, notes, verdict
from deradiff.nodes.scoring.choice import Row, choose
from scipy import stats
from support.choices import BUDGET, HIGHEST, NAN, ONE_ERROR, row

LOW, HIGH = (20.0, 23.0, 17.0, 21.0), (20.4, 23.5, 17.2, 21.4)  # apart by 0.4, 0.5, 0.2 and 0.4
NOISY = (19.9, 24.9, 18.5, 18.2)  # ahead of LOW by -0.1, 1.9, 1.5 and -2.8


def said(rows: list[Row], rule: str = HIGHEST, budget: float = 100.0) -> str:
    """The verdict without its first part, which names the winner and the rule."""
    return verdict(Report(choose(rows, rule, budget), "score")).partition("; ")[2]


def test_the_verdict_names_the_winner_the_rule_and_the_confidence() -> None:
    told = verdict(Report(choose([row(0.25, *LOW), row(0.5, *HIGH)], HIGHEST), "score", 2000.0))
    assert told == "Chosen: λ = 0.5 (β = 4000), highest mean; λ = 0.5 beats λ = 0.25 with 99.5 %"
    assert 1 - stats.ttest_rel(HIGH, LOW, alternative="greater").pvalue == pytest.approx(0.9953, abs=1e-4)


CASES = {
    "not told apart": (
        [row(0.25, *LOW), row(0.5, *NOISY)],
        HIGHEST,
        "cannot be told apart from λ = 0.25, the runner-up (54 %)",
    ),
    "the runner-up is the best of the others": (
        [row(0.0, 1.0, 1.0, 1.0, 1.0), row(0.5, *HIGH), row(0.25, *LOW), row(1.0, 2.0, 2.0, 2.0, 2.0)],
        HIGHEST,
        "λ = 0.5 beats λ = 0.25 with 99.5 %",
    ),
    "a baseline is no runner-up": (
        [row(0.25, *LOW), row(0.5, *HIGH), row(0.75, *HIGH, contender=False)],
        HIGHEST,
        "λ = 0.5 beats λ = 0.25 with 99.5 %",
    ),
    "one sample": (
        [row(0.25, 1.0), row(0.5, 2.0)],
        HIGHEST,
        "whether λ = 0.5 beats λ = 0.25 is unknown from one sample",
    ),
    "a single lambda": ([row(0.25, *LOW)], HIGHEST, "no other lambda to compare with"),
    "the same everywhere": (
        [row(0.25, 1.0, 2.0), row(0.5, 1.0, 2.0)],
        HIGHEST,
        "no difference from λ = 0.5, the runner-up, in any sample",
    ),
    "ahead by the same": (
        [row(0.25, 1.0, 2.0), row(0.5, 2.0, 3.0)],
        HIGHEST,
        "λ = 0.5 beats λ = 0.25 by the same in every sample",
    ),
    "one error: smaller than the best": (
        [row(0.25, *LOW), row(0.5, *NOISY)],
        ONE_ERROR,
        "cannot be told apart from λ = 0.5, the highest mean (54 %)",
    ),
    "one error: the best itself": ([row(0.25, *LOW), row(0.5, *HIGH)], ONE_ERROR, "λ = 0.5 beats λ = 0.25 with 99.5 %"),
    "one error: one sample": (
        [row(0.25, 1.0), row(0.5, 2.0)],
        ONE_ERROR,
        "whether λ = 0.5 beats λ = 0.25 is unknown from one sample",
    ),
    "budget: the best is over it": (
        [row(0.25, *LOW, kl=5.0), row(0.5, *HIGH, kl=500.0), row(0.0, 1.0, 2.0, 3.0, 1.0)],
        BUDGET,
        "λ = 0.25 beats λ = 0 with over 99.9 %; λ = 0.5, the highest mean, beats it with 99.5 %",
    ),
    "budget: the best may be no better": (
        [row(0.25, *LOW, kl=5.0), row(0.5, *NOISY, kl=500.0)],
        BUDGET,
        "no other lambda to compare with within the budget; cannot be told apart from λ = 0.5, the highest mean (54 %)",
    ),
    "budget: one sample": (
        [row(0.25, 1.0, kl=5.0), row(0.5, 2.0, kl=500.0)],
        BUDGET,
        "no other lambda to compare with within the budget; λ = 0.5 has the highest mean, by one sample",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_how_sure_it_is(case: str) -> None:
    rows, rule, expected = CASES[case]
    assert said(rows, rule) == expected


def test_a_lambda_whose_kl_is_unknown_is_named_where_the_rule_left_it_out() -> None:
    rows = [row(0.25, *LOW), row(0.5, *HIGH, kl=NAN), row(1.0, *LOW, kl=NAN), row(2.0, *LOW, kl=NAN, contender=False)]
    assert said(rows, BUDGET).endswith("; KL unknown at λ = 0.5, 1: not considered")
    told = " ".join(notes(Report(choose(rows, BUDGET, 100.0), "score")))
    assert (
        "KL unknown at λ = 0.5, 1: it was not measured (measure_kl in Lambda Sweep) or could not be. Such a lambda is not"
        in told
    )
    assert "KL unknown" not in said(rows, HIGHEST)
    told = " ".join(notes(Report(choose(rows, HIGHEST), "score")))
    assert "KL unknown at λ = 0.5, 1" in told and "not considered" not in told
    many = [row(0.25, *LOW), *(row(strength, *LOW, kl=NAN) for strength in range(1, 9))]
    assert said(many, BUDGET).endswith("; KL unknown at λ = 1, 2, 3, 4, 5 and 3 more: not considered")
    assert "λ = 1, 2, 3, 4, 5, 6, 7, 8:" in " ".join(notes(Report(choose(many, BUDGET, 100.0), "score")))


def test_a_kl_that_may_be_off_is_explained_where_there_is_one() -> None:
    exact, off = ([row(0.25, *LOW, kl=5.0, off=error), row(0.5, *HIGH, kl=5.0)] for error in (0.0, 2.0))
    assert "may be off" not in " ".join(notes(Report(choose(exact, BUDGET, 100.0), "score")))
    told = " ".join(notes(Report(choose(off, BUDGET, 100.0), "score")))
    assert "KL ± how far it may be off. A lambda is within the budget if its KL and that together are." in told
    assert "within the budget" not in " ".join(notes(Report(choose(off, HIGHEST), "score")))


def test_what_a_percentage_means_is_explained() -> None:
    told = " ".join(notes(Report(choose([row(0.25, *LOW), row(0.5, *HIGH)], HIGHEST), "score")))
    assert "a one-sided paired t test over 4 samples" in told
    assert "not corrected for choosing the best of several" in told
