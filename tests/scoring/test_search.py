"""The search for lambda: its model against dense linear algebra, what it promises, and how it fares on the fidelity benchmark's real scores."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from deradiff.nodes.scoring import block_model
from deradiff.nodes.scoring.block_model import BlockModel
from deradiff.nodes.scoring.found import Found
from deradiff.nodes.scoring.search import LEAST_BUDGET, Ask, Search, candidates
from deradiff.nodes.scoring.standing import standing

SAMPLES = Path(__file__).resolve().parents[2] / "benchmarks" / "fidelity" / "samples.csv"
MEASURED = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
Judge = Callable[[int, float], float]  # block, lambda -> score


def go(search: Search, judge: Judge) -> Found:
    while asks := search.round():
        for ask in asks:
            search.note(ask.block, {each: judge(ask.block, each) for each in ask.strengths})
    return search.result()


def noisy(peak: float, noise: float, seed: int = 0) -> Judge:
    """A peak of height 1 and width 0.35, a level for each block, and noise for each image."""

    def judge(block: int, strength: float) -> float:
        level = 5 * np.random.default_rng([seed, block]).standard_normal()
        each = np.random.default_rng([seed, block, round(1000 * strength)]).standard_normal()
        return float(np.exp(-(((strength - peak) / 0.35) ** 2)) + level + noise * each)

    return judge


def fidelity(weight: float) -> np.ndarray:
    """(540, 8): reward + weight x caption fidelity from the same noise at each of MEASURED."""
    with SAMPLES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ["reference 0 seed -1", *(f"realigned {strength:g} seed 0" for strength in MEASURED[1:])]
    names[5] = "retrained 1 seed 0"
    return np.array([[float(r[f"{n} reward"]) + weight * float(r[f"{n} fidelity"]) for n in names] for r in rows])


def _dense(strengths: tuple[float, ...], blocks: list[dict[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and standard deviation of f - f[0] by one dense Gaussian over all scores, a level of huge variance for each block."""
    places = np.array(strengths)
    apart = np.abs(places[:, None] - places) / np.ptp(places)

    def matern(length: float) -> np.ndarray:
        r = math.sqrt(5) * apart / length
        return (1 + r + r * r / 3) * np.exp(-r)

    where = [(b, place) for b, block in enumerate(blocks) for place in block]
    at, of = np.array([place for _, place in where]), np.array([b for b, _ in where])
    scores = np.array([blocks[b][place] for b, place in where])
    same = (of[:, None] == of).astype(float)
    free = len(scores) - len(blocks)
    contrast = np.eye(len(places)) - np.eye(len(places))[0]
    found = []
    for length in block_model.LENGTHS:
        for departure, share in block_model.DEPARTURES:
            curve = block_model.HEIGHT**2 * matern(length)
            own = (1 - share) * matern(departure) + share * np.eye(len(places))
            whole = curve[np.ix_(at, at)] + same * (own[np.ix_(at, at)] + 1e5)
            weights = np.linalg.solve(whole, scores)
            square = scores @ weights
            evidence = -0.5 * np.linalg.slogdet(whole)[1] - 0.5 * free * math.log(square)
            mean = contrast @ curve[:, at] @ weights
            spread = contrast @ (curve - curve[:, at] @ np.linalg.solve(whole, curve[at])) @ contrast.T
            found.append((evidence, mean, np.diag(spread) * square / max(free - 2, 1)))
    evidence = np.array([each[0] for each in found])
    share = np.exp(evidence - evidence.max())
    share /= share.sum()
    mean = sum(w * each[1] for w, each in zip(share, found, strict=True))
    square = sum(w * (each[2] + each[1] ** 2) for w, each in zip(share, found, strict=True))
    return mean, np.sqrt(square - mean**2)


def test_the_posterior_is_that_of_a_dense_gaussian() -> None:
    strengths = (0.0, 0.3, 0.5, 0.9, 1.5)
    judge = noisy(0.6, 0.3)
    sets = [(0, 2, 4)] * 4 + [(1, 2), (1, 3), (2, 3, 4), (0, 3)]
    blocks = [{place: judge(b, strengths[place]) for place in places} for b, places in enumerate(sets)]
    mean, spread = _dense(strengths, blocks)
    draws = BlockModel(strengths).posterior(blocks).draws
    draws = draws - draws[:, :1]
    error = spread[1:] / math.sqrt(block_model.DRAWS)
    assert (np.abs(draws.mean(0) - mean)[1:] < 4 * error).all()
    assert draws.std(0)[1:] == pytest.approx(spread[1:], rel=0.15)


def test_the_level_of_a_block_says_nothing_and_the_scale_of_scores_changes_nothing() -> None:
    judge, strengths = noisy(0.6, 0.3), candidates(0, 1.5)
    blocks = [{place: judge(b, strengths[place]) for place in (0, 10, 20, 30)} for b in range(6)]
    draws = BlockModel(strengths).posterior(blocks).draws
    moved = [{p: 100.0 * b + score for p, score in block.items()} for b, block in enumerate(blocks)]
    assert BlockModel(strengths).posterior(moved).draws == pytest.approx(draws, abs=1e-6)
    grown = [{p: 1000 * score for p, score in block.items()} for block in blocks]
    assert BlockModel(strengths).posterior(grown).draws == pytest.approx(1000 * draws, rel=1e-6, abs=1e-3)


def test_a_peak_is_found_and_settled() -> None:
    search = Search(candidates(0, 1.5), 128)
    found = go(search, noisy(0.6, 0.1))
    assert found.settled and found.chance >= 0.95 and found.more == 0 and found.images < 128
    assert abs(found.strength - 0.6) <= 0.15  # within it the peak falls by 15 % of its height
    assert found.alike is not None and found.alike[0] <= found.strength <= found.alike[1]
    assert found.strength in found.possible and 1.5 not in found.possible
    place = search.strengths.index(0.6)
    assert found.curve.low[place] < 1 - math.exp(-((0.6 / 0.35) ** 2)) < found.curve.high[place]


def test_what_is_missing_counts_the_blocks_that_the_best_must_have() -> None:
    """A held-out judge bounds the search late: what is best below was hardly looked at, however sure it is."""
    rising, falling = (lambda block, each: each + block), (lambda block, each: block - max(each - 0.3, 0.0))
    search = Search(candidates(0, 1.5), 48)
    while asks := search.round():
        for ask in asks:
            scores, second = ({each: judge(ask.block, each) for each in ask.strengths} for judge in (rising, falling))
            search.note(ask.block, scores, second)
    found = search.result()
    seen = sum(found.strength in scores for scores in search.scores.values())
    assert found.turning is not None and not found.settled and seen < 12 and found.more >= 12 - seen


@pytest.mark.parametrize(("budget", "blocks"), [(LEAST_BUDGET, 4), (64, 4), (128, 8), (1000, 12)])
def test_a_larger_budget_looks_longer_before_it_drops_anything(budget: int, blocks: int) -> None:
    first = Search(candidates(0, 1.5), budget).round()
    assert [ask.strengths for ask in first] == [(0.0, 0.5, 1.0, 1.5)] * blocks


def test_what_is_stated_takes_twice_the_evidence_of_the_model() -> None:
    """The curve and its noise need not be of the model's kind: with half of it, curves with two humps in large noise were stated too boldly."""
    strengths, judge = candidates(0, 1.5), noisy(0.6, 0.5)
    blocks = [{place: judge(b, strengths[place]) for place in (0, 10, 14, 30)} for b in range(8)]
    now = standing(BlockModel(strengths).posterior(blocks), 0.15)
    share = float(now.chances.max())
    assert 0.5 < share < 0.97 and now.chance == share**2
    assert now.effort(0.99 * share) > 1 and now.effort(share**2) == 1


def test_hopeless_lambdas_are_dropped_and_the_search_closes_in() -> None:
    search = Search(candidates(0, 1.5), 128)
    go(search, noisy(0.6, 0.3))
    later = [abs(each - 0.6) for ask in search.asks[12:] if ask.winner is None for each in ask.strengths]
    assert len(later) > 20 and np.median(later) <= 0.15
    assert np.mean([each > 0.5 for each in later]) < 0.2  # a third of the candidates lie as far away


def test_the_winner_is_scored_again_on_fresh_blocks() -> None:
    search = Search(candidates(0, 1.5), 96)
    found = go(search, noisy(0.6, 0.3))
    fresh = [ask for ask in search.asks if ask.winner == found.strength]
    assert found.gain is not None and found.gain.samples == len(fresh) >= 3
    apart = [search.scores[ask.block][found.strength] - search.scores[ask.block][0.0] for ask in fresh]
    assert found.gain.mean == pytest.approx(sum(apart) / len(apart))


def test_a_flat_curve_stays_undecided() -> None:
    """But for one time in twenty: the confidence is 95 %."""
    settled = 0
    for seed in range(20):
        found = go(Search(candidates(0, 1.5), 64), noisy(100.0, 1.0, seed))
        settled += found.settled
        if not found.settled:
            assert found.alike is None and found.images <= 64
            assert found.more > 0 and found.chance < 0.95 and len(found.possible) > 5
    assert settled <= 2


@pytest.mark.parametrize("budget", [LEAST_BUDGET, 26, 31, 40, 57])
def test_the_budget_is_kept(budget: int) -> None:
    for seed in range(4):
        search = Search(MEASURED, budget)
        found = go(search, noisy(0.7, 2.0, seed))
        assert found.images == search.spent <= budget
        assert found.settled or found.images > budget - 3
        assert [ask.block for ask in search.asks] == list(range(len(search.asks)))
        assert all(1 < len(ask.strengths) <= 4 and list(ask.strengths) == sorted(ask.strengths) for ask in search.asks)


def test_a_cancelled_search_goes_on_where_it_was() -> None:
    judge = noisy(0.8, 0.5)
    whole = Search(candidates(0, 1.5), 60)
    expected = go(whole, judge)
    search = Search(candidates(0, 1.5), 60)
    while asks := search.round():  # cancelled after every image
        ask = asks[0]
        search.note(ask.block, {ask.strengths[0]: judge(ask.block, ask.strengths[0])})
        search = Search.restored(json.loads(json.dumps(search.state())))
    assert search.asks == whole.asks and search.scores == whole.scores
    assert search.result() == expected


def test_a_larger_budget_goes_on() -> None:
    judge = noisy(0.8, 2.0)
    search = Search(candidates(0, 1.5), 40)
    assert not go(search, judge).settled
    more = Search.restored(search.state(), budget=80)
    assert go(more, judge).images > 70
    assert more.asks[: len(search.asks)] == search.asks


def test_what_is_missing_falls_as_images_come_in() -> None:
    strengths, judge = candidates(0, 1.5), noisy(0.6, 0.5)
    blocks = [{place: judge(b, strengths[place]) for place in (0, 8, 12, 16, 30)} for b in range(60)]
    few, many = (standing(BlockModel(strengths).posterior(blocks[:n]), 0.15) for n in (5, 60))
    assert 1 < few.effort(0.99) < math.inf
    assert many.effort(0.99) < few.effort(0.99)


def test_on_real_scores_a_good_lambda_is_found_with_a_quarter_of_a_grid_s_images() -> None:
    """reward + 8 x caption: a grid with independent means needs 512 images for 93 %; see benchmarks/search.md."""
    scores = fidelity(8)
    curve = scores.mean(0)
    good = curve >= curve.max() - 0.15 * np.ptp(curve)
    right, sure, alike = [], [], []
    for seed in range(60):
        order = np.random.default_rng(seed).integers(len(scores), size=128)
        found = go(Search(MEASURED, 128), lambda b, each, order=order: scores[order[b], MEASURED.index(each)])
        right.append(good[MEASURED.index(found.strength)])
        sure.append(found.settled)
        if found.alike is not None:
            alike.append(good[MEASURED.index(found.alike[0]) : MEASURED.index(found.alike[1]) + 1].all())
    assert np.mean(right) >= 0.9
    assert len(alike) == sum(sure) and np.mean(alike) >= 0.93
    assert sum(sure) > 20 and np.mean([each for each, settled in zip(right, sure, strict=True) if settled]) >= 0.93


def test_a_range_may_begin_below_zero() -> None:
    assert candidates(-0.5, 0.1) == (*(round(-0.5 + 0.02 * step, 6) for step in range(31)),)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, 0.5), (0.0, math.nan), (0.0, math.inf)])
def test_an_empty_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="range: expected"):
        candidates(low, high)


@pytest.mark.parametrize("ends", [(0, 1.5), (0, 1), (0.03, 0.42), (0, 3), (0.5, 0.53), (0, 47.0)])
def test_candidates_are_few_round_and_hold_both_ends(ends: tuple[float, float]) -> None:
    found = candidates(*ends)
    assert (found[0], found[-1]) == ends and 2 <= len(found) <= 33 and list(found) == sorted(set(found))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"budget": LEAST_BUDGET - 1},
            f"budget: a search needs at least {LEAST_BUDGET} images, got {LEAST_BUDGET - 1}",
        ),
        ({"confidence": 1.0}, "confidence: expected"),
        ({"confidence": math.nan}, "confidence: expected"),
        ({"indifference": 0.0}, "indifference: expected"),
        ({"strengths": (0.5,)}, "strengths: expected"),
        ({"strengths": (0.5, 0.5)}, "strengths: expected"),
    ],
)
def test_settings_that_no_search_can_have(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Search(**{"strengths": MEASURED, "budget": 64, **settings})


def test_scores_that_are_no_numbers_or_were_not_asked_for() -> None:
    search = Search(MEASURED, 64)
    with pytest.raises(ValueError, match="no scores yet"):
        search.result()
    ask = search.round()[0]
    assert isinstance(ask, Ask)
    with pytest.raises(ValueError, match=r"scorer: expected finite scores, got nan for an image at lambda"):
        search.note(0, {ask.strengths[0]: math.nan})
    with pytest.raises(ValueError, match="was not asked for"):
        search.note(0, {0.123: 1.0})
    assert search.spent == 0
