"""What is to be made: one row for each image, and the plan that yields them as they are asked for.
Knows neither Ray nor ComfyUI.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from deradiff.nodes.runs import prompt_files

REALIGNED, INTERPOLATED = "realigned", "interpolated"  # as on the wires
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Row:
    """One image to make: a prompt of the file, a seed, a lambda and a method.

    prompt: its number in the file. negative: "" leaves the workflow's own. tags: what the file says the prompt is about.
    """

    prompt: int
    text: str
    negative: str
    tags: str
    seed: int
    strength: float
    method: str = REALIGNED

    @property
    def key(self) -> str:
        """Its name in the table and among the files: numbers and a digest, whatever the prompt says."""
        exact = json.dumps([self.prompt, self.text, self.negative, self.seed, self.strength, self.method])
        digest = hashlib.sha256(exact.encode()).hexdigest()[:12]
        return f"{self.prompt:06d}-{self.seed}-{self.strength:g}-{digest}"

    @property
    def columns(self) -> dict[str, Any]:
        """What the table says of it before it is made."""
        values = asdict(self)
        strength = values.pop("strength")
        return {"key": self.key, **values, "lambda": strength}


Group = tuple[Row, ...]


@dataclass(frozen=True)
class Plan:
    """Every prompt at every seed, lambda and method. Rows are made when they are asked for, never listed."""

    prompts: Sequence[prompt_files.Prompt]
    seeds: range
    strengths: tuple[float, ...]
    methods: tuple[str, ...] = (REALIGNED,)

    def __len__(self) -> int:
        return len(self.prompts) * len(self.seeds) * len(self.strengths) * len(self.methods)

    def groups(self, done: Container[str] = ()) -> Iterator[Group]:
        """The rows whose key is not done: those of one prompt and seed together, every prompt before the next seed."""
        for seed, (number, prompt) in product(self.seeds, enumerate(self.prompts)):
            rows = (
                Row(number, prompt.text, prompt.negative, prompt.tag, seed, strength, method)
                for method, strength in product(self.methods, self.strengths)
            )
            if group := tuple(row for row in rows if row.key not in done):
                yield group


def plan(
    prompts: Path,
    strengths: tuple[float, ...],
    seeds: int,
    first_seed: int = 0,
    column: str = "",
    draw: int = 0,
    baseline: bool = False,
) -> Plan:
    """What the command's options ask for. Raises ValueError that says which of them cannot be used."""
    if not prompts.is_file():
        raise ValueError(f"--prompts: there is no file {prompts}. Name a text, CSV, TSV or JSON file of prompts.")
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"--seeds: expected a number of seeds from 1 to {MOST_SEEDS}, got {seeds}.")
    if not 0 <= first_seed < 2**63:
        raise ValueError(f"--first-seed: expected a seed from 0 to 2^63 - 1, got {first_seed}.")
    if draw < 0:
        raise ValueError(f"--draw: expected a number of prompts, 0 for all, got {draw}.")
    found = prompt_files.from_file(prompts, column)
    found = prompt_files.drawn(found, draw, seed=0) if draw else found
    methods = (REALIGNED, INTERPOLATED) if baseline else (REALIGNED,)
    return Plan(found, range(first_seed, first_seed + seeds), strengths, methods)
