"""Whether the search finds a good lambda, with how few images, and whether it is as sure as it may be.
Run by `make search`; writes benchmarks/search.md, search.png and search.csv. Resumable: what search.csv holds is not run again.
"""

from __future__ import annotations

import conftest  # noqa: F401  imports the pack

# isort: split
import argparse
import csv
import sys
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import search_report
from deradiff.nodes.scoring.search import Search
from search_report import Tried
from search_subjects import Subject, subjects

HERE = Path(__file__).parent
INDIFFERENCE, CONFIDENCE = 0.15, 0.95
BUDGETS = (64, 128)
SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # images of each lambda of the fixed grid


def searched(subject: Subject, budget: int) -> Tried:
    """Searches on as many draws of the subject."""
    rows = []
    for seed in range(subject.repetitions):
        source = np.random.default_rng(seed)
        curve = subject.curve(source)
        scores = subject.scores(source, curve, budget, list(range(len(curve))))
        places = {strength: place for place, strength in enumerate(subject.strengths)}
        search = Search(subject.strengths, budget, CONFIDENCE, INDIFFERENCE)
        while asks := search.round():
            for ask in asks:
                search.note(ask.block, {each: float(scores[ask.block, places[each]]) for each in ask.strengths})
        found = search.result()
        good = curve >= curve.max() - INDIFFERENCE * np.ptp(curve)
        best = places[found.strength]
        apart = curve - curve[0]
        inside = (np.array(found.curve.low) <= apart + 1e-9) & (apart <= np.array(found.curve.high) + 1e-9)
        rows.append((good[best], found.images, found.settled, found.chance, inside[1:].mean()))
    right, images, settled, stated, inside = np.array(rows, dtype=float).T
    sure = settled > 0
    return Tried(
        subject.name,
        subject.noise,
        budget,
        subject.repetitions,
        right.mean(),
        images.mean(),
        sure.mean(),
        right[sure].mean() if sure.any() else np.nan,
        stated.mean(),
        inside.mean(),
        needed(subject, right.mean(), paired=False),
        needed(subject, right.mean(), paired=True),
    )


def needed(subject: Subject, chance: float, paired: bool) -> float:
    """Images with which the highest mean of a fixed grid is good enough with this chance; infinite if the largest grid is not.

    paired: all lambdas of the grid share their blocks, else each has its own.
    """
    before = (0.0, 0.0)
    for size in SIZES:
        now = (size * len(subject.grid), _grid_chance(subject, size, paired))
        if now[1] >= chance:
            share = 1.0 if before[0] == 0 else (chance - before[1]) / max(now[1] - before[1], 1e-9)
            return before[0] + share * (now[0] - before[0])
        before = now
    return np.inf


_CHANCES: dict[tuple, float] = {}


def _grid_chance(subject: Subject, size: int, paired: bool) -> float:
    key = (subject.name, subject.noise, size, paired)
    if key not in _CHANCES:
        _CHANCES[key] = float(
            np.mean([_grid_is_right(subject, size, paired, seed) for seed in range(subject.repetitions)])
        )
    return _CHANCES[key]


def _grid_is_right(subject: Subject, size: int, paired: bool, seed: int) -> bool:
    grid, source = list(subject.grid), np.random.default_rng([seed, size])
    curve = subject.curve(source)
    parts = [grid] if paired else [[place] for place in grid]
    means = np.concatenate([subject.scores(source, curve, size, part).mean(0) for part in parts])
    best = grid[int(means.argmax())]
    return bool(curve[best] >= curve.max() - INDIFFERENCE * np.ptp(curve))


def _read(path: Path) -> list[Tried]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Tried(row["subject"], row["noise"], *(float(row[field.name]) for field in fields(Tried)[2:]))
            for row in csv.DictReader(file)
        ]


def _write(path: Path, rows: list[Tried]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Tried)])
        writer.writerows([f"{cell:.5g}" if isinstance(cell, float) else cell for cell in astuple(row)] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    path = options.out / "search.csv"
    wanted = {(subject.name, subject.noise): subject.repetitions for subject in subjects()}
    rows = [row for row in _read(path) if row.repetitions == wanted.get((row.subject, row.noise))]
    done = {(row.subject, row.noise, row.budget) for row in rows}
    for subject in subjects():
        for budget in BUDGETS:
            if (subject.name, subject.noise, budget) not in done:
                rows.append(searched(subject, budget))
                _write(path, rows)
                sys.stdout.write(f"{rows[-1]}\n")
                sys.stdout.flush()
    search_report.write(rows, options.out)


if __name__ == "__main__":
    main()
