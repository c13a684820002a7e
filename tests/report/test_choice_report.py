"""A choice of lambda as a table, as CSV and as a plot."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
import torch
from deradiff.nodes.report import plots
from deradiff.nodes.report.statements import Report
from deradiff.nodes.report.tables import csv_text, markdown
from deradiff.nodes.scoring.choice import Row, choose
from deradiff.nodes.wires import Scores, Sweep
from support.choices import BUDGET, HIGHEST, IMAGES, NAN, ROWS, SCORES, SWEEP, pick, read_csv, read_markdown, row


def test_the_table_reads_back() -> None:
    table = pick(BUDGET)[3]
    assert "Chosen: λ = 0.5 (β = 10000), highest mean within KL budget of 6 nats" in table
    rows = read_markdown(table)
    assert [r["λ"] for r in rows] == ["0.5", "0", "1", "0.5"]
    assert [r["β"] for r in rows] == ["10000", "∞", "5000", "10000"]
    assert [r["KL (nats)"] for r in rows] == ["6", "0", "unknown", "unknown"]
    assert [r["PickScore / v1 (mean)"] for r in rows] == ["4", "1", "2.5", "9"]
    assert [r["standard error"] for r in rows] == ["1", "0", "0.5", "0"]
    assert [r["difference from the chosen"] for r in rows] == ["-", "-3.0 ± 1.0", "-1.50 ± 0.50", "+5.0 ± 1.0"]
    assert [r["the chosen beats it"] for r in rows] == ["-", "89 %", "89 %", "6 %"]
    assert [r[""] for r in rows] == ["chosen", "", "KL unknown", "baseline"]
    assert [r["model"] for r in rows] == ["realigned"] * 3 + ["weights interpolated"]
    assert "without the last step" in table and "; KL unknown at λ = 1: not considered**" in table


def test_the_table_without_beta_and_with_one_sample() -> None:
    single = Sweep(SWEEP.entries, 1)
    table = pick(images=IMAGES[:4], sweep=single, scores=Scores("s", (1.0, 2.0, 3.0, 4.0)), trained_beta=0.0)[3]
    assert "β" not in table and "One sample for each lambda: no standard error" in table
    rows = read_markdown(table)
    assert {r["standard error"] for r in rows} == {"-"}
    assert [r["difference from the chosen"] for r in rows] == ["-2", "-1", "-", "+1"]
    assert [r["the chosen beats it"] for r in rows] == ["unknown", "unknown", "-", "unknown"]
    assert "whether λ = 1 beats λ = 0 is unknown from one sample**" in table and "%" not in table


def test_the_csv_reads_back() -> None:
    rows = read_csv(pick()[4])
    assert [(r["lambda"], r["beta"], r["model"]) for r in rows][:2] == [
        ("0.5", "10000.0", "realigned"),
        ("0.0", "inf", "realigned"),
    ]
    assert [r["kl_nats"] for r in rows] == ["6.0", "0.0", "", ""]
    assert [r["kl_error_nats"] for r in rows] == ["0.0", "0.0", "", ""]
    assert [r["chosen"] for r in rows] == ["yes", "no", "no", "no"]
    assert tuple(float(r[f"sample_{n}"]) for r in rows for n in (1, 2)) == SCORES.values
    for r, place in zip(rows, range(4), strict=True):
        pair = SCORES.values[2 * place : 2 * place + 2]
        assert float(r["mean"]) == statistics.fmean(pair)
        assert float(r["standard_error"]) == pytest.approx(abs(pair[0] - pair[1]) / 2)
    assert [r["difference"] for r in rows] == ["", "-3.0", "-1.5", "5.0"]
    assert [r["difference_error"] for r in rows] == ["", "1.0", "0.5", "1.0"]
    assert [r["chance_chosen_is_better"][:5] for r in rows] == ["", "0.897", "0.897", "0.062"]
    assert {r["beta"] for r in read_csv(pick(trained_beta=0.0)[4])} == {""}


def test_a_kl_that_may_be_off_is_shown_with_how_far() -> None:
    """It reaches the table from the sweep, of the baseline too."""
    first, *others, baseline = SWEEP.entries
    entries = replace(first, kl_error=(0.5, 1.5)), *others, replace(baseline, kl=(300.0, 320.0), kl_error=(20.0, 20.0))
    *_, table, text = pick(HIGHEST, sweep=Sweep(entries, 2))
    assert [r["KL (nats)"] for r in read_markdown(table)] == ["6.0 ± 1.0", "0", "unknown", "310 ± 20"]
    assert [r["kl_nats"] for r in read_csv(text)] == ["6.0", "0.0", "", "310.0"]
    assert [r["kl_error_nats"] for r in read_csv(text)] == ["1.0", "0.0", "", "20.0"]
    *_, table, _ = pick(BUDGET, sweep=Sweep(entries, 2))
    assert [r[""] for r in read_markdown(table)] == ["may be over the budget", "chosen", "KL unknown", "baseline"]


def _report(
    rows: list[Row], rule: str = HIGHEST, budget: float = math.inf, name: str = "score", beta: float = 0.0
) -> Report:
    return Report(choose(rows, rule, budget), name, beta)


def _ink(image: torch.Tensor, colour: str) -> torch.Tensor:
    """Where the image has a colour, (H, W)."""
    wanted = torch.tensor([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return (image[0] - wanted).abs().amax(dim=-1) < 0.02


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
