"""Paired differences: by hand, on the fidelity benchmark's real scores, and whether the stated confidence is kept."""

from __future__ import annotations

import csv
import itertools
import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from deradiff.nodes.scoring.paired import Difference, difference
from scipy import stats

SAMPLES = Path(__file__).resolve().parents[2] / "benchmarks" / "fidelity" / "samples.csv"
REALIGNED = (0.1, 0.25, 0.5, 0.75, 1.5, 2.0)


def test_a_difference_is_taken_sample_by_sample() -> None:
    found = difference((11.0, 22.0, 36.0), (10.0, 20.0, 30.0))  # 1, 2 and 6
    assert (found.mean, found.samples) == (3.0, 3)
    assert found.error == pytest.approx(math.sqrt((4 + 1 + 9) / 2) / math.sqrt(3))
    back = difference((10.0, 20.0, 30.0), (11.0, 22.0, 36.0))
    assert (back.mean, back.error) == (-3.0, found.error)
    assert found.chance + back.chance == pytest.approx(1)


def test_the_chance_is_that_of_scipy_s_paired_test() -> None:
    first, second = (3.1, 2.2, 5.6, 4.0), (2.9, 2.4, 4.1, 3.9)
    test = stats.ttest_rel(first, second, alternative="greater")
    assert difference(first, second).chance == pytest.approx(1 - test.pvalue)


def test_what_has_no_spread() -> None:
    assert difference((2.0, 5.0), (1.0, 4.0)) == Difference(1.0, 0.0, 2)
    assert [difference((2.0, 5.0), second).chance for second in ((1.0, 4.0), (2.0, 5.0), (3.0, 6.0))] == [1, 0.5, 0]
    single = difference((2.0,), (1.0,))
    assert single.mean == 1 and math.isnan(single.error) and math.isnan(single.chance)


@pytest.mark.parametrize("pair", [((1.0, 2.0), (1.0,)), ((), ())])
def test_what_is_no_pair_is_refused(pair: tuple) -> None:
    with pytest.raises(ValueError):
        difference(*pair)


def fidelity(seed: int) -> dict[float, list[float]]:
    """The benchmark's reward of 540 samples from the same noise at each lambda: 0 is the reference, 1 the aligned model."""
    with SAMPLES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {0.0: "reference 0 seed -1", 1.0: f"retrained 1 seed {seed}"}
    names |= {strength: f"realigned {strength:g} seed {seed}" for strength in REALIGNED}
    return {strength: [float(row[f"{name} reward"]) for row in rows] for strength, name in names.items()}


def test_on_real_scores_paired_differences_spread_less(record_property: Callable[[str, object], None]) -> None:
    """Standard deviations of the difference between two lambdas, paired and as if their samples were independent."""
    spreads = []
    for scores in map(fidelity, (0, 1)):
        assert {len(values) for values in scores.values()} == {540}
        for first, second in itertools.combinations(scores.values(), 2):
            paired = difference(first, second).error * math.sqrt(540)
            spreads.append((paired, math.sqrt(statistics.variance(first) + statistics.variance(second))))
    times = sorted(unpaired / paired for paired, unpaired in spreads)
    assert times[0] > 1.5 and times[len(times) // 2] > 3
    told = [f"{min(kind):.2f} to {max(kind):.2f}" for kind in zip(*spreads, strict=True)]
    less = f"{times[0]:.1f} to {times[-1]:.0f} times less, {times[len(times) // 2]:.1f} in the median"
    text = f"between two lambdas of the fidelity benchmark is {told[0]} paired, {told[1]} unpaired: {less}"
    record_property("figure", f"The standard deviation of the reward's difference {text}.")


NOISES: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda source: source.gauss(0, 1),
    "flat": lambda source: source.uniform(-1, 1),
    "heavy tails": lambda source: source.gauss(0, 1) / math.sqrt(source.gammavariate(2.5, 0.4)),
}


def _drawn(source: random.Random, noise: Callable[[random.Random], float], lead: float, samples: int) -> Difference:
    """Two lambdas whose scores share most of their noise, the first ahead by `lead`."""
    shared = [source.gauss(20, 3) for _ in range(samples)]
    return difference([each + lead + noise(source) for each in shared], [each + noise(source) for each in shared])


@pytest.mark.parametrize("samples", [2, 4, 16])
@pytest.mark.parametrize("noise", NOISES)
def test_a_confidence_of_95_percent_errs_in_5_of_100(noise: str, samples: int) -> None:
    """Of two given lambdas without a true difference: 4000 sweeps, so a standard error of 0.35 %."""
    source = random.Random(samples)
    chances = [_drawn(source, NOISES[noise], 0.0, samples).chance for _ in range(4000)]
    least = 0.0 if noise == "heavy tails" else 0.035  # cautious is no fault
    assert least <= statistics.fmean(chance >= 0.95 for chance in chances) <= 0.062
    assert statistics.fmean(chance <= 0.05 for chance in chances) <= 0.062
    assert statistics.fmean(chances) == pytest.approx(0.5, abs=0.02)


def test_on_real_differences_too_the_confidence_is_kept() -> None:
    """Eight of the benchmark's 540 samples, moved so that their true difference is 0, at lambdas up to 1; beyond, skewed rewards err more."""
    source, wrong = random.Random(1), []
    scores = [values for strength, values in fidelity(0).items() if strength <= 1]
    for first, second in itertools.combinations(scores, 2):
        apart = [one - other for one, other in zip(first, second, strict=True)]
        centred = [each - statistics.fmean(apart) for each in apart]
        chances = [difference(source.choices(centred, k=8), (0.0,) * 8).chance for _ in range(1000)]
        wrong += [statistics.fmean(chance >= 0.95 for chance in chances)]
        wrong += [statistics.fmean(chance <= 0.05 for chance in chances)]
    assert len(wrong) == 30
    assert statistics.fmean(wrong) <= 0.055 and max(wrong) <= 0.08


def test_pairs_find_what_independent_samples_would_not() -> None:
    """A lead of one standard deviation of the pairs' own noise, hidden in the noise that they share."""
    source = random.Random(0)
    found = [_drawn(source, NOISES["normal"], 1.5, 8) for _ in range(1000)]
    assert statistics.fmean(each.chance >= 0.95 for each in found) > 0.8
    unpaired = math.sqrt(2 * (3**2 + 1) / 8)
    assert statistics.fmean(each.mean > 1.86 * unpaired for each in found) < 0.2
