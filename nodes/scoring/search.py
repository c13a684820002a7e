"""The search for the best lambda: what to sample next, when to stop, and what may be said then.

It knows nothing of images: a sampling run asks `round()` what to sample, tells it the scores by `note()`, and reads `result()`. All that it
decides follows from what it asked and was told, so `state()` holds the whole of it, and a search that was cancelled goes on from there.

1. A few blocks (a prompt and a seed: the same noise at every lambda) at lambdas spread over the range, more of them where the budget is larger.
2. A model of the curve from the differences within blocks (block_model.py), a look at what could overturn the best lambda (standing.py), and a
   round of blocks at the best and those rivals. Hopeless lambdas are not asked for again, and the rivals close in on the best.
3. Once the best is good enough with the confidence that was asked for, or little of the budget is left, fresh blocks of it, the lowest lambda and
   the strongest rival: the score of a winner is too high, as it was chosen for it. If they overturn it, on with 2.
4. A held-out judge, if there is one, does not choose. Where its scores surely fall (held_out.py), larger lambdas are left out of all of this.

Why not Optuna or another general optimiser: they model evaluations of one objective that know nothing of each other. That all lambdas of a block share
their noise, the greatest saving here, cannot be told to them, and they say neither how sure the answer is nor how many images are missing. What
is needed instead is a page of linear algebra over one variable, on what ComfyUI ships. May import numpy.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from .block_model import BlockModel, Posterior
from .found import Curve, Found
from .held_out import Turning
from .paired import Difference, difference
from .standing import Standing, falling, standing

_FIRST_STRENGTHS, _FIRST_BLOCKS = 4, 4
_FIRST_SHARE = 16  # of a larger budget, in blocks: where a few scored low by bad luck, no more are asked for
_WIDEST = 4  # lambdas of a block at most
_TRUSTED = 12  # blocks of the best lambda before anything is settled: means of fewer need not be normal
_ROUND, _ROUND_SHARE = 8, 4  # images between two looks at the model: at least so many, and this part of those so far
_FRESH, _FRESH_SHARE = 3, 32  # fresh blocks: at least so many, and this part of the budget
LEAST_BUDGET = _FIRST_STRENGTHS * _FIRST_BLOCKS + 3 * _FRESH
LEAST_RANGE = 0.01
_SUREST = 0.999  # what may be said where every draw agrees
_STEPS = (LEAST_RANGE, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MOST_CANDIDATES = 31


def candidates(low: float, high: float) -> tuple[float, ...]:
    """The lambdas that a search of a range considers: multiples of a round step, at most 31, and both ends.

    Raises ValueError for a range that is empty or not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"range: expected two lambdas, the first below the second, got {low:g} and {high:g}.")
    if high - low < LEAST_RANGE:
        raise ValueError(f"range: expected at least {LEAST_RANGE:g} between the two lambdas, got {low:g} and {high:g}.")
    step = next((each for each in _STEPS if (high - low) / each < _MOST_CANDIDATES), (high - low) / 30)
    inner = (round(n * step, 6) for n in range(math.ceil(low / step), math.floor(high / step) + 1))
    return tuple(sorted({low, *(each for each in inner if low < each < high), high}))


@functools.lru_cache(maxsize=4)
def _model(strengths: tuple[float, ...]) -> BlockModel:
    """One model for all searches over the same lambdas."""
    return BlockModel(strengths)


Scored = dict[int, dict[float, float]]
"""Scores by block and lambda."""


@dataclass(frozen=True)
class Ask:
    """What to sample next: a block, numbered from 0, at these lambdas, rising. winner: the lambda that a fresh block is to score again."""

    block: int
    strengths: tuple[float, ...]
    winner: float | None = None


@dataclass(frozen=True)
class _Look:
    """What the scores mean, both judges', when there were so many.

    falls: the places of the held-out judge's best lambda and of the first above it at which it surely judges worse, None if there is none.
    standing: of the lambdas below that one.
    """

    spent: int
    scores: Posterior
    held_out: Posterior | None
    falls: tuple[int, int] | None
    standing: Standing


@dataclass
class Search:
    """A search over candidate lambdas, rising. Search.restored makes one of a state.

    budget: of images. confidence: 0.5 to 1. indifference: how far below the best is good enough, as a part of the distance between the worst and the best.
    """

    strengths: tuple[float, ...]
    budget: int
    confidence: float = 0.95
    indifference: float = 0.15
    asks: list[Ask] = field(default_factory=list)
    scores: Scored = field(default_factory=dict)
    held_out: Scored = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for settings that no search can have."""
        if len(self.strengths) < 2 or any(after <= before for before, after in itertools.pairwise(self.strengths)):
            raise ValueError(f"strengths: expected at least two lambdas, rising, got {list(self.strengths)}.")
        if self.budget < LEAST_BUDGET:
            raise ValueError(f"budget: a search needs at least {LEAST_BUDGET} images, got {self.budget}.")
        if not 0.5 <= self.confidence < 1:
            raise ValueError(f"confidence: expected at least 0.5 and less than 1, got {self.confidence:g}.")
        if not 0 < self.indifference < 1:
            raise ValueError(f"indifference: expected more than 0 and less than 1, got {self.indifference:g}.")
        self._model = _model(self.strengths)
        self._places = {strength: place for place, strength in enumerate(self.strengths)}
        self._seen: _Look | None = None

    @property
    def spent(self) -> int:
        """Images that were scored."""
        return sum(len(scores) for scores in self.scores.values())

    def round(self) -> list[Ask]:
        """What to sample now: what is missing of the blocks that were asked for, else new ones. Empty when the search has ended."""
        missing = self._missing()
        if not missing:
            self.asks += self._new_round()
            missing = self._missing()
        return missing

    def note(self, block: int, scores: Mapping[float, float], held_out: Mapping[float, float] | None = None) -> None:
        """Take the scores of a block that was asked for, by lambda; some of them, or all. held_out: the same images' by a second judge.

        Raises ValueError if they are not finite or not asked for.
        """
        asked = {strength for ask in self.asks if ask.block == block for strength in ask.strengths}
        judged = {"scorer": scores, "held_out": held_out or {}}
        for judge, given in judged.items():
            for strength, score in given.items():
                if strength not in asked:
                    raise ValueError(f"lambda {strength:g} of block {block} was not asked for.")
                if not math.isfinite(score):
                    raise ValueError(
                        f"{judge}: expected finite scores, got {score} for an image at lambda {strength:g}. Choose another scorer."
                    )
        for kept, given in ((self.scores, scores), (self.held_out, held_out or {})):
            if given:
                kept.setdefault(block, {}).update(given)

    def result(self) -> Found:
        """What may be said now. Raises ValueError before the first block has been scored."""
        if not any(len(scores) > 1 for scores in self.scores.values()):
            raise ValueError("The search has no scores yet: not one block of images was finished.")
        look = self._look()
        now = look.standing
        settled = self._settled(now)
        ends = now.alike((1 + self.confidence) / 2) if settled else None  # half the doubt: they stand where it runs out
        chances = zip(self.strengths, now.chances, strict=False)  # up to where a held-out judge falls
        curve = Curve.of(look.scores, self.confidence)
        return Found(
            self.strengths[now.best],
            min(now.chance, _SUREST),
            settled,
            None if ends is None else (self.strengths[ends[0]], self.strengths[ends[1]]),
            tuple(strength for strength, chance in chances if chance > 1 - self.confidence),
            0.0 if settled else max(self.spent * (now.effort(self.confidence) - 1), self._untrusted(now)),
            self._gain(self.strengths[now.best]),
            curve,
            Curve.of(look.held_out, self.confidence) if look.held_out else None,
            self._turning(look, curve),
            self.spent,
        )

    def state(self) -> dict[str, Any]:
        """All of the search, as JSON can hold it."""
        asks = [asdict(ask) for ask in self.asks]
        settings = {name: getattr(self, name) for name in ("strengths", "budget", "confidence", "indifference")}
        return {**settings, "asks": asks, "scores": _listed(self.scores), "held_out": _listed(self.held_out)}

    @classmethod
    def restored(cls, state: Mapping[str, Any], budget: int | None = None) -> Search:
        """The search of a state, with another budget if one is given."""
        search = cls(
            tuple(state["strengths"]),
            budget or state["budget"],
            state["confidence"],
            state["indifference"],
            [Ask(ask["block"], tuple(ask["strengths"]), ask["winner"]) for ask in state["asks"]],
        )
        for name, kept in (("scores", search.scores), ("held_out", search.held_out)):
            for block, strength, score in state[name]:
                kept.setdefault(block, {})[strength] = score
        return search

    def _missing(self) -> list[Ask]:
        """The blocks that were asked for and are not finished, with the lambdas that are missing."""
        found = []
        for ask in self.asks:
            missing = tuple(each for each in ask.strengths if each not in self.scores.get(ask.block, {}))
            if missing:
                found.append(replace(ask, strengths=missing))
        return found

    def _new_round(self) -> list[Ask]:
        """The blocks of the next round, none when the search has ended."""
        if not self.asks:
            return self._blocks(min(max(_FIRST_BLOCKS, self.budget // _FIRST_SHARE), _TRUSTED), self._first())
        now, left = self._look().standing, self.budget - self.spent
        settled, confirmed = self._settled(now), self._fresh(self.strengths[now.best])
        fresh = max(_FRESH, self.budget // _FRESH_SHARE)
        images = max(_ROUND, self.spent // _ROUND_SHARE)
        if left < 2 or (confirmed and settled) or len(now.chances) == 1:
            return []
        if not confirmed and (settled or left < images + 3 * fresh):
            places = sorted({0, now.best, now.rival})
            return self._blocks(min(fresh, left // len(places)), places, self.strengths[now.best])
        images = min(images, left)
        places = now.next_places(min(_WIDEST, images))
        return self._blocks(images // len(places), places)

    def _blocks(self, count: int, places: Sequence[int], winner: float | None = None) -> list[Ask]:
        first, strengths = len(self.asks), tuple(self.strengths[place] for place in places)
        return [Ask(block, strengths, winner) for block in range(first, first + count)]

    def _first(self) -> list[int]:
        """Places spread over the range."""
        spread = np.linspace(self.strengths[0], self.strengths[-1], _FIRST_STRENGTHS)
        return sorted({int(np.abs(np.array(self.strengths) - each).argmin()) for each in spread})

    def _posterior(self, scored: Scored) -> Posterior:
        return self._model.posterior(
            [{self._places[each]: score for each, score in of.items()} for of in scored.values()]
        )

    def _look(self) -> _Look:
        """The state now; it is worked out once for each number of scores."""
        if self._seen is None or self._seen.spent != self.spent:
            curve, second = self._posterior(self.scores), self._posterior(self.held_out) if self.held_out else None
            falls = falling(second, self.confidence) if second and len(self.held_out) >= _TRUSTED else None
            winners = [ask.winner for ask in self.asks if ask.winner is not None and ask.block in self.scores]
            confirmed = self._places[winners[-1]] if winners else None
            below = curve.up_to(falls[1] - 1 if falls else len(self.strengths) - 1)
            self._seen = _Look(self.spent, curve, second, falls, standing(below, self.indifference, confirmed))
        return self._seen

    def _turning(self, look: _Look, curve: Curve) -> Turning | None:
        if look.falls is None:
            return None
        at, below = look.falls
        rises = max(curve.middle[at + 1 :]) > curve.middle[at]
        return Turning(self.strengths[at], self.strengths[below], rises)

    def _settled(self, now: Standing) -> bool:
        return now.chance >= self.confidence and (self._untrusted(now) <= 0 or len(now.chances) == 1)

    def _untrusted(self, now: Standing) -> int:
        """How many blocks of the best lambda are missing before anything is settled."""
        best = self.strengths[now.best]
        return _TRUSTED - sum(best in scores for scores in self.scores.values())

    def _fresh(self, winner: float) -> list[Ask]:
        """The fresh blocks of a winner that are finished."""
        return [
            ask
            for ask in self.asks
            if ask.winner == winner and self.scores.get(ask.block, {}).keys() >= set(ask.strengths)
        ]

    def _gain(self, winner: float) -> Difference | None:
        blocks = [self.scores[ask.block] for ask in self._fresh(winner)]
        if not blocks:
            return None
        return difference([block[winner] for block in blocks], [block[self.strengths[0]] for block in blocks])


def _listed(scored: Scored) -> list[list[float]]:
    return [[block, strength, score] for block, found in scored.items() for strength, score in found.items()]
