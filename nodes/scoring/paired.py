"""Comparing two lambdas of a sweep sample by sample: sample i of every lambda starts from the same noise, so the scores come in pairs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SURE = 0.95  # the least confidence at which one lambda is said to beat another


@dataclass(frozen=True)
class Difference:
    """The scores of one lambda less those of another, sample by sample, in the scorer's units.

    mean: of the differences. error: the standard error of that mean, NaN for a single sample. samples: their number.
    """

    mean: float
    error: float
    samples: int

    @property
    def chance(self) -> float:
        """The confidence, 0 to 1, that the first lambda is truly the better one: one less the p-value of a one-sided paired t test.

        NaN for a single sample. Differences that are all equal leave no doubt: 1 or 0, and 0.5 if all are 0.
        """
        from scipy.special import stdtr

        if math.isnan(self.error):
            return math.nan
        if self.error == 0:
            return 0.5 if self.mean == 0 else float(self.mean > 0)
        return float(stdtr(self.samples - 1, self.mean / self.error))


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The scores of the first lambda less those of the second. Raises ValueError if they are not as many, or none."""
    apart = [one - other for one, other in zip(first, second, strict=True)]
    if not apart:
        raise ValueError("Expected at least one pair of scores, got none.")
    error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
    return Difference(statistics.fmean(apart), error, len(apart))
