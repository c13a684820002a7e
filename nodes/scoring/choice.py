"""Choosing a lambda by scores: the mean of each lambda, the rules that name a winner, and how it compares with the others.

The one-standard-error rule is that of Breiman et al., Classification and Regression Trees (1984), section 3.4.3: of all
choices within one standard error of the best, take the simplest; here the lambda closest to 0, the reference.
The error is that of the paired difference from the best: the samples of all lambdas share their noise.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..wires import mean_kl, mean_kl_error
from .held_out import Turning, turning
from .paired import Difference, difference

UNKNOWN = "KL unknown"  # why a row is excluded


@dataclass(frozen=True)
class Row:
    """One lambda of a sweep, scored.

    scores: one for each sample. kl: nats from the reference for each sample, NaN where it is unknown.
    contender: False for a baseline, which is shown beside the others and cannot win.
    kl_error: how far each sample's KL may be off, either way, in nats; () where it was measured directly.
    held_out: the scores of a second judge, () if there is none. diversity: of the samples, see diversity.py; NaN where it is unknown.
    """

    strength: float
    scores: tuple[float, ...]
    kl: tuple[float, ...]
    seconds: float = 0.0
    contender: bool = True
    kl_error: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()
    diversity: float = math.nan

    @property
    def mean(self) -> float:
        return statistics.fmean(self.scores)

    @property
    def error(self) -> float:
        """Standard error of the mean over the samples; NaN for a single sample."""
        return statistics.stdev(self.scores) / math.sqrt(len(self.scores)) if len(self.scores) > 1 else math.nan

    @property
    def mean_kl(self) -> float:
        """Mean KL in nats: NaN if it is unknown for any sample, and 0 for the reference itself, realignment at lambda 0."""
        return 0.0 if self._is_reference else mean_kl(self.kl)

    @property
    def mean_kl_error(self) -> float:
        """How far mean_kl may be off, either way, in nats."""
        return 0.0 if self._is_reference else mean_kl_error(self.kl_error)

    @property
    def most_kl(self) -> float:
        """The largest mean KL that it may be, in nats: NaN if the KL is unknown, infinite if only its error is."""
        return self.mean_kl + (math.inf if math.isnan(self.mean_kl_error) else self.mean_kl_error)

    @property
    def _is_reference(self) -> bool:
        return self.contender and self.strength == 0


@dataclass(frozen=True)
class Rule:
    """pick: the winner among the eligible rows. limited: only rows whose KL is known, and within the budget even where it may be off, are eligible.

    held_out: only rows below the lambda from which the second judge surely falls.
    """

    pick: Callable[[Sequence[Row]], Row]
    limited: bool = False
    held_out: bool = False


@dataclass(frozen=True)
class Choice:
    """rows as they were given, the winner's place among them, the rule's name, and for each row why it could not win ("" if it could).

    budget: nats, None where the rule has none. turning: where the held-out judge turns, None if there is no such judge.
    """

    rows: tuple[Row, ...]
    index: int
    rule: str
    excluded: tuple[str, ...]
    budget: float | None = None
    turning: Turning | None = None

    @property
    def winner(self) -> Row:
        return self.rows[self.index]

    @property
    def highest(self) -> Row:
        """The contender of the highest mean, whether or not the rule admits it."""
        return highest_mean([row for row in self.rows if row.contender])

    @property
    def runner_up(self) -> Row | None:
        """Of the rows that could win, the highest mean beside the winner's; None if there is no other."""
        others = [row for row, reason in zip(self.rows, self.excluded, strict=True) if not reason]
        others = [row for row in others if row is not self.winner]
        return highest_mean(others) if others else None

    def lead(self, row: Row) -> Difference:
        """How far the winner is ahead of a row, sample by sample."""
        return difference(self.winner.scores, row.scores)


def highest_mean(rows: Sequence[Row]) -> Row:
    """The row of the highest mean; of several that are equal, the closest to the reference."""
    return max(rows, key=lambda row: (row.mean, -abs(row.strength), -row.strength))


def smallest_within_one_error(rows: Sequence[Row]) -> Row:
    """The lambda closest to 0 that falls short of the highest mean by at most one standard error of their paired difference.

    One sample has no standard error; it counts as 0, which makes this the highest mean.
    """
    best = highest_mean(rows)
    good = (row for row in rows if row is best or _within_one_error(best, row))
    return min(good, key=lambda row: (abs(row.strength), row.strength))


def _within_one_error(best: Row, row: Row) -> bool:
    shortfall = difference(best.scores, row.scores)
    error = 0.0 if math.isnan(shortfall.error) else shortfall.error
    return shortfall.mean <= error or math.isclose(shortfall.mean, error)


RULES = {
    "highest mean": Rule(highest_mean),
    "highest mean within KL budget": Rule(highest_mean, limited=True),
    "smallest lambda within one standard error": Rule(smallest_within_one_error),
    "highest mean before the held-out judge turns": Rule(highest_mean, held_out=True),
}


def choose(rows: Sequence[Row], rule: str, budget: float = math.inf) -> Choice:
    """The choice among the contenders by a rule of RULES. budget: nats, for the rules that have one.

    Raises ValueError for an unknown rule, no contender, a score that is not finite, a budget that is NaN or below
    0 (whatever the rule), and a budget that no lambda keeps.
    """
    if rule not in [*RULES]:  # which may be anything, also what a dict cannot look up
        raise ValueError(f"rule: expected one of {', '.join(map(repr, RULES))}, got {rule!r}.")
    _check(rows)
    limited = RULES[rule].limited
    if not budget >= 0:
        raise ValueError(f"kl_budget: expected nats of at least 0, got {budget}.")
    turned = _turning(rows, RULES[rule])
    limits = (budget if limited else None, turned.below if turned and RULES[rule].held_out else None)
    excluded = tuple(_exclusion(row, *limits) for row in rows)
    eligible = [row for row, reason in zip(rows, excluded, strict=True) if not reason]
    if not eligible:
        raise ValueError(_nothing_within(rows, budget))
    winner = RULES[rule].pick(eligible)
    index = next(place for place, row in enumerate(rows) if row is winner)
    return Choice(tuple(rows), index, rule, excluded, budget if limited else None, turned)


def _turning(rows: Sequence[Row], rule: Rule) -> Turning | None:
    judged = [row for row in rows if row.contender and row.held_out]
    if rule.held_out and not judged:
        raise ValueError(
            "held_out: this rule stops where a second judge turns, and there is none. Connect the scores of another scorer for the "
            "same images to held_out, or choose another rule."
        )
    return turning(judged) if judged else None


def _check(rows: Sequence[Row]) -> None:
    if not any(row.contender for row in rows):
        raise ValueError(
            "sweep: it holds no realigned images to choose from. Connect a sweep with at least one lambda."
        )
    for row in rows:
        for name, scores in (("scores", row.scores or (math.nan,)), ("held_out", row.held_out)):
            if not all(map(math.isfinite, scores)):
                raise ValueError(
                    f"{name}: expected finite numbers, got {list(scores)} at lambda {row.strength:g}. "
                    "Score the images of this sweep with Score Images."
                )


def _exclusion(row: Row, budget: float | None, falls: float | None) -> str:
    """Why a row cannot win, "" if it can. budget: the largest KL; falls: the lambda from which a held-out judge surely falls; None for rules without one."""
    if not row.contender:
        return "baseline"
    if falls is not None and row.strength >= falls:
        return "the held-out judge has turned"
    if budget is None or row.most_kl <= budget:
        return ""
    if math.isnan(row.mean_kl):
        return UNKNOWN
    return "over the budget" if row.mean_kl - row.mean_kl_error > budget else "may be over the budget"


def _nothing_within(rows: Sequence[Row], budget: float) -> str:
    known = [row for row in rows if row.contender and not math.isnan(row.mean_kl)]
    if not known:
        return "kl_budget: the KL of every lambda in this sweep is unknown. Turn on measure_kl in Lambda Sweep, or add lambda 0."
    least = min(known, key=lambda row: row.most_kl)
    error = f" \u00b1 {least.mean_kl_error:.2g}" if least.mean_kl_error else ""
    unknown = [f"{row.strength:g}" for row in rows if row.contender and math.isnan(row.mean_kl)]
    left_out = f" The KL is unknown at lambda {', '.join(unknown)}." if unknown else ""
    return (
        f"kl_budget: no lambda of this sweep stays within {budget:g} nats; the nearest is lambda {least.strength:g} "
        f"with {least.mean_kl:.4g}{error} nats.{left_out} Raise the budget, or sweep lambdas closer to 0."
    )
