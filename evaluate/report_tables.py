"""The tables of a report, as parts of its page and as CSV: every lambda by every judge, what an image costs, and the rows that failed."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator

from deradiff.nodes.report.digits import number, percent
from deradiff.nodes.scoring.choice import Choice
from deradiff.nodes.scoring.paired import SURE

from .report_page import Part, part, table
from .report_results import Arm, Results, arm_of, band

_METHODS = {False: "realigned", True: "weights interpolated"}
_MOST_FAILED, _LONGEST = 50, 400


def lambdas(results: Results, judge: str, choice: Choice | None) -> Part:
    """A line for every lambda. choice: the judge's, None for one that does not choose."""
    lowest = f"over \u03bb = {results.realigned[0].strength:g}"
    head = [
        "\u03bb",
        "model",
        "mean",
        lowest,
        f"{SURE:.0%} band",
        f"better than \u03bb = {results.realigned[0].strength:g}",
        "KL (nats)",
    ]
    return table(head, _lambda_lines(results, judge, choice), ["model"])


def _lambda_lines(results: Results, judge: str, choice: Choice | None) -> Iterator[tuple[str, list[str]]]:
    for place, (arm, row) in enumerate(zip(results.arms, results.rows(judge), strict=True)):
        gain = results.gain(judge, arm)
        low, high = band(gain)
        apart = (
            ["", "", ""]
            if arm == results.realigned[0]
            else [signed(gain.mean), between(low, high), percent(gain.chance)]
        )
        chosen = choice is not None and place == choice.index
        yield (
            "chosen" if chosen else "",
            [f"{arm.strength:g}", _METHODS[arm.interpolated], number(row.mean), *apart, number(row.mean_kl)],
        )


def between(low: float, high: float) -> str:
    return "unknown" if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{value:+.4g}" if value else "0"


def csv_text(results: Results, choices: dict[str, Choice]) -> str:
    """A line for every judge and lambda; unknown is empty. gain: the mean difference from the lowest lambda, low and high the ends of its band,
    chance_better that it is truly above 0."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = [
        "judge",
        "held_out",
        "model",
        "lambda",
        "samples",
        "mean",
        "standard_error",
        "gain",
        "gain_error",
        "low",
        "high",
        "chance_better",
    ]
    writer.writerow([*head, "kl_nats", "seconds", "chosen"])
    for judge in results.every_judge if results.samples and results.realigned else ():
        chosen = choices[judge].index if judge in choices else None
        for place, (arm, row) in enumerate(zip(results.arms, results.rows(judge), strict=True)):
            gain = results.gain(judge, arm)
            numbers = (row.mean, row.error, gain.mean, gain.error, *band(gain), gain.chance, row.mean_kl, row.seconds)
            named = [_cell(judge), _yes(judge in results.held_out), arm.method, repr(arm.strength), len(row.scores)]
            writer.writerow(
                [*named, *("" if math.isnan(value) else repr(value) for value in numbers), _yes(place == chosen)]
            )
    return text.getvalue()


def _cell(text: str) -> str:
    """A text that a spreadsheet takes for no formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def tags(results: Results, judge: str, arm: Arm) -> Part | None:
    """The gain by what the prompts are about, None where the file does not say it or there is one sample of each."""
    groups: dict[str, list[float]] = defaultdict(list)
    ends = zip(
        results.samples.values(), results.scores(judge, results.realigned[0]), results.scores(judge, arm), strict=True
    )
    for blocks, before, after in ends:
        groups[blocks[0][arm]["tags"] or ""].append(after - before)
    if not any(groups) or len(groups) < 2:
        return None
    found = sorted(((statistics.fmean(gains), name, len(gains)) for name, gains in groups.items()), reverse=True)
    lines = [("", [name or "(none)", str(samples), signed(gain)]) for gain, name, samples in found]
    return table(
        ["tag", "prompts", f"\u03bb = {arm.strength:g} over \u03bb = {results.realigned[0].strength:g}"], lines, ["tag"]
    )


def costs(results: Results) -> list[Part]:
    """Seconds of an image by lambda and by worker: medians, as a worker's first image also loads the models."""
    by_arm, by_worker = defaultdict(list), defaultdict(list)
    for record in results.worked:
        if record["seconds"] is not None:
            by_arm[arm_of(record)].append(record["seconds"])
            by_worker[record["worker"] or "unknown"].append(record["seconds"])
    lines = [
        ("", [f"{arm.strength:g}", _METHODS[arm.interpolated], *_spent(seconds)])
        for arm, seconds in sorted(by_arm.items())
    ]
    workers = [("", [name, *_spent(seconds)]) for name, seconds in sorted(by_worker.items())]
    head = ["rows", "median seconds", "hours in all"]
    return [table(["\u03bb", "model", *head], lines, ["model"]), table(["worker", *head], workers, ["worker"])]


def _spent(seconds: list[float]) -> list[str]:
    return [str(len(seconds)), number(statistics.median(seconds)), f"{sum(seconds) / 3600:.2g}"]


def failures(results: Results) -> list[Part]:
    """The rows that failed, the first of them with their errors."""
    lines = [
        (
            "",
            [
                record["key"],
                record["text"],
                str(record["seed"]),
                f"{record['lambda']:g}",
                str(record["attempts"] or ""),
                _cut(record["error"]),
            ],
        )
        for record in results.failed[:_MOST_FAILED]
    ]
    more = len(results.failed) - len(lines)
    parts = [table(["row", "prompt", "seed", "\u03bb", "tries", "error"], lines, ["row", "prompt", "error"])]
    return parts + ([part("p", f"and {more} more, see the table's column error.", kind="muted")] if more else [])


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\u2026"


def unused(results: Results) -> int:
    """Rows that worked and belong to a block that is not complete."""
    return len(results.worked) - sum(len(block) for blocks in results.samples.values() for block in blocks)
