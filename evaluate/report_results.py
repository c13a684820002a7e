"""The table of an evaluation as what the pack's statistics take: for each judge a row at every lambda, sample by sample.

A sample is a prompt, averaged over its seeds: the seeds of one prompt are no independent evidence of how others would do. Where there is one
prompt alone, a sample is a seed.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
from deradiff.nodes.scoring.choice import Row
from deradiff.nodes.scoring.paired import SURE, Difference, difference

from .rows import INTERPOLATED, REALIGNED
from .store import SCORE

Record = dict[str, Any]
Block = dict["Arm", Record]  # of one prompt and seed
_ENOUGH = 0.5  # of the blocks of the most common lambda: a lambda that has fewer is left out rather than the blocks without it


@dataclass(frozen=True, order=True)
class Arm:
    """A method at a lambda: what the samples are compared between."""

    interpolated: bool
    strength: float

    @property
    def method(self) -> str:
        return INTERPOLATED if self.interpolated else REALIGNED

    def __str__(self) -> str:
        return f"\u03bb = {self.strength:g}" + (" (weights)" if self.interpolated else "")


@dataclass(frozen=True)
class Results:
    """judges: those that choose, then those held out. worked, failed: the table's rows. arms: those that are compared; left_out: those with too few blocks so far. samples: of each prompt (or seed) its blocks."""

    judges: tuple[str, ...]
    held_out: tuple[str, ...]
    worked: list[Record]
    failed: list[Record]
    arms: tuple[Arm, ...]
    left_out: tuple[Arm, ...]
    samples: dict[int, list[Block]]
    by_seed: bool
    _known: dict[tuple[Arm, str], tuple[float, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def every_judge(self) -> tuple[str, ...]:
        return self.judges + self.held_out

    @cached_property
    def realigned(self) -> tuple[Arm, ...]:
        return tuple(arm for arm in self.arms if not arm.interpolated)

    @property
    def blocks(self) -> int:
        """How many pairs of prompt and seed are complete."""
        return sum(map(len, self.samples.values()))

    def scores(self, judge: str, arm: Arm) -> tuple[float, ...]:
        """One for each sample, in their order."""
        return self._means(arm, SCORE + judge)

    def rows(self, judge: str, held_out: str = "") -> list[Row]:
        """What a choice is made of. held_out: the second judge, "" for none."""
        return [
            Row(
                arm.strength,
                self.scores(judge, arm),
                self._means(arm, "kl"),
                statistics.fmean(self._means(arm, "seconds")),
                not arm.interpolated,
                held_out=self.scores(held_out, arm) if held_out else (),
            )
            for arm in self.arms
        ]

    def gain(self, judge: str, arm: Arm) -> Difference:
        """Of an arm's samples over those at the lowest lambda, each with its own."""
        return difference(self.scores(judge, arm), self.scores(judge, self.realigned[0]))

    def _means(self, arm: Arm, column: str) -> tuple[float, ...]:
        """Of each sample's blocks. Kept: every plot and table asks for them."""
        if (arm, column) not in self._known:
            each = self.samples.values()
            self._known[arm, column] = tuple(
                statistics.fmean(_number(block[arm][column]) for block in blocks) for blocks in each
            )
        return self._known[arm, column]


def band(gain: Difference) -> tuple[float, float]:
    """The two-sided confidence interval of a mean difference, by the t distribution; NaN from one sample."""
    from scipy.special import stdtrit

    if math.isnan(gain.error):
        return math.nan, math.nan
    reach = float(stdtrit(gain.samples - 1, (1 + SURE) / 2)) * gain.error
    return gain.mean - reach, gain.mean + reach


def read(table: pa.Table, held_out: Sequence[str] = ()) -> Results:
    """table: as store.read gives it, of a run that may still go on. Raises ValueError for a held-out judge that is not in it."""
    columns = [name.removeprefix(SCORE) for name in table.column_names if name.startswith(SCORE)]
    missing = [name for name in held_out if name not in columns]
    if missing or not columns:
        raise ValueError(
            f"report: the table has no scores by {', '.join(missing) or 'any judge'}. It has {', '.join(columns) or 'none'}."
        )
    records = table.to_pylist()
    worked = [record for record in records if record["error"] is None and _is_scored(record, columns)]
    arms, left_out = _arms(worked)
    samples, by_seed = _samples(worked, arms)
    return Results(
        tuple(name for name in columns if name not in held_out),
        tuple(held_out),
        worked,
        [record for record in records if record["error"] is not None],
        arms,
        left_out,
        samples,
        by_seed,
    )


def _is_scored(record: Record, judges: Iterable[str]) -> bool:
    return all(math.isfinite(_number(record[SCORE + judge])) for judge in judges)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def arm_of(record: Record) -> Arm:
    return Arm(record["method"] != REALIGNED, record["lambda"])


def _arms(worked: Iterable[Record]) -> tuple[tuple[Arm, ...], tuple[Arm, ...]]:
    """Those that are compared, and those that have too few rows for that."""
    counts = Counter(map(arm_of, worked))
    least = _ENOUGH * max(counts.values(), default=0)
    return tuple(sorted(arm for arm in counts if counts[arm] >= least)), tuple(
        sorted(arm for arm in counts if counts[arm] < least)
    )


def _samples(worked: Iterable[Record], arms: Sequence[Arm]) -> tuple[dict[int, list[Block]], bool]:
    """The complete blocks by prompt, or by seed where there is one prompt; and which of the two."""
    blocks: dict[tuple[int, int], Block] = defaultdict(dict)
    for record in worked:
        blocks[record["prompt"], record["seed"]][arm_of(record)] = record
    complete = {name: block for name, block in sorted(blocks.items()) if all(arm in block for arm in arms)}
    by_seed = len({prompt for prompt, _ in complete}) == 1
    samples: dict[int, list[Block]] = defaultdict(list)
    for (prompt, seed), block in complete.items():
        samples[seed if by_seed else prompt].append(block)
    return dict(samples), by_seed
