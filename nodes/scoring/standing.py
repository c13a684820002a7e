"""How a search stands: which lambda is best, how sure that is, what could still overturn it, and where to look next.

Every statement is a share of the posterior's draws. A lambda is good enough in a draw if it falls short of that curve's maximum by at most
the indifference, a part of the distance between that curve's minimum and maximum. May import numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .block_model import Posterior

_TIE = 0.05  # how much surer another lambda must be to take the place of one that was confirmed on fresh blocks


@dataclass(frozen=True)
class Standing:
    """The state of a search.

    best: place of the lambda that is most surely good enough, the highest of several. chances: (G,), that each is good enough. rivals: (G,), the
    shares of the draws that speak against the best in which each lambda has the maximum.
    """

    posterior: Posterior
    indifference: float
    best: int
    chances: np.ndarray
    rivals: np.ndarray

    @property
    def chance(self) -> float:
        """That the best is good enough, as it may be stated."""
        return _stated(self.chances[self.best])

    @property
    def rival(self) -> int:
        """The place that most of the doubt is about."""
        others = self.rivals.copy()
        others[self.best] = -1
        return int(others.argmax())

    def alike(self, least: float) -> tuple[int, int]:
        """First and last place of an unbroken run of candidates around the best that are all good enough at once with this chance.

        It grows to the side that keeps the chance highest. The best alone where even that has less.
        """
        good = self.posterior.draws >= _needed(self.posterior.draws, self.indifference)[:, None]
        first = last = self.best
        while True:
            wider = [(first - 1, last)] * (first > 0) + [(first, last + 1)] * (last + 1 < good.shape[1])
            chances = {ends: float(good[:, ends[0] : ends[1] + 1].all(1).mean()) for ends in wider}
            ends = max(chances, key=chances.__getitem__, default=None)
            if ends is None or chances[ends] < least:
                return first, last
            first, last = ends

    def effort(self, least: float) -> float:
        """How many times the images so far it would take until the best is good enough with this chance, were the posterior's mean the truth.

        The spread of the draws shrinks with the root of the images. Infinite where the best would not reach the chance.
        """
        draws = self.posterior.draws - self.posterior.draws[:, :1]
        middle = draws.mean(0)
        for times in np.geomspace(1.0, 64.0, 49):
            chances = _chances(middle + (draws - middle) / np.sqrt(times), self.indifference)
            if _stated(chances[self.best]) >= least:
                return float(times)
        return float("inf")

    def next_places(self, most: int) -> list[int]:
        """The best and what could overturn it, for the next blocks: the rivals at even quantiles of their shares, so that rivals that are
        all of one kind are refined, and what speaks against nothing is dropped. Two to `most` places, rising.
        """
        quantiles = (np.arange(most - 1) + 0.5) / (most - 1)
        rivals = np.searchsorted(np.cumsum(self.rivals), quantiles).clip(max=len(self.rivals) - 1)
        places = {self.best, *map(int, rivals)}
        return sorted(places if len(places) > 1 else {self.best, self.rival})


def standing(posterior: Posterior, indifference: float, confirmed: int | None = None) -> Standing:
    """The state that a posterior means. confirmed: the place that fresh blocks were sampled for, which stays the best unless another is clearly surer."""
    draws = posterior.draws
    chances = _chances(draws, indifference)
    best = int(
        np.lexsort((-np.arange(draws.shape[1]), draws.mean(0), chances))[-1]
    )  # equally sure: the highest; equal: the lowest lambda
    if confirmed is not None and confirmed < len(chances) and chances[confirmed] >= chances[best] - _TIE:
        best = confirmed
    against = draws[:, best] < _needed(draws, indifference)
    leaders = draws.argmax(1)[against if against.any() else slice(None)]
    rivals = np.bincount(leaders, minlength=draws.shape[1]) / len(leaders)
    return Standing(posterior, indifference, best, chances, rivals)


def falling(posterior: Posterior, least: float) -> tuple[int, int] | None:
    """The place of the highest mean, and the first above it that is lower with a chance of at least `least`; None if there is none."""
    draws = posterior.draws
    peak = int(draws.mean(0).argmax())
    lower = (draws[:, peak + 1 :] < draws[:, peak : peak + 1]).mean(0) >= least
    return (peak, peak + 1 + int(lower.argmax())) if lower.any() else None


def _stated(share: float) -> float:
    """What may be stated of a share of the draws: that two of them say so, not one. About twice the doubt: the curve and its noise need not be of the
    model's kind, and a search that looks after every round stops at the first look that pleases.
    """
    return float(share) ** 2


def _needed(draws: np.ndarray, indifference: float) -> np.ndarray:
    """(DRAWS,), what is good enough in each."""
    highest = draws.max(1)
    return highest - indifference * (highest - draws.min(1))


def _chances(draws: np.ndarray, indifference: float) -> np.ndarray:
    return (draws >= _needed(draws, indifference)[:, None]).mean(0)
