"""The plot of a choice: what is drawn, and what is written in it."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import pytest
import torch
from deradiff.nodes.report import plots
from deradiff.nodes.report.statements import Report
from deradiff.nodes.report.tables import csv_text, markdown
from deradiff.nodes.scoring.choice import Row, choose
from support.choices import BUDGET, HIGHEST, NAN, ROWS, read_csv, read_markdown, row


def _report(
    rows: list[Row], rule: str = HIGHEST, budget: float = math.inf, name: str = "score", beta: float = 0.0
) -> Report:
    return Report(choose(rows, rule, budget), name, beta)


def _ink(image: torch.Tensor, colour: str) -> torch.Tensor:
    """Where the image has a colour, (H, W)."""
    wanted = torch.tensor([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return (image[0] - wanted).abs().amax(dim=-1) < 0.02


def _figure(report: Report, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plot as matplotlib's figure."""
    figures: list = []
    monkeypatch.setattr(plots, "to_image", figures.append)
    plots.plot(report)
    return figures[0]


def _bars(axes: Any, across: bool) -> dict[str, list[float]]:
    """How far the bars reach to either side of each point, by the line's label; 0 where there is none."""
    lengths = {}
    for container in axes.containers:
        bars = container.lines[2][0 if across else -1].get_segments()
        sides = [float(abs(bar[1] - bar[0])[0 if across else 1]) / 2 if len(bar) else 0.0 for bar in bars]
        lengths[container.get_label()] = [0.0 if math.isnan(side) else side for side in sides]
    return lengths


def _texts(report: Report, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that is written in the plot."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in _figure(report, monkeypatch).findobj(Text))


def test_the_plot_shows_both_panels() -> None:
    image = plots.plot(_report(ROWS, beta=5000.0))
    assert image.shape == (1, plots.HEIGHT, plots.WIDTH, 3) and image.dtype == torch.float32
    assert bool(image.isfinite().all()) and float(image.min()) >= 0 and float(image.max()) == 1
    half = plots.WIDTH // 2
    assert _ink(image, "#2563eb")[:, :half].sum() > 500 and _ink(image, "#2563eb")[:, half:].sum() > 500


def test_the_choice_is_ringed_where_it_is_drawn() -> None:
    half = plots.WIDTH // 2
    known = _ink(plots.plot(_report(ROWS, BUDGET, 50.0)), "#d9480f")
    unknown = _ink(plots.plot(_report(ROWS)), "#d9480f")  # lambda 1, KL unknown
    assert known[:, :half].sum() > 30 and known[:, half:].sum() > 30
    assert unknown[:, :half].sum() > 30 and unknown[:, half:].sum() == 0


def test_the_baseline_is_drawn_only_where_there_is_one() -> None:
    interpolated = [row(r.strength, *(score - 0.7 for score in r.scores), kl=NAN, contender=False) for r in ROWS]
    assert (
        _ink(plots.plot(_report([*ROWS, *interpolated])), "#8b95a5").sum()
        > _ink(plots.plot(_report(ROWS)), "#8b95a5").sum() + 100
    )


def test_bars_are_those_of_the_paired_difference_from_the_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = (-3.0, 1.0, 2.0)
    rows = [row(0.0, *noise), row(0.5, *(each + 4 for each in noise)), row(1.0, -3.0, 1.5, 3.0)]
    rows.append(row(0.5, -2.0, 2.0, 4.0, contender=False))
    left, right = _figure(_report(rows), monkeypatch).axes
    found = _bars(left, across=False)
    assert found["realigned"] == pytest.approx([0, 0, statistics.stdev((-4.0, -3.5, -3.0)) / math.sqrt(3)])
    assert found["weights interpolated"] == pytest.approx([statistics.stdev((-3.0, -3.0, -2.0)) / math.sqrt(3)])
    assert _bars(right, across=False) == found


def test_a_baseline_whose_kl_is_known_is_drawn_against_it_and_never_ringed() -> None:
    half, rows = plots.WIDTH // 2, [row(0.0, 1.0, kl=0.0), row(0.5, 2.0, kl=5.0), row(1.0, 3.0, kl=20.0)]
    for known in (True, False):
        other = [row(r.strength, r.mean + 9, kl=r.mean_kl + 1 if known else NAN, contender=False) for r in rows]
        image = plots.plot(_report([*rows, *other], BUDGET, 30.0))
        assert (_ink(image, "#8b95a5")[:, half:].sum() > 300) == known
        ring = _ink(image, "#d9480f")[:, half:].nonzero()
        assert ring[:, 0].min() > plots.HEIGHT / 2, "under the baseline's points"


def test_how_far_the_kl_may_be_off_is_drawn_across(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(0.25, 1.0, kl=10.0), row(0.5, 1.5, kl=40.0, off=15.0), row(1.0, 2.0, kl=90.0, off=30.0)]
    _, right = _figure(_report(rows), monkeypatch).axes
    assert _bars(right, across=True) == {"realigned": [0, 15, 30]}
    _, right = _figure(_report([row(0.25, 1.0, kl=10.0, off=30.0)]), monkeypatch).axes
    (bar,) = right.containers[0].lines[2][0].get_segments()
    assert bar[:, 0].tolist() == [0, 40], "no KL is below 0"


def test_the_plot_says_what_its_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(0.25, 2.0, 3.0, 2.5, kl=5.0, off=1.0), row(0.0, 1.0, 1.0, 1.0), row(1.0, 9.0, 9.0, 9.0, kl=NAN)]
    told = _texts(_report(rows, BUDGET, 50.0), monkeypatch)
    for says in (
        "Chosen: λ = 0.25, highest mean within KL budget of 50 nats",
        "λ = 0.25 beats λ = 0 with 98 %; λ = 1, the highest mean, beats it with over 99.9 %",
        "KL unknown at λ = 1: not considered",
        "standard error of the difference from λ = 0.25",
        "how far the KL may be off",
    ):
        assert says in told
    told = _texts(_report([replace(r, kl_error=()) for r in rows]), monkeypatch)
    assert "not shown, KL unknown: λ = 1" in told and "may be off" not in told
    single = _texts(_report([row(0.25, 2.0), row(0.5, 3.0)]), monkeypatch)
    assert "Whether λ = 0.5 beats λ = 0.25 is unknown from one sample" in single and "error" not in single


CASES = {
    "one lambda": [row(0.5, 3.0)],
    "nothing known of KL": [row(0.5, 3.0, kl=NAN), row(1.0, 4.0, kl=NAN)],
    "only the reference": [row(0.0, 3.0, 4.0)],
    "all KL 0": [row(0.5, 3.0, kl=0.0), row(1.0, 3.0, kl=0.0)],
    "huge numbers": [row(0.5, 3e8, kl=1e12), row(1.0, 4e8, kl=5e12)],
    "tiny numbers": [row(0.5, 3e-8, kl=1e-12), row(1.0, 4e-8, kl=5e-12)],
    "negative": [row(0.5, -3.0), row(1.0, -4.0)],
    "200 lambdas": [row(n / 100, float(n % 7), float(n % 5), kl=n * n / 100) for n in range(200)],
}


@pytest.mark.parametrize("case", CASES)
def test_any_sweep_can_be_drawn(case: str) -> None:
    image = plots.plot(_report(CASES[case], name="a $name$ with _signs_ ^ and\na line", beta=5000.0))
    assert bool(image.isfinite().all()) and float(image.std()) > 0.03
    report = _report(CASES[case])
    assert len(read_csv(csv_text(report))) == len(read_markdown(markdown(report))) == len(CASES[case])


def test_a_plot_leaves_matplotlib_s_settings_as_they_were() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.plot(_report(ROWS))
    assert dict(matplotlib.rcParams) == before
