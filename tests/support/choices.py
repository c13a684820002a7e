"""Scored sweeps to choose a lambda from, and the table and CSV of a choice read back."""

from __future__ import annotations

import csv
import io
import math

import torch
from deradiff.nodes.pick import DeRaDiffPickLambda
from deradiff.nodes.scoring import choice
from deradiff.nodes.scoring.choice import Row
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Entry, Scores, Sweep

HIGHEST, BUDGET, ONE_ERROR, BEFORE_TURNING = choice.RULES
OF_ONE_JUDGE = (HIGHEST, BUDGET, ONE_ERROR)
NAN = math.nan


def row(strength: float, *scores: float, kl: float = 1.0, contender: bool = True, off: float | None = None) -> Row:
    """A lambda whose samples have these scores, and all of them this KL, which may be off by `off`."""
    errors = () if off is None else (off,) * len(scores)
    return Row(strength, scores, (kl,) * len(scores), 1.5, contender, errors)


# Mean 2, 4 and 4.5; standard error of the last 0.5 (standard deviation 1, four samples).
ROWS = [
    row(0.0, 2, 2, 2, 2, kl=NAN),
    row(0.5, 4, 4, 4, 4, kl=10),
    row(1.0, 3.5, 4.5, 4.5, 5.5, kl=NAN),
    row(1.5, 1, 2, 3, 4, kl=90),
]

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


def pick(rule: str = HIGHEST, **changes: object) -> tuple:
    """The outputs of the pack's node for that sweep."""
    inputs = {
        "images": IMAGES,
        "sweep": SWEEP,
        "scores": SCORES,
        "rule": rule,
        "kl_budget": 6.0,
        "trained_beta": 5000.0,
    }
    return DeRaDiffPickLambda.execute(**(inputs | changes)).args


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def read_markdown(text: str) -> list[dict[str, str]]:
    """The rows of the table by their heads, without bold; a bar in a cell as a slash."""
    lines = [line.replace("\\|", "/") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]
    assert cells[1] == ["---"] * len(cells[0])
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]
