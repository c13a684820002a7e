"""The sections of a report: what was found in words, plots, tables and images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from deradiff.nodes.report.digits import percent
from deradiff.nodes.report.statements import KL_NOTE, Report, turned, verdict
from deradiff.nodes.scoring.choice import Row, choose
from deradiff.nodes.scoring.paired import SURE, difference

from . import report_images, report_plots, report_tables
from .report_images import Change, Fetch
from .report_page import Part, part, section, table
from .report_results import Arm, Results, band
from .report_tables import between, signed

HIGHEST, BEFORE_THE_TURN = "highest mean", "highest mean before the held-out judge turns"


def chosen(results: Results, judge: str) -> Report:
    """The lambda that a judge chooses. The first held-out judge limits the choice where it turns."""
    second = next(iter(results.held_out), "")
    rule = BEFORE_THE_TURN if second else HIGHEST
    return Report(choose(results.rows(judge, second), rule), judge, held_out=second)


def title(reports: Sequence[Report]) -> str:
    return "Best \u03bb: " + ", ".join(
        f"{report.choice.winner.strength:g} by {report.score}{_before(report)}" for report in reports
    )


def _before(report: Report) -> str:
    turned = report.choice.turning is not None and report.choice.turning.turned
    return f", before {report.held_out} turns" if turned else ""


def standing(results: Results) -> Part:
    """How much there is."""
    rows = len(results.worked) + len(results.failed)
    failed = f", {len(results.failed)} of them failed" if results.failed else ""
    last = max((record["finished"] for record in results.worked if record["finished"]), default=None)
    when = f", the last on {last:%Y-%m-%d at %H:%M} UTC" if last else ""
    each = (
        _many(len({record["prompt"] for record in results.worked}), "prompt"),
        _many(len({record["seed"] for record in results.worked}), "seed"),
        _many(len({arm.strength for arm in results.arms}), "lambda"),
    )
    baseline = " and the interpolated baseline" if any(arm.interpolated for arm in results.arms) else ""
    complete = f"{_many(results.blocks, 'pair')} of prompt and seed {'is' if results.blocks == 1 else 'are'} complete"
    return part(
        "p", f"{_many(rows, 'row')} so far{failed}{when}: {', '.join(each)}{baseline}; {complete}.", kind="muted"
    )


def summary(report: Report) -> Part:
    """The choice in one sentence: how sure it is, and where the held-out judge turns."""
    return part("p", f"By {report.score}. {verdict(report)}.")


def warnings(results: Results) -> Iterator[Part]:
    """What keeps the numbers from saying more."""
    if results.left_out:
        yield part("p", f"Left out, too few rows so far: {', '.join(map(str, results.left_out))}.")
    if unused := report_tables.unused(results):
        yield part(
            "p",
            f"{unused} rows are not compared, as their prompt and seed are not complete at every \u03bb yet, or failed at one.",
        )
    for column, what in (("recipe", "recipes"), ("models", "sets of models")):
        kinds = {record[column] for record in results.worked}
        if len(kinds) > 1:
            yield part("p", f"The rows are of {len(kinds)} {what}: they were not made alike.")


def choice(results: Results, report: Report) -> Part:
    """What a judge chooses, how much that gains, and every lambda."""
    lines = report_tables.lambdas(results, report.score, report.choice)
    return section(f"By {report.score}", part("p", _gained(results, report)), report_plots.frontier(report), lines)


def _gained(results: Results, report: Report) -> str:
    winner, first = Arm(False, report.choice.winner.strength), results.realigned[0]
    if winner == first:
        limited = report.choice.highest is not report.choice.winner
        why = f"{report.held_out} falls above it" if limited else "no other scores higher"
        return f"The lowest \u03bb, {first.strength:g}, is chosen: {why}."
    gain = results.gain(report.score, winner)
    reach = f"{SURE:.0%} band {between(*band(gain))}"
    highest = " It is the highest that was tried: the best may lie above." if winner == results.realigned[-1] else ""
    return (
        f"\u03bb = {winner.strength:g} gains {signed(gain.mean)} over \u03bb = {first.strength:g} ({reach}).{highest}"
    )


def bands(results: Results) -> Part:
    return section("Every judge over \u03bb", part("p", report_plots.BAND, kind="muted"), report_plots.gains(results))


def held_out(results: Results) -> Iterator[Part]:
    """Where each held-out judge turns, and its table."""
    for second in results.held_out:
        said = [
            part("p", f"{turned(Report(choose(results.rows(judge, second), HIGHEST), judge, held_out=second))}.")
            for judge in results.judges
        ]
        yield section(f"Held out: {second}", *said, report_tables.lambdas(results, second, None))


def baseline(results: Results) -> Iterator[Part]:
    """Realignment against weights interpolated at the same lambda, where there are any. At 0 and 1 the two are one model."""
    both = [arm for arm in results.realigned if arm.strength not in (0, 1) and Arm(True, arm.strength) in results.arms]
    if not both:
        return
    head = ["\u03bb", "realigned less interpolated", f"{SURE:.0%} band", "realigned is better"]
    parts = []
    for judge in results.every_judge:
        lines = [("", _against(results, judge, arm)) for arm in both]
        parts += [part("h3", judge), table(head, lines)]
    about = "One model with weights interpolated between the two, at the same \u03bb, prompt and seed: core's ModelMergeSimple. At 0 and 1 the two are the same."
    yield section("The interpolated baseline", part("p", about, kind="muted"), *parts)


def _against(results: Results, judge: str, arm: Arm) -> list[str]:
    found = difference(results.scores(judge, arm), results.scores(judge, Arm(True, arm.strength)))
    return [f"{arm.strength:g}", signed(found.mean), between(*band(found)), percent(found.chance)]


def prompts(results: Results, report: Report, fetch: Fetch) -> Iterator[Part]:
    """Those that gain and lose most between the lowest lambda and the chosen one; the highest where the lowest was chosen."""
    first, last = results.realigned[0], results.realigned[-1]
    winner = Arm(False, report.choice.winner.strength)
    arm = last if winner == first else winner
    if arm == first:
        return
    seen = sorted({first, arm, last})
    if arm.strength != 1 and Arm(True, arm.strength) in results.arms:
        seen.append(Arm(True, arm.strength))
    found = report_images.changes(results, report.score, arm)
    gaining, losing = report_images.extremes(found)
    gained = sum(change.gain > 0 for change in found)
    what = "seeds" if results.by_seed else "prompts"
    about = f"{gained} of {len(found)} {what} score higher at \u03bb = {arm.strength:g} than at \u03bb = {first.strength:g}."
    luck = "The first and the last of many also owe their place to chance."
    by_tag = report_tables.tags(results, report.score, arm)
    yield section(
        f"Where {report.score} gains and loses",
        part("p", f"{about} {luck}", kind="muted"),
        *([by_tag] if by_tag is not None else []),
        *_group("Gain most", results, report.score, gaining, seen, fetch),
        *_group("Lose most", results, report.score, losing, seen, fetch),
    )


def _group(
    name: str, results: Results, judge: str, found: Iterable[Change], arms: Sequence[Arm], fetch: Fetch
) -> list[Part]:
    shown = [report_images.shown(results, judge, change, arms, fetch) for change in found]
    return [part("h3", name), *(shown or [part("p", "None.", kind="muted")])]


def costs(results: Results) -> Part:
    return section("What an image costs", *report_tables.costs(results))


def failures(results: Results) -> Part:
    return section(f"{_many(len(results.failed), 'row')} failed", *report_tables.failures(results))


def notes(results: Results) -> Part:
    samples = len(results.samples)
    sample = (
        "A sample is a seed of the one prompt" if results.by_seed else "A sample is a prompt, averaged over its seeds"
    )
    said = [
        f"{sample}: {samples} samples. All lambdas of a prompt and seed start from the same noise, so they are compared sample by sample.",
        "A percentage is the confidence that the higher of two means is truly the higher one: a one-sided paired t test. It is not corrected for "
        "choosing the best of several lambdas.",
        KL_NOTE,
    ]
    unknown = [
        str(arm) for arm, row in zip(results.arms, results.rows(results.judges[0]), strict=True) if _is_unknown(row)
    ]
    if unknown:
        said.append(
            f"KL unknown at {', '.join(unknown)}: a run says it only where it evaluates both models at every step."
        )
    return section("Notes", *(part("p", line, kind="muted") for line in said))


def _is_unknown(row: Row) -> bool:
    return math.isnan(row.mean_kl)


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
