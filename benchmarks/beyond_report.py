"""What benchmarks/beyond.py found, as text: one table for each pair, and each guarded row beside lambda alone at the same reward."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DEMO, DRAWINGS = "demo", "drawings, beta 0.125"
REFERENCE, PLAIN, RETRAINED = "reference", "lambda alone", "trained at beta / lambda"
GUARDED, ALIGNED = "cap", "temporal alignment"
FOUND = (
    "## What came out",
    "",
    "* **The guard keeps a high lambda usable, mostly as a lower lambda would.** At an equal reward the caption is about as well shown as by lambda alone. On the "
    "drawings the images are clearly sharper than those, on the demo pair softer.",
    "* **Temporal alignment does what it is for, and it does not help.** It brings the latents back to their noise level (the time gap falls by up to a half), and "
    "reward, caption and sharpness stay as they were, within the intervals or near them. Its nodes are called experimental for this reason.",
    "* **Epsilon Scaling at its default changes nothing** on these pairs.",
    "* **The parallel part and momentum do not help**: the caption is worse than by lambda alone at the same reward, or the same.",
    "",
    'Lambda 1.5 of the demo pair, three seeds of "a purple triangle on a white background" (the workflow *Beyond training*):',
    "",
    "![Lambda 1.5 four ways](../demo/workflows/Beyond%20training%20%28demo%20pair%29.jpg)",
)
MEASURED = ("reward", "caption", "sharpness", "colourfulness", "contrast", "time gap")
DIGITS = {"sharpness": 0, "colourfulness": 0}


@dataclass(frozen=True)
class Row:
    """One method at one lambda. found: mean and standard error of each measure."""

    pair: str
    method: str
    strength: float
    found: Mapping[str, tuple[float, float]]

    def line(self) -> str:
        cells = [f"{mean:.{d}f} ± {1.96 * off:.{d}f}" if off else f"{mean:.{d}f}" for mean, off, d in self._cells()]
        return f"| {self.strength:g} | {self.method} | {' | '.join(cells)} |"

    def _cells(self) -> Iterator[tuple[float, float, int]]:
        for name in MEASURED:
            yield *self.found[name], DIGITS.get(name, 3)


def append(row: Row, table: Path) -> None:
    """One more line of the table, which is begun with its names."""
    fresh = not table.exists()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(
                ["pair", "method", "lambda", *(f"{name}{part}" for name in MEASURED for part in ("", " off"))]
            )
        writer.writerow(
            [row.pair, row.method, row.strength, *(value for name in MEASURED for value in row.found[name])]
        )


def read(table: Path) -> list[Row]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Row(
            row["pair"],
            row["method"],
            float(row["lambda"]),
            {n: (float(row[n]), float(row[f"{n} off"])) for n in MEASURED},
        )
        for row in rows
    ]


def _place(row: Row) -> tuple[int, float, str]:
    """Lambda alone first, then method by method, each from its lowest lambda."""
    first = [REFERENCE, PLAIN, RETRAINED]
    return (
        (first.index(row.method), row.strength, "") if row.method in first else (len(first), row.strength, row.method)
    )


def _at_reward(plain: Sequence[Row], reward: float, name: str) -> float:
    """A measure of lambda alone where it has this reward, between two lambdas that were measured."""
    rows = sorted(plain, key=lambda row: row.found["reward"][0])
    return float(np.interp(reward, [row.found["reward"][0] for row in rows], [row.found[name][0] for row in rows]))


def _beside(rows: Sequence[Row]) -> Iterator[str]:
    plain = [row for row in rows if row.method in (REFERENCE, PLAIN)]
    names = ("caption", "sharpness", "colourfulness", "contrast")
    yield f"| lambda | method | reward | {' | '.join(names)} |"
    yield "|---" * (len(names) + 3) + "|"
    for row in rows:
        if row in plain:
            continue
        reward = row.found["reward"][0]
        cells = []
        for name in names:
            digits = DIGITS.get(name, 3)
            cells.append(f"{row.found[name][0]:.{digits}f} / {_at_reward(plain, reward, name):.{digits}f}")
        yield f"| {row.strength:g} | {row.method} | {reward:.3f} | {' | '.join(cells)} |"


def text(rows: Sequence[Row]) -> str:
    lines = [
        "# Beyond lambda 1",
        "",
        "What keeps the images usable where lambda is above 1? Each pair is sampled by euler in 20 steps from two seeds: 24 images of the demo pair at cfg 3, 180 of the drawings at cfg 1. Reward: warmth, which the aligned model was "
        "trained for. Caption: how sure a judge that the training never saw is that the image shows its caption, 0 to 1. Sharpness, colourfulness and contrast "
        "are the pack's own measures, good where they are near the reference's. Means with 95 % intervals. `make beyond` makes it anew.",
        "",
        "* *cap*: the guard, |D - D_r| <= cap |D_r| for each branch and step.",
        "* *without the parallel part*, *momentum*: the other two means of adaptive projected guidance (arXiv 2410.02416) on the same difference.",
        "* *Epsilon Scaling*: ComfyUI's node at its default, 1.005.",
        "* *temporal alignment*: at strength 1 and 10, with a time predictor of the pair (arXiv 2510.11057). Time gap: how far the first run's latents are from as "
        "noisy as they should be, in log(noise / signal).",
        "* *trained at beta / lambda*: the model that lambda stands for, where the fidelity benchmark trained one.",
    ]
    lines += ["", *FOUND]
    for pair in dict.fromkeys(row.pair for row in rows):
        own = sorted((row for row in rows if row.pair == pair), key=_place)
        lines += [
            "",
            f"## {pair}",
            "",
            f"| lambda | method | {' | '.join(MEASURED)} |",
            "|---" * (len(MEASURED) + 2) + "|",
        ]
        lines += [row.line() for row in own]
        lines += [
            "",
            "The same, each beside lambda alone at the lambda where it has the same reward (method / lambda alone):",
            "",
        ]
        lines += _beside(own)
    return "\n".join(lines) + "\n"
