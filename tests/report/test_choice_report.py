"""A choice of lambda as a table and as CSV."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
from deradiff.nodes.wires import Scores, Sweep
from support.choices import BUDGET, HIGHEST, IMAGES, SCORES, SWEEP, pick, read_csv, read_markdown


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
