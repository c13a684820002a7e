"""A second judge that does not choose: where it turns, what is said of it, and the rule that stops there."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from deradiff.nodes.report.statements import Report, turned, verdict
from deradiff.nodes.scoring.choice import Choice, Row, choose
from deradiff.nodes.scoring.held_out import Turning, turning
from deradiff.nodes.wires import Scores
from support.choices import BEFORE_TURNING, HIGHEST, SCORES, pick, read_csv, read_markdown

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)


def _rows(second: list[float], first: list[float] | None = None, samples: int = 8, noise: float = 0.1) -> list[Row]:
    """first, second: the judges' true means at LAMBDAS; the samples share most of their noise, as from one seed."""
    rng = random.Random(1)
    shared = [rng.gauss(0, 1) for _ in range(samples)]
    drawn = [
        [[mean + of + rng.gauss(0, noise) for of in shared] for mean in means]
        for means in (first or [3 * strength for strength in LAMBDAS], second)
    ]
    return [
        Row(strength, tuple(ours), (1.0,) * samples, held_out=tuple(theirs))
        for strength, ours, theirs in zip(LAMBDAS, *drawn, strict=True)
    ]


PEAKED = [0.0, 1.0, 2.0, 1.7, 1.0, 0.0]


def test_a_peak_that_is_surely_left_is_where_it_turns() -> None:
    assert turning(_rows(PEAKED)) == Turning(0.5, 0.75, rises=True)


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = _rows(PEAKED)
    assert turning(rows[::-1]) == turning(rows)


def test_a_judge_that_rises_has_not_turned() -> None:
    found = turning(_rows([*range(6)]))
    assert (found.at, found.below, found.turned) == (1.25, None, False)


def test_a_fall_within_the_noise_is_no_turn() -> None:
    """Unpaired noise of ten times the fall: the peak is where chance puts it."""
    assert not turning(_rows([0.0, 0.1, 0.2, 0.2, 0.15, 0.1], samples=4, noise=3.0)).turned


def test_one_sample_cannot_tell() -> None:
    assert not turning(_rows(PEAKED, samples=1, noise=0.0)).turned


def test_samples_are_compared_in_pairs() -> None:
    """The noise that all lambdas share is five times the fall and hides nothing."""
    rng = random.Random(0)
    shared = [rng.gauss(0, 5) for _ in range(6)]
    rows = [
        Row(strength, (strength,) * 6, (1.0,) * 6, held_out=tuple(mean + of + rng.gauss(0, 0.05) for of in shared))
        for strength, mean in zip(LAMBDAS, PEAKED, strict=True)
    ]
    assert statistics.stdev(rows[0].held_out) > 3 and turning(rows) == Turning(0.5, 0.75, rises=True)


def test_the_rule_takes_the_highest_mean_up_to_there() -> None:
    rows = _rows(PEAKED)
    assert choose(rows, HIGHEST).winner.strength == 1.25
    found = choose(rows, BEFORE_TURNING)
    assert found.winner.strength == 0.5
    assert found.excluded == ("", "", "", *["the held-out judge has turned"] * 3)


def test_the_rule_takes_the_highest_mean_where_it_does_not_turn() -> None:
    assert choose(_rows([*range(6)]), BEFORE_TURNING).winner.strength == 1.25


def test_a_baseline_is_not_what_the_judge_turns_at() -> None:
    rows = _rows(PEAKED)
    baseline = Row(0.25, (9.0,) * 8, (1.0,) * 8, contender=False, held_out=(99.0,) * 8)
    assert choose([*rows, baseline], HIGHEST).turning == choose(rows, HIGHEST).turning


def _said(choice: Choice) -> str:
    return turned(Report(choice, "PickScore", held_out="VQAScore"))


def test_gaming_is_said_in_one_sentence() -> None:
    choice = choose(_rows(PEAKED), HIGHEST)
    said = _said(choice)
    assert said == (
        "PickScore still rises above λ = 0.5, VQAScore falls (surely from λ = 0.75): the model is gaming PickScore there"
    )
    assert said in verdict(Report(choice, "PickScore", held_out="VQAScore"))


def test_a_fall_of_both_is_no_gaming() -> None:
    said = _said(choose(_rows(PEAKED, PEAKED), HIGHEST))
    assert said == "above λ = 0.5 VQAScore falls (surely from λ = 0.75), and PickScore does not rise"


def test_no_turn_is_said_up_to_where() -> None:
    assert _said(choose(_rows([*range(6)]), HIGHEST)) == "VQAScore does not surely fall up to λ = 1.25"


def test_without_a_second_judge_nothing_is_said() -> None:
    rows = [Row(row.strength, row.scores, row.kl) for row in _rows(PEAKED)]
    assert _said(choose(rows, HIGHEST)) == ""


HELD_OUT = Scores("VQAScore", (0.3, 0.5, 0.1, 0.1, 0.2, 0.3, 0.9, 0.9))


def test_the_node_shows_both() -> None:
    _, _, plot, table, csv = pick(held_out=HELD_OUT)
    assert [float(line["VQAScore, held out (mean)"]) for line in read_markdown(table)] == pytest.approx(
        [0.4, 0.1, 0.25, 0.9]
    )
    assert [float(line["held_out_mean"]) for line in read_csv(csv)] == pytest.approx([0.4, 0.1, 0.25, 0.9])
    assert "VQAScore" in table.splitlines()[0]
    assert plot.shape == pick()[2].shape and bool((plot != pick()[2]).any())


def test_the_rule_without_a_second_judge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^held_out: .* Connect the scores of another scorer"):
        pick(BEFORE_TURNING)


def test_scores_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^held_out: expected one score for each of the 8 images, got 7"):
        pick(held_out=Scores("VQAScore", HELD_OUT.values[1:]))


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^held_out: expected finite numbers"):
        pick(held_out=Scores("VQAScore", (math.nan, *HELD_OUT.values[1:])))


def test_nothing_else_changes(name: str = "VQAScore") -> None:
    plain, judged = pick(), pick(held_out=Scores(name, SCORES.values))
    assert plain[0] == judged[0] and bool((plain[1] == judged[1]).all())
