"""A choice of lambda as a table, in Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

from ..method.strength import beta_from_lambda
from ..scoring.choice import Choice, Row

KL_NOTE = "KL: nats from the reference for the conditional branch, without the last step to sigma 0, where the estimate diverges."


@dataclass(frozen=True)
class Report:
    """A choice and what its table and plot also need. trained_beta: 0 if it is unknown."""

    choice: Choice
    score: str
    trained_beta: float = 0.0

    def beta(self, row: Row) -> float | None:
        """The KL strength a row's lambda stands for, None if unknown."""
        return beta_from_lambda(row.strength, self.trained_beta) if self.trained_beta else None


def verdict(report: Report) -> str:
    """One line: the winner, its rule, its numbers."""
    choice, row = report.choice, report.choice.winner
    beta = report.beta(row)
    budget = "" if choice.budget is None else f" of {choice.budget:g} nats"
    stands_for = "" if beta is None else f" (β = {number(beta)})"
    return f"Chosen: λ = {row.strength:g}{stands_for}, {choice.rule}{budget}"


def markdown(report: Report) -> str:
    """A table of every row, the winner in bold, under the verdict and over its notes."""
    betas = report.trained_beta > 0
    head = [
        "λ",
        *(["β"] if betas else []),
        "model",
        f"{_cell(report.score)} (mean)",
        "standard error",
        "KL (nats)",
        "seconds",
        "",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    lines += [_line(_cells(report, index)) for index in range(len(report.choice.rows))]
    return "\n".join([f"**{_cell(verdict(report))}**", "", *lines, "", *(f"{note}  " for note in notes(report))]) + "\n"


def notes(report: Report) -> list[str]:
    """Notes that explain the numbers."""
    rows, choice = report.choice.rows, report.choice
    found = [f"Mean and standard error over {len(rows[0].scores)} samples for each lambda."]
    if len(rows[0].scores) == 1:
        found = [
            "One sample for each lambda: no standard error; it counts as 0. Sample several seeds to trust the choice."
        ]
    found.append(KL_NOTE)
    if any(row.contender and math.isnan(row.mean_kl) for row in rows):
        loses = " Such a lambda cannot win under a KL budget." if choice.budget is not None else ""
        found.append(f"KL is unknown where only one model was evaluated, as at lambda 1.{loses}")
    return found


def csv_text(report: Report) -> str:
    """lambda, beta, model, mean, standard_error, kl_nats, seconds, chosen, note, then a column for each sample. Unknown is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    samples = len(report.choice.rows[0].scores)
    head = ["lambda", "beta", "model", "mean", "standard_error", "kl_nats", "seconds", "chosen", "note"]
    writer.writerow([*head, *(f"sample_{number + 1}" for number in range(samples))])
    for index, row in enumerate(report.choice.rows):
        beta = report.beta(row)
        numbers = [
            "" if math.isnan(value) else repr(value) for value in (row.mean, row.error, row.mean_kl, row.seconds)
        ]
        chosen = "yes" if index == report.choice.index else "no"
        known = [repr(row.strength), "" if beta is None else repr(beta), _model(row)]
        writer.writerow([*known, *numbers, chosen, report.choice.excluded[index], *map(repr, row.scores)])
    return text.getvalue()


def _cells(report: Report, index: int) -> list[str]:
    row, beta = report.choice.rows[index], report.beta(report.choice.rows[index])
    chosen = index == report.choice.index
    cells = [f"{row.strength:g}", *([] if beta is None else [number(beta)]), _model(row)]
    error = "-" if math.isnan(row.error) else f"{row.error:.2g}"
    cells += [number(row.mean), error, number(row.mean_kl), f"{row.seconds:.1f}"]
    return [
        *(f"**{cell}**" if chosen else cell for cell in cells),
        "chosen" if chosen else report.choice.excluded[index],
    ]


def _model(row: Row) -> str:
    return "realigned" if row.contender else "weights interpolated"


def number(value: float) -> str:
    """At most five digits, without an exponent for usual betas and KLs."""
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞"
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.5g}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
