"""What is said of a choice of lambda: the verdict, how sure it is, and the notes that explain the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..method.strength import beta_from_lambda
from ..scoring.choice import UNKNOWN, Choice, Row, highest_mean
from ..scoring.held_out import Turning
from ..scoring.paired import SURE, Difference, difference
from .digits import number, percent

KL_NOTE = "KL: nats from the reference for the conditional branch, without the last step to sigma 0, where the estimate diverges."
_WITHIN = " A lambda is within the budget if its KL and that together are."


@dataclass(frozen=True)
class Report:
    """A choice and what its table and plot also need. trained_beta: 0 if it is unknown. held_out: the second judge's name."""

    choice: Choice
    score: str
    trained_beta: float = 0.0
    held_out: str = ""

    def beta(self, row: Row) -> float | None:
        """The KL strength a row's lambda stands for, None if it is unknown or lambda is below 0, where none does."""
        return beta_from_lambda(row.strength, self.trained_beta) if self.trained_beta else None


def verdict(report: Report) -> str:
    """One line: the winner, its rule, how sure it is, and what the rule could not consider."""
    parts = (chosen(report), confidence(report.choice), not_considered(report.choice), turned(report))
    return "; ".join(part for part in parts if part)


def chosen(report: Report) -> str:
    """The winner, what it stands for, and its rule."""
    choice, row = report.choice, report.choice.winner
    beta = report.beta(row)
    budget = "" if choice.budget is None else f" of {choice.budget:g} nats"
    stands_for = "" if beta is None else f" (\u03b2 = {number(beta)})"
    return f"Chosen: {_name(row)}{stands_for}, {choice.rule}{budget}"


def confidence(choice: Choice) -> str:
    """How sure it is that the winner beats the runner-up, and how it compares with the highest mean if that is another's."""
    winner, other, best, said = choice.winner, choice.runner_up, choice.highest, []
    if other is None:
        said.append("no other lambda to compare with" + ("" if choice.budget is None else " within the budget"))
    elif highest_mean((winner, other)) is winner:
        beats = f"{_name(winner)} beats {_name(other)}"
        unknown = f"whether {beats} is unknown from one sample"
        said.append(_compared(choice.lead(other), beats, f"{_name(other)}, the runner-up", unknown))
    if best is not winner:
        named = f"{_name(best)}, the highest mean"
        unknown = f"{_name(best)} has the highest mean, by one sample"
        said.append(_compared(difference(best.scores, winner.scores), f"{named}, beats it", named, unknown))
    return "; ".join(said)


def not_considered(choice: Choice) -> str:
    """The lambdas that the rule left out because their KL is unknown, "" if there are none."""
    unknown = [row for row, reason in zip(choice.rows, choice.excluded, strict=True) if reason == UNKNOWN]
    return f"KL unknown at {_names(unknown, 5)}: not considered" if unknown else ""


def turned(report: Report) -> str:
    """Whether the held-out judge agrees, "" if there is none."""
    found = report.choice.turning
    if found is None:
        return ""
    last = max(row.strength for row in report.choice.rows if row.contender)
    if not found.turned:
        return f"{report.held_out} does not surely fall up to \u03bb = {last:g}"
    return falls(report.score, report.held_out, found)


def falls(score: str, held_out: str, found: Turning) -> str:
    """What it means that a held-out judge has turned."""
    judged = f"{held_out} falls (surely from \u03bb = {found.below:g})"
    if found.rises:
        return f"{score} still rises above \u03bb = {found.at:g}, {judged}: the model is gaming {score} there"
    return f"above \u03bb = {found.at:g} {judged}, and {score} does not rise"


def _compared(lead: Difference, beats: str, other: str, unknown: str) -> str:
    """What a lead of at least 0 means. beats: said where it is sure; other: whom the winner is compared with."""
    if math.isnan(lead.error):
        return unknown
    if lead.error == 0:
        return f"{beats} by the same in every sample" if lead.mean else f"no difference from {other}, in any sample"
    told = percent(lead.chance)
    return f"{beats} with {told}" if lead.chance >= SURE else f"cannot be told apart from {other} ({told})"


def diverse(report: Report) -> bool:
    """Whether it is known how different the samples of a lambda look."""
    return any(not math.isnan(row.diversity) for row in report.choice.rows)


def notes(report: Report) -> list[str]:
    """Notes that explain the numbers."""
    rows, choice = report.choice.rows, report.choice
    found = [*_notes_on_scores(len(rows[0].scores)), KL_NOTE]
    if any(row.mean_kl_error > 0 for row in rows):
        found.append(f"KL \u00b1 how far it may be off.{'' if choice.budget is None else _WITHIN}")
    if diverse(report):
        found.append(
            "Diversity: mean distance (1 - cosine) between the scorer's image features of a lambda's samples, 0 if all look alike."
        )
    unknown = [row for row in rows if row.contender and math.isnan(row.mean_kl)]
    if unknown:
        loses = (
            "" if choice.budget is None else " Such a lambda is not considered under a KL budget, whatever its score."
        )
        found.append(
            f"KL unknown at {_names(unknown)}: it was not measured (measure_kl in Lambda Sweep) or could not be.{loses}"
        )
    return found


def _notes_on_scores(samples: int) -> list[str]:
    if samples == 1:
        alone = "One sample for each lambda: no standard error, which counts as 0, and no confidence."
        return [f"{alone} Sample several seeds to trust the choice."]
    return [
        f"Mean and standard error over {samples} samples for each lambda.",
        "Difference: the score less the chosen lambda's, sample by sample from the same noise, \u00b1 the standard error of its mean.",
        "A percentage is the confidence that the higher of two means (in the table: the chosen lambda's) is truly the higher one: "
        f"a one-sided paired t test over {samples} samples, which takes differences to be roughly normal. Under {100 * SURE:.0f} % the two "
        "count as not told apart. It is not corrected for choosing the best of several lambdas.",
    ]


def _name(row: Row) -> str:
    return f"\u03bb = {row.strength:g}"


def _names(rows: Sequence[Row], most: int | None = None) -> str:
    """ "lambda = 0.5, 1": all, or as many as `most` and how many more there are."""
    more = "" if most is None or len(rows) <= most else f" and {len(rows) - most} more"
    return f"\u03bb = {', '.join(f'{row.strength:g}' for row in rows[:most])}{more}"
