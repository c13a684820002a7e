"""How far reuse will be off in the final latent, predicted from what a run measures anyway.

An error e of the guided prediction at sigma enters the next latent, at sigma', as (1 - q) e, with q = sigma' / sigma for a sampler
that adds no noise and its square for one that does (ancestral, SDE). What the latent was off by before shrinks to J + (1 - J) q of
itself: the denoiser follows a part J = alpha s^2 / (alpha^2 s^2 + sigma^2) of it, where s is the standard deviation of the data. This is
Euler's step for Gaussian data; an error of any direction is followed less than the models' difference. Samplers of higher order
extrapolate, D + b (D - D before), which amplifies errors of changing sign by 1 + 2 b; b is read off the latents that the sampler makes.
The distance of the models accumulates by the same rule from their difference at each step, and only the ratio is used, so that what
both leave out cancels. What remains grows with guidance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

Number = TypeVar("Number", float, torch.Tensor)

# Fitted on trained pairs (benchmarks/reuse.md), so that nine of ten runs keep the promise.
FOLLOWED = 0.5  # how far the denoiser follows an error of any direction, of how far it follows the models' difference
SAFETY = 2.0
GROWTH, EXTRAPOLATED_GROWTH = 0.25, 1 / 3  # with guidance, for each unit of cfg above 1
MOST_CHANGE = 0.4  # from step to step: a difference that changes more is another one at the next step


@dataclass(frozen=True)
class Course:
    """What is known of a run beforehand. sigmas: falling, the last possibly 0; noisy: whether the sampler adds noise; flow: the model's kind."""

    sigmas: Sequence[float]
    guidance: float = 1.0
    noisy: bool = False
    flow: bool = False

    def q(self, step: int) -> float:
        """What a step keeps of the latent's distance to the prediction."""
        following = self.sigmas[step + 1] if step + 1 < len(self.sigmas) else 0.0
        return (following / self.sigmas[step]) ** (2 if self.noisy else 1)

    def kept(self, step: int, spread: Number, followed: float = 1.0) -> Number:
        """What a step keeps of the latent's own error: the denoiser follows a part J of it. spread: s, of the data."""
        sigma, q = self.sigmas[step], self.q(step)
        alpha = 1.0 - sigma if self.flow else 1.0
        j = followed * alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)
        return q + (1.0 - q) * j

    def gain(self, step: int) -> float:
        """What a difference of predictions in noise space adds to the latent."""
        return (1.0 - self.q(step)) * self.sigmas[step]

    def erred(self, step: int, spread: Number, before: Number, made: Number) -> Number:
        """The squared norm of the latent's error after a step that made another one, independent of it."""
        return self.kept(step, spread, FOLLOWED) ** 2 * before + self.gain(step) ** 2 * made

    @property
    def steps(self) -> int:
        return sum(sigma > 0.0 for sigma in self.sigmas)

    def amplified(self, b: float) -> float:
        """What guidance makes of an error beyond the linear account, and a sampler that extrapolates by b."""
        above = max(self.guidance - 1.0, 0.0)
        return SAFETY * math.exp(GROWTH * above) * (1.0 + 2.0 * b) ** (2.0 + EXTRAPOLATED_GROWTH * above)


@dataclass(frozen=True)
class _Before:
    """The last step: its place, the latent it began with, and its prediction."""

    step: int
    x: torch.Tensor
    denoised: torch.Tensor


class Extrapolation:
    """How much a sampler extrapolates: b of D + b (D - D before), as the latents show that it makes of its predictions."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._last: list[_Before] = []
        self.sums: torch.Tensor | None = (
            None  # (2,): along the prediction's last change, what the sampler added, and the change
        )

    def note(self, step: int, x: torch.Tensor, denoised: torch.Tensor) -> None:
        """The latent that a step begins with, and its prediction."""
        if len(self._last) == 2:
            earlier, before = self._last
            q = self._course.q(before.step)
            left = x - torch.lerp(before.denoised, before.x, q)
            moved = (1.0 - q) * (before.denoised - earlier.denoised)
            found = torch.stack([(left * moved).sum(), moved.square().sum()])
            self.sums = found if self.sums is None else self.sums + found
        self._last = [*self._last[-1:], _Before(step, x.clone(), denoised)]

    @staticmethod
    def b(made: float, moved: float) -> float:
        """From the sums, in the mean of the steps so far; 0 for Euler's method."""
        return min(max(made / moved, 0.0), 2.0) if moved > 0.0 else 0.0


@dataclass(frozen=True)
class Known:
    """What a prediction starts from, read from the device at once.

    distance: |w|^2, (w, d), |d|^2 of the models' distance w in the latent and their difference d in noise space. held: the squared norm,
    in the mean over the turns, of what is held; change: its relative error. error: the squared norm of the latent's. spread: of the data.
    extrapolation: as Extrapolation.sums.
    """

    distance: tuple[float, float, float]
    held: float
    change: float
    error: float
    spread: float
    extrapolation: tuple[float, float]

    @classmethod
    def read(cls, values: Sequence[float]) -> Known:
        """From Forecast.state's numbers."""
        ww, wd, dd, held, change, error, spread, made, moved = values
        return cls((ww, wd, dd), held, change, error, spread, (made, moved))


class Forecast:
    """The relative error of the final latent along one trajectory."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._extrapolation = Extrapolation(course)
        self._distance: torch.Tensor | None = None  # w: of the models, in the latent
        self._error: torch.Tensor | None = None  # squared norm of what the turns made, ()
        self._spread: torch.Tensor | None = None  # of the data, as the last prediction shows it, ()
        self._step = -1

    def add(
        self, step: int, x: torch.Tensor, denoised: torch.Tensor, difference: torch.Tensor, made: torch.Tensor
    ) -> None:
        """One step: its latent, the mixture's prediction, the models' difference in noise space, both guided, (B, ...); made: the
        squared norm of the error there, ().
        """
        if step == self._step:  # a sampler that evaluates twice at a step
            return
        self._step, self._spread = step, denoised.std()
        self._extrapolation.note(step, x, denoised)
        before = torch.zeros_like(difference) if self._distance is None else self._distance
        erred = torch.zeros_like(made) if self._error is None else self._error
        self._distance = self._course.kept(step, self._spread) * before + self._course.gain(step) * difference
        self._error = self._course.erred(step, self._spread, erred, made)

    def state(self, difference: torch.Tensor, held: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        """(9,): the numbers of Known. difference: (B, ...); held, change: ()."""
        none = torch.zeros_like(held)
        distance = torch.zeros_like(difference) if self._distance is None else self._distance
        products = [distance.square().sum(), (distance * difference).sum(), difference.square().sum()]
        error = none if self._error is None else self._error
        spread = none if self._spread is None else self._spread
        sums = self._extrapolation.sums
        return torch.stack([*products, held, change, error, spread, *((none, none) if sums is None else sums)])

    def ending(self, step: int, known: Known) -> float:
        """The error of the final latent, relative to the models' distance, if the models take turns from this step on."""
        ww, wd, dd = known.distance
        error = known.error
        for at in range(step, self._course.steps):
            kept, gain = self._course.kept(at, known.spread), self._course.gain(at)
            ww, wd = kept**2 * ww + 2 * kept * gain * wd + gain**2 * dd, kept * wd + gain * dd
            error = self._course.erred(at, known.spread, error, known.held * known.change**2)
        if not ww > 0.0:
            return math.inf
        found = math.sqrt(error / ww) * self._course.amplified(Extrapolation.b(*known.extrapolation))
        if known.change > MOST_CHANGE and step < self._course.steps:
            return max(found, 1.0)  # as far off as the models are apart
        return found

    def made(self, known: Known) -> float:
        """The error that the turns made so far."""
        return self.ending(self._course.steps, known) if known.error > 0.0 else 0.0
