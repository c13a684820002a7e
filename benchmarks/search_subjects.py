"""What the search is tried on: real scores of a trained pair, and simulated curves with noise of three sizes.

A subject gives the true curve and the scores of as many blocks as are asked for. The simulated blocks are not drawn from the search's own model: a block
departs from the curve by a slope and a wave, so by more at larger lambdas, and each image by noise with heavy tails.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SAMPLES = Path(__file__).with_name("fidelity") / "samples.csv"
MEASURED = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
LOW, HIGH = 0.0, 1.5
CANDIDATES = tuple(round(0.05 * step, 2) for step in range(31))
GRID = tuple(range(0, 31, 5))  # the lambdas of the fixed grid, 0:1.5:0.25, by their places
REAL_REPETITIONS = 4000  # where 99 % are right, what a grid needs for that hangs on the tenths
NOISES = {"small": 0.25, "medium": 0.5, "large": 1.0}


@dataclass(frozen=True)
class Subject:
    """curve: random numbers -> the true curve, (G,). scores: (random numbers, curve, blocks, places) -> (blocks, len(places)), from it.

    grid: the places that a fixed grid would sample. repetitions: of the search, and of each grid.
    """

    name: str
    noise: str
    strengths: tuple[float, ...]
    grid: tuple[int, ...]
    curve: Callable[[np.random.Generator], np.ndarray]
    scores: Callable[[np.random.Generator, np.ndarray, int, list[int]], np.ndarray]
    repetitions: int = 1000


def real(weight: float) -> Subject:
    """reward + weight x caption fidelity of the fidelity benchmark's 540 samples: their mean is the true curve, blocks are drawn from them."""
    with SAMPLES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ["reference 0 seed -1", *(f"realigned {strength:g} seed 0" for strength in MEASURED[1:])]
    names[MEASURED.index(1.0)] = "retrained 1 seed 0"
    columns = [
        [float(row[f"{each} reward"]) + weight * float(row[f"{each} fidelity"]) for row in rows] for each in names
    ]
    measured = np.array(columns).T

    def scores(source: np.random.Generator, curve: np.ndarray, blocks: int, places: list[int]) -> np.ndarray:
        return measured[source.integers(len(measured), size=blocks)][:, places]

    name = f"fidelity: reward + {weight:g} x caption"
    grid = tuple(range(len(MEASURED)))
    return Subject(name, "real", MEASURED, grid, lambda source: measured.mean(0), scores, REAL_REPETITIONS)


def _peaked(source: np.random.Generator, strengths: np.ndarray) -> np.ndarray:
    return np.exp(-(((strengths - source.uniform(0.3, 1.2)) / 0.35) ** 2))


def _flat(source: np.random.Generator, strengths: np.ndarray) -> np.ndarray:
    return np.zeros_like(strengths)


def _monotone(source: np.random.Generator, strengths: np.ndarray) -> np.ndarray:
    rising = np.tanh(strengths * source.uniform(0.5, 2.0))
    return rising if source.random() < 0.7 else -rising


def _humps(source: np.random.Generator, strengths: np.ndarray) -> np.ndarray:
    """One at 0.35 and one at 1.15, one of them a quarter lower."""
    heights = source.permutation([1.0, 0.75])
    return sum(
        height * np.exp(-(((strengths - place) / 0.25) ** 2))
        for height, place in zip(heights, (0.35, 1.15), strict=True)
    )


CURVES = {"peaked": _peaked, "flat": _flat, "monotone": _monotone, "two humps": _humps}


def simulated(name: str, noise: str) -> Subject:
    """A curve of CURVES, from its lowest to its highest 1 (but for the flat one), with noise of a size of NOISES."""
    strengths, size, shape = np.array(CANDIDATES), NOISES[noise], CURVES[name]

    def curve(source: np.random.Generator) -> np.ndarray:
        raw = shape(source, strengths)
        return raw / (np.ptp(raw) or 1.0)

    def scores(source: np.random.Generator, curve: np.ndarray, blocks: int, places: list[int]) -> np.ndarray:
        at = strengths[places]
        level, slope, wave = source.standard_normal((3, blocks, 1))
        phase = source.uniform(0, 2 * np.pi, (blocks, 1))
        each = source.standard_t(4, (blocks, len(places))) / np.sqrt(2)
        return curve[places] + size * (level + slope * at / HIGH + 0.7 * wave * np.sin(np.pi * at + phase) + 0.5 * each)

    return Subject(name, noise, CANDIDATES, GRID, curve, scores)


def subjects() -> list[Subject]:
    """A flat curve has no scale of its own, and is the same at every noise."""
    curves = [(name, noise) for name in CURVES for noise in NOISES if name != "flat" or noise == "medium"]
    return [real(5), real(8), *(simulated(*each) for each in curves)]
