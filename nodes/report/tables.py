"""A choice of lambda as a table, in Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
import statistics

from ..scoring.choice import Row
from .digits import number, percent, with_error
from .statements import Report, diverse, notes, verdict


def markdown(report: Report) -> str:
    """A table of every row, the winner in bold, under the verdict and over its notes."""
    betas = report.trained_beta > 0
    head = [
        "\u03bb",
        *(["\u03b2"] if betas else []),
        "model",
        f"{cell(report.score)} (mean)",
        "standard error",
        "difference from the chosen",
        "the chosen beats it",
        *([f"{cell(report.held_out)}, held out (mean)"] if report.held_out else []),
        "KL (nats)",
        *(["diversity"] if diverse(report) else []),
        "seconds",
        "",
    ]
    lines = [line(head), line(["---"] * len(head))]
    lines += [line(_cells(report, index)) for index in range(len(report.choice.rows))]
    return "\n".join([f"**{cell(verdict(report))}**", "", *lines, "", *(f"{note}  " for note in notes(report))]) + "\n"


_COMPARED = ["difference", "difference_error", "chance_chosen_is_better"]


def csv_text(report: Report) -> str:
    """A line for each row, a column for each of its numbers, then for each sample. Unknown is empty.

    difference: the mean of the row's scores less the chosen lambda's; difference_error: the standard error of that mean;
    chance_chosen_is_better: 0 to 1, see Difference.chance. held_out_mean: of the second judge, if there is one. The chosen row has none of these. kl_error_nats: how far the KL may
    be off, either way; 0 where it was measured directly.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    samples = len(report.choice.rows[0].scores)
    head = ["lambda", "beta", "model", "mean", "standard_error", *_COMPARED]
    head += ["held_out_mean"] if report.held_out else []
    head += ["kl_nats", "kl_error_nats", "diversity", "seconds", "chosen", "note"]
    writer.writerow([*head, *(f"sample_{number + 1}" for number in range(samples))])
    for index, row in enumerate(report.choice.rows):
        beta = report.beta(row)
        chosen = "yes" if index == report.choice.index else "no"
        known = [repr(row.strength), "" if beta is None else repr(beta), _model(row)]
        kl = (row.mean_kl, math.nan if math.isnan(row.mean_kl) else row.mean_kl_error)
        second = (statistics.fmean(row.held_out),) if report.held_out else ()
        numbers = [
            _raw(value)
            for value in (row.mean, row.error, *_apart(report, index), *second, *kl, row.diversity, row.seconds)
        ]
        writer.writerow([*known, *numbers, chosen, report.choice.excluded[index], *map(repr, row.scores)])
    return text.getvalue()


def _raw(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _apart(report: Report, index: int) -> tuple[float, float, float]:
    """A row's score less the chosen one's, the standard error of that, and the chance that the chosen is better; NaN for the chosen."""
    if index == report.choice.index:
        return math.nan, math.nan, math.nan
    lead = report.choice.lead(report.choice.rows[index])
    return 0.0 - lead.mean, lead.error, lead.chance


def _cells(report: Report, index: int) -> list[str]:
    row, beta = report.choice.rows[index], report.beta(report.choice.rows[index])
    chosen = index == report.choice.index
    betas = [] if report.trained_beta == 0 else ["-" if beta is None else number(beta)]
    cells = [f"{row.strength:g}", *betas, _model(row)]
    cells += [number(row.mean), "-" if math.isnan(row.error) else f"{row.error:.2g}"]
    cells += _apart_cells(*_apart(report, index))
    cells += [number(statistics.fmean(row.held_out))] if report.held_out else []
    cells += [with_error(row.mean_kl, row.mean_kl_error)]
    cells += [number(row.diversity)] if diverse(report) else []
    cells += [f"{row.seconds:.1f}"]
    return [
        *(f"**{cell}**" if chosen else cell for cell in cells),
        "chosen" if chosen else report.choice.excluded[index],
    ]


def _apart_cells(apart: float, error: float, chance: float) -> list[str]:
    if math.isnan(apart):
        return ["-", "-"]
    sign = "+" if apart > 0 else ""
    if math.isnan(error):
        return [f"{sign}{number(apart)}", "unknown"]
    return [sign + with_error(apart, error), "no difference" if apart == error == 0 else percent(chance)]


def _model(row: Row) -> str:
    return "realigned" if row.contender else "weights interpolated"


def cell(text: str) -> str:
    """A text as a cell of a table, on one line."""
    return " ".join(text.replace("|", "\\|").split())


def line(cells: list[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"
