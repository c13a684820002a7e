"""Choosing lambda: the rules against hand-computed cases and brute force, the node, its table, CSV and plot."""

from __future__ import annotations

import csv
import io
import math
import statistics

import pytest
import torch
from deradiff.nodes.pick import DeRaDiffPickLambda
from deradiff.nodes.report import plots
from deradiff.nodes.report.tables import Report, csv_text, markdown, number
from deradiff.nodes.scoring import choice
from deradiff.nodes.scoring.choice import Row, choose
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Entry, Scores, Sweep
from hypothesis import given
from hypothesis import strategies as st

HIGHEST, BUDGET, ONE_ERROR = choice.RULES
NAN = math.nan


def row(strength: float, *scores: float, kl: float = 1.0, contender: bool = True) -> Row:
    return Row(strength, scores, (kl,) * len(scores), 1.5, contender)


def chosen(rows: list[Row], rule: str, budget: float = math.inf) -> float:
    return choose(rows, rule, budget).winner.strength


# Mean 2, 4 and 4.5; standard error of the last 0.5 (standard deviation 1, four samples).
ROWS = [
    row(0.0, 2, 2, 2, 2, kl=NAN),
    row(0.5, 4, 4, 4, 4, kl=10),
    row(1.0, 3.5, 4.5, 4.5, 5.5, kl=NAN),
    row(1.5, 1, 2, 3, 4, kl=90),
]


def test_statistics() -> None:
    one = Row(0.5, (1.0, 2.0, 6.0), (4.0, 8.0, 9.0))
    assert (one.mean, one.mean_kl) == (3.0, 7.0)
    assert one.error == pytest.approx(math.sqrt((4 + 1 + 9) / 2) / math.sqrt(3))
    assert math.isnan(row(0.5, 1.0).error) and row(0.5, 2.0, 2.0).error == 0


def test_kl_is_0_at_lambda_0_and_unknown_if_any_sample_s_is() -> None:
    assert row(0.0, 1.0, kl=NAN).mean_kl == 0
    assert math.isnan(row(0.0, 1.0, kl=NAN, contender=False).mean_kl)
    assert math.isnan(Row(0.5, (1.0, 2.0), (3.0, NAN)).mean_kl) and math.isnan(Row(0.5, (1.0,), ()).mean_kl)


@pytest.mark.parametrize(
    ("rule", "budget", "winner"),
    [
        (HIGHEST, 0.0, 1.0),
        (BUDGET, 1e9, 0.5),  # lambda 1 would win, but its KL is unknown
        (BUDGET, 10.0, 0.5),
        (BUDGET, 9.99, 0.0),
        (BUDGET, 0.0, 0.0),
        (ONE_ERROR, 0.0, 1.0),  # 4.5 - 0.41 is just above 4
    ],
)
def test_rules(rule: str, budget: float, winner: float) -> None:
    assert chosen(ROWS, rule, budget) == winner


def test_one_standard_error_takes_the_smallest_lambda_that_reaches_it() -> None:
    best = row(1.0, 3.0, 5.0)  # mean 4, standard error 1
    assert chosen([best, row(0.5, 3.0, 3.0), row(0.25, 2.9, 2.9)], ONE_ERROR) == 0.5
    assert chosen([row(2.0, 9.0, 9.0), best], ONE_ERROR) == 2.0


def test_ties_go_to_the_smaller_lambda() -> None:
    rows = [row(1.0, 3.0, 3.0), row(0.25, 3.0, 3.0), row(0.5, 3.0, 3.0)]
    assert {chosen(rows, rule) for rule in choice.RULES} == {0.25}
    assert choose(rows, HIGHEST).index == 1


def test_one_sample_has_no_error_and_counts_as_exact() -> None:
    rows = [row(0.0, 2.999), row(0.5, 3.0), row(1.0, 1.0)]
    assert chosen(rows, ONE_ERROR) == chosen(rows, HIGHEST) == 0.5


def test_a_baseline_never_wins() -> None:
    rows = [row(0.5, 9.0, 9.0, contender=False), row(1.0, 1.0, 1.0)]
    for rule in choice.RULES:
        found = choose(rows, rule, 10.0)
        assert found.winner.strength == 1.0 and found.excluded == ("baseline", "")


def test_what_was_left_out_is_said() -> None:
    assert choose(ROWS, BUDGET, 10.0).excluded == ("", "", "KL unknown", "over the budget")
    assert choose(ROWS, HIGHEST, 10.0).excluded == ("",) * 4


@pytest.mark.parametrize(
    ("rows", "rule", "budget", "says"),
    [
        (ROWS, "best", 1.0, "rule: expected one of 'highest mean', .*, got 'best'"),
        ([], HIGHEST, 1.0, "sweep: it holds no realigned images"),
        ([row(1.0, 1.0, contender=False)], HIGHEST, 1.0, "sweep: it holds no realigned images"),
        ([row(1.0, 1.0, NAN)], HIGHEST, 1.0, "scores: expected finite numbers, .* at lambda 1"),
        ([row(1.0, math.inf)], HIGHEST, 1.0, "scores: expected finite numbers"),
        ([row(1.0)], HIGHEST, 1.0, "scores: expected finite numbers"),
        (ROWS[1:], BUDGET, 9.0, "no lambda of this sweep stays within 9 nats; the nearest is lambda 0.5 with 10 nats"),
        (ROWS[2:3], BUDGET, 9.0, "the KL of every lambda in this sweep is unknown"),
        (ROWS, BUDGET, NAN, "kl_budget: expected nats of at least 0, got nan"),
        (ROWS, BUDGET, -1.0, "kl_budget: expected nats of at least 0, got -1"),
    ],
)
def test_what_cannot_be_chosen_from(rows: list[Row], rule: str, budget: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        choose(rows, rule, budget)


scores = st.lists(st.integers(-5, 5).map(float), min_size=3, max_size=3)
kls = st.one_of(st.just(NAN), st.integers(0, 9).map(float))
tables = st.lists(
    st.builds(
        lambda s, v, k, c: Row(s / 4, tuple(v), (k,) * 3, contender=c), st.integers(0, 8), scores, kls, st.booleans()
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda r: (r.strength, r.contender),
).filter(lambda rows: any(r.contender for r in rows))


@given(tables, st.permutations(range(8)))
def test_rules_by_brute_force(rows: list[Row], order: list[int]) -> None:
    means = {r.strength: statistics.fmean(r.scores) for r in rows if r.contender}
    best = min(s for s in means if means[s] == max(means.values()))
    error = next(r.error for r in rows if r.contender and r.strength == best)
    assert chosen(rows, HIGHEST) == best
    assert chosen(rows, ONE_ERROR) == min(s for s in means if means[s] >= means[best] - error) <= best
    shuffled = [rows[place] for place in order if place < len(rows)]
    assert {chosen(shuffled, rule) == chosen(rows, rule) for rule in (HIGHEST, ONE_ERROR)} == {True}


@given(tables, st.integers(0, 9))
def test_a_budget_is_kept_and_a_larger_one_is_never_worse(rows: list[Row], budget: int) -> None:
    rows = [*(r for r in rows if r.strength > 0), row(0.0, -9.0, -9.0, -9.0)]
    tight, loose = choose(rows, BUDGET, budget).winner, choose(rows, BUDGET, budget + 1).winner
    assert tight.mean_kl <= budget and loose.mean >= tight.mean
    within = [r.mean for r in rows if r.contender and r.mean_kl <= budget]
    assert tight.mean == max(within)


# The node


SWEEP = Sweep(
    (
        Entry(0.5, REALIGNED, 2.0, (5.0, 7.0)),
        Entry(0.0, REALIGNED, 1.0, (0.0, 0.0)),
        Entry(1.0, REALIGNED, 1.0, (NAN, NAN)),
        Entry(0.5, INTERPOLATED, 1.0, (NAN, NAN)),
    ),
    2,
)
SCORES = Scores("PickScore | v1", (3.0, 5.0, 1.0, 1.0, 2.0, 3.0, 9.0, 9.0))
IMAGES = torch.arange(8.0)[:, None, None, None].expand(8, 4, 6, 3) / 8


def _pick(rule: str = HIGHEST, **changes: object) -> tuple:
    inputs = {
        "images": IMAGES,
        "sweep": SWEEP,
        "scores": SCORES,
        "rule": rule,
        "kl_budget": 6.0,
        "trained_beta": 5000.0,
    }
    return DeRaDiffPickLambda.execute(**(inputs | changes)).args


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _markdown(text: str) -> list[dict[str, str]]:
    lines = [line.replace("\\|", "/") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]
    assert cells[1] == ["---"] * len(cells[0])
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]


@pytest.mark.parametrize("rule", choice.RULES)
def test_the_winner_and_its_images(rule: str) -> None:
    strength, best, plot, *_ = _pick(rule)
    assert strength == 0.5 and isinstance(strength, float)
    assert torch.equal(best, IMAGES[:2])
    assert plot.shape == (1, 520, 1200, 3)


def test_the_images_are_the_winner_s_wherever_it_stands() -> None:
    strength, best, *_ = _pick(BUDGET, kl_budget=5.9)
    assert strength == 0 and torch.equal(best, IMAGES[2:4])


def test_the_table_reads_back() -> None:
    table = _pick(BUDGET)[3]
    assert "Chosen: λ = 0.5 (β = 10000), highest mean within KL budget of 6 nats" in table
    rows = _markdown(table)
    assert [r["λ"] for r in rows] == ["0.5", "0", "1", "0.5"]
    assert [r["β"] for r in rows] == ["10000", "∞", "5000", "10000"]
    assert [r["KL (nats)"] for r in rows] == ["6", "0", "unknown", "unknown"]
    assert [r["PickScore / v1 (mean)"] for r in rows] == ["4", "1", "2.5", "9"]
    assert [r["standard error"] for r in rows] == ["1", "0", "0.5", "0"]
    assert [r[""] for r in rows] == ["chosen", "", "KL unknown", "baseline"]
    assert [r["model"] for r in rows] == ["realigned"] * 3 + ["weights interpolated"]
    assert "without the last step" in table and "cannot win under a KL budget" in table


def test_the_table_without_beta_and_with_one_sample() -> None:
    single = Sweep(SWEEP.entries, 1)
    table = _pick(images=IMAGES[:4], sweep=single, scores=Scores("s", (1.0, 2.0, 3.0, 4.0)), trained_beta=0.0)[3]
    assert "β" not in table and "One sample for each lambda: no standard error" in table
    assert {r["standard error"] for r in _markdown(table)} == {"-"}


def test_the_csv_reads_back() -> None:
    rows = _csv(_pick()[4])
    assert [(r["lambda"], r["beta"], r["model"]) for r in rows][:2] == [
        ("0.5", "10000.0", "realigned"),
        ("0.0", "inf", "realigned"),
    ]
    assert [r["kl_nats"] for r in rows] == ["6.0", "0.0", "", ""]
    assert [r["chosen"] for r in rows] == ["yes", "no", "no", "no"]
    assert tuple(float(r[f"sample_{n}"]) for r in rows for n in (1, 2)) == SCORES.values
    for r, place in zip(rows, range(4), strict=True):
        pair = SCORES.values[2 * place : 2 * place + 2]
        assert float(r["mean"]) == statistics.fmean(pair)
        assert float(r["standard_error"]) == pytest.approx(abs(pair[0] - pair[1]) / 2)
    assert {r["beta"] for r in _csv(_pick(trained_beta=0.0)[4])} == {""}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": IMAGES[:7]}, r"^images: expected 8 images \(4 lambdas x 2 samples\).*got 7"),
        ({"scores": Scores("s", (1.0,) * 7)}, r"^scores: expected one score for each of the 8 images, got 7"),
        ({"scores": Scores("s", (NAN,) * 8)}, r"^scores: expected finite numbers"),
        ({"rule": "x"}, r"^rule: expected one of"),
        ({"trained_beta": -1.0}, r"^trained_beta: expected a finite number"),
        ({"trained_beta": NAN}, r"^trained_beta: expected a finite number"),
        ({"images": IMAGES[:0], "sweep": Sweep((), 2), "scores": Scores("s", ())}, r"^sweep: it holds no realigned"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _pick(**changes)


@pytest.mark.parametrize(
    ("value", "text"),
    [(NAN, "unknown"), (math.inf, "∞"), (6666.67, "6667"), (125000.0, "125000"), (0.03125, "0.03125")],
)
def test_numbers_read_easily(value: float, text: str) -> None:
    assert number(value) == text


# The plot


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
    assert len(_csv(csv_text(report))) == len(_markdown(markdown(report))) == len(CASES[case])


def test_a_plot_leaves_matplotlib_s_settings_as_they_were() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.plot(_report(ROWS))
    assert dict(matplotlib.rcParams) == before
