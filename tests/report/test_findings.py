"""What is said, listed and drawn of a search for lambda."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from deradiff.nodes.report import findings_plot
from deradiff.nodes.report.findings import Finding, Line, csv_text, markdown, payload, sentence
from deradiff.nodes.scoring.search import Search, candidates
from matplotlib.text import Text

Judge = Callable[[int, float], float]


def found(judge: Judge, held_out: Judge | None = None, budget: int = 96, name: str = "score") -> Finding:
    search = Search(candidates(0, 1.5), budget)
    while asks := search.round():
        for ask in asks:
            second = {each: held_out(ask.block, each) for each in ask.strengths} if held_out else None
            search.note(ask.block, {each: judge(ask.block, each) for each in ask.strengths}, second)
    return Finding(search, search.result(), name, "second" if held_out else "")


def noise(block: int, strength: float) -> float:
    return float(np.random.default_rng([block, round(1000 * strength)]).standard_normal())


def peak(block: int, strength: float) -> float:
    return math.exp(-(((strength - 0.6) / 0.35) ** 2)) + 10 * block + 0.1 * noise(block, strength)


PEAK, FLAT = found(peak), found(noise, budget=40)
RISING = found(lambda block, strength: strength + 0.01 * noise(block, strength))
TURNED = found(lambda block, strength: strength + 0.01 * noise(block, strength), peak)


def test_a_settled_search_says_what_else_would_do() -> None:
    said = sentence(PEAK)
    assert said.startswith(f"\u03bb = {PEAK.found.strength:g} is within 15 % of the best (")
    assert f"{PEAK.found.alike[0]:g} to {PEAK.found.alike[1]:g} are as good (95 %)" in said
    assert f"over \u03bb = 0 in {PEAK.found.gain.samples} fresh pairs" in said
    assert "Undecided" not in said and "raise highest" not in said


def test_an_undecided_search_says_how_many_more_images_it_would_take() -> None:
    said = sentence(FLAT)
    assert said.startswith(f"Undecided: \u03bb = {FLAT.found.strength:g} is within 15 % of the best with ")
    assert "it would take about " in said or "it would take over 60 times as many" in said
    assert f"not ruled out: {FLAT.found.possible[0]:g} to {FLAT.found.possible[-1]:g}" in said


def test_a_best_at_the_end_of_the_range_is_said() -> None:
    assert RISING.found.strength == 1.5
    assert "the best may lie above the range: raise highest" in sentence(RISING)


def test_a_held_out_judge_that_turns_is_said_and_limits_the_answer() -> None:
    turning = TURNED.found.turning
    assert turning is not None and abs(turning.at - 0.6) <= 0.15 and turning.rises
    assert turning.below is not None and turning.at < turning.below
    assert TURNED.found.strength < turning.below and max(TURNED.found.possible) < turning.below
    assert f"of the best below {turning.below:g}" in sentence(TURNED)
    assert f"score still rises above \u03bb = {turning.at:g}, second falls" in sentence(TURNED)
    table = markdown(TURNED)
    assert "second over \u03bb = 0, held out" in table and "| the held-out judge has turned |" in table


@pytest.mark.parametrize("finding", [PEAK, FLAT, RISING, TURNED], ids=["peak", "flat", "rising", "turned"])
def test_the_table_has_a_line_for_each_lambda_that_was_sampled(finding: Finding) -> None:
    lines = [line for line in markdown(finding).splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {float(row[0]): int(row[1]) for row in cells} == dict(finding.spent)
    assert sum(int(row[1]) for row in cells) == finding.found.images
    assert {row[-1] for row in cells} <= {"best", "as good", "possible", "ruled out", "the held-out judge has turned"}


@pytest.mark.parametrize("finding", [PEAK, FLAT, RISING, TURNED], ids=["peak", "flat", "rising", "turned"])
def test_what_the_page_draws_is_json(finding: Finding) -> None:
    told = json.loads(json.dumps(payload(finding), allow_nan=False))
    count = len(finding.search.strengths)
    assert all(len(told[name]) == count for name in ("strengths", "middle", "low", "high"))
    assert all(
        low <= middle <= high for low, middle, high in zip(told["low"], told["middle"], told["high"], strict=True)
    )
    assert len(told["dots"]) == finding.found.images and told["best"] in told["strengths"]
    assert (told["held_out"] is None) == (finding.held_out == "")


def test_the_dots_lie_around_the_curve_whatever_the_level_of_a_block() -> None:
    curve = dict(zip(PEAK.search.strengths, PEAK.found.curve.middle, strict=True))
    assert max(abs(score - curve[strength]) for strength, score in PEAK.dots) < 0.5  # the levels are 10 apart


def test_every_image_is_a_line_of_the_csv() -> None:
    lines = [Line(0, 2, 7, 0.5, 1.25, None, math.nan, 0.0, 1.5), Line(1, 0, 8, 1.0, -1.0, 3.0, 12.5, 0.5, 2.0)]
    first, second = csv.DictReader(io.StringIO(csv_text(lines)))
    assert first["prompt"] == "3" and first["held_out"] == "" and first["kl_nats"] == "" and first["lambda"] == "0.5"
    assert (second["held_out"], second["kl_nats"], second["kl_error_nats"]) == ("3.0", "12.5", "0.5")


def _figure(finding: Finding, monkeypatch: pytest.MonkeyPatch) -> Any:
    figures: list = []
    monkeypatch.setattr(findings_plot, "to_image", figures.append)
    findings_plot.plot(finding)
    return figures[0]


@pytest.mark.parametrize("finding", [PEAK, FLAT, RISING, TURNED], ids=["peak", "flat", "rising", "turned"])
def test_the_plot_shows_curve_images_and_what_they_cost(finding: Finding, monkeypatch: pytest.MonkeyPatch) -> None:
    image = findings_plot.plot(finding)
    assert image.shape == (1, findings_plot.HEIGHT, findings_plot.WIDTH, 3) and image.dtype == torch.float32
    figure = _figure(finding, monkeypatch)
    above, below = figure.axes[:2]
    drawn = {line.get_label(): line for line in above.lines}
    assert list(drawn["curve"].get_ydata()) == pytest.approx(finding.found.curve.middle)
    assert len(drawn["image"].get_xdata()) == finding.found.images
    assert sum(bar.get_height() for bar in below.patches) == finding.found.images
    written = "\n".join(text.get_text() for text in figure.findobj(Text))
    assert sentence(finding).split("; ")[0] in written
    assert ("second (held out, dashed)" in written) == (finding is TURNED)


def test_a_name_with_dollar_signs_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding(PEAK.search, PEAK.found, r"my $\frac{ scorer$ |")
    figure = _figure(finding, monkeypatch)
    assert r"my \$\frac{ scorer\$ |" in "\n".join(text.get_text() for text in figure.findobj(Text))
    findings_plot.plot(finding)
    assert r"my $\frac{ scorer$ \|" in markdown(finding)


def test_a_best_that_was_seen_too_rarely_is_no_answer() -> None:
    early = found(
        lambda block, strength: strength + block, lambda block, strength: block - max(strength - 0.3, 0.0), 48
    )
    assert not early.found.settled and early.found.chance > 0.95
    assert "looks best below" in sentence(early) and "was seen too rarely to say so" in sentence(early)
    assert "it would take about" in sentence(early) and "about 0 more" not in sentence(early)
