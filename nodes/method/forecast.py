"""How far reuse will be off in the final latent, predicted from what a run measures anyway.

An error e of the guided prediction at sigma enters the next latent, at sigma', as (1 - q) e, with q = sigma' / sigma for a sampler
that adds no noise and its square for one that does (ancestral, SDE). What the latent was off by before shrinks to J + (1 - J) q of
itself: the denoiser follows a part J = alpha s^2 / (alpha^2 s^2 + sigma^2) of it, where s is the standard deviation of the data. This is
Euler's step for Gaussian data. Samplers of higher order extrapolate, D + b (D - D before), which amplifies errors of changing sign by
1 + 2 b; b is read off the latents that the sampler makes. The distance of the models accumulates by the same rule from their difference
at each step, and only the ratio is used, so that what both leave out cancels. What remains grows with guidance: two constants, fitted on
trained pairs (benchmarks/reuse.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

GROWTH, EXTRAPOLATED_GROWTH = 0.17, 1 / 3  # of errors with guidance, for each unit of cfg above 1


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

    def follows(self, step: int, spread: float) -> float:
        """J: how far the denoiser follows the latent."""
        sigma = self.sigmas[step]
        alpha = 1.0 - sigma if self.flow else 1.0
        return alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)

    @property
    def steps(self) -> int:
        return sum(sigma > 0.0 for sigma in self.sigmas)

    def amplified(self, b: float) -> float:
        """What guidance makes of an error beyond the linear account, and a sampler that extrapolates by b; fitted, so that nine of ten runs hold."""
        above = max(self.guidance - 1.0, 0.0)
        return math.exp(GROWTH * above) * (1.0 + 2.0 * b) ** (1.0 + EXTRAPOLATED_GROWTH * above)


@dataclass(frozen=True)
class _Sum:
    """distance: |w|^2, (w, d), |d|^2 of the models' distance w in the latent and their difference d in noise space; error: its square."""

    distance: tuple[float, float, float]
    error: float

    def relative(self) -> float:
        return math.sqrt(self.error / self.distance[0]) if self.distance[0] > 0.0 else math.inf


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
        self._sums = [0.0, 0.0]

    @property
    def b(self) -> float:
        """In the mean of the steps so far; 0 before the third, and for Euler's method."""
        made, moved = self._sums
        return min(max(made / moved, 0.0), 2.0) if moved > 0.0 else 0.0

    def note(self, step: int, x: torch.Tensor, denoised: torch.Tensor) -> None:
        """The latent that a step begins with, and its prediction."""
        if len(self._last) == 2:
            earlier, before = self._last
            q = self._course.q(before.step)
            left = x - torch.lerp(before.denoised, before.x, q)
            moved = (1.0 - q) * (before.denoised - earlier.denoised)
            made = torch.stack([(left * moved).sum(), moved.square().sum()]).tolist()
            self._sums = [one + other for one, other in zip(self._sums, made, strict=True)]
        self._last = [*self._last[-1:], _Before(step, x.clone(), denoised)]


class Forecast:
    """The relative error of the final latent along one trajectory."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._extrapolation = Extrapolation(course)
        self._distance: torch.Tensor | None = None  # w: of the models, in the latent
        self._error = 0.0  # squared norm of what the turns made
        self._step = -1
        self._spread = 0.0  # of the data, as the last prediction shows it

    def ending(self, step: int, difference: torch.Tensor, variance: torch.Tensor, change: torch.Tensor) -> float:
        """The error of the final latent if the models take turns from this step on.

        difference: of the models in noise space, guided, (B, ...); variance: the squared norm, over the turns, of what is held; change: its
        relative error. One reading from the device.
        """
        distance = torch.zeros_like(difference) if self._distance is None else self._distance
        products = [distance.square().sum(), (distance * difference).sum(), difference.square().sum(), variance, change]
        ww, wd, dd, held, changed = torch.stack(products).tolist()
        found = _Sum((ww, wd, dd), self._error)
        for at in range(step, self._course.steps):
            found = self._after(found, at, held * changed**2)
        return self._believed(found)

    def add(self, step: int, x: torch.Tensor, denoised: torch.Tensor, difference: torch.Tensor, error: float) -> None:
        """One step: its latent, the mixture's prediction, the models' difference, both guided, and the squared norm of the error made in noise space."""
        if step == self._step:  # a sampler that evaluates twice at a step
            return
        self._step, self._spread = step, denoised.std().item()
        self._extrapolation.note(step, x, denoised)
        shrink, gain = self._factors(step)
        before = torch.zeros_like(difference) if self._distance is None else self._distance
        self._distance = shrink * before + gain * difference
        self._error = shrink**2 * self._error + gain**2 * error

    def _factors(self, step: int) -> tuple[float, float]:
        """What remains of the latent's error over a step, and what an error of its prediction in noise space adds."""
        q, j = self._course.q(step), self._course.follows(step, self._spread)
        return j + (1.0 - j) * q, (1.0 - q) * self._course.sigmas[step]

    def _believed(self, found: _Sum) -> float:
        return found.relative() * self._course.amplified(self._extrapolation.b)

    def _after(self, found: _Sum, step: int, error: float) -> _Sum:
        shrink, gain = self._factors(step)
        ww, wd, dd = found.distance
        distance = (shrink**2 * ww + 2 * shrink * gain * wd + gain**2 * dd, shrink * wd + gain * dd, dd)
        return replace(found, distance=distance, error=shrink**2 * found.error + gain**2 * error)

    @property
    def error(self) -> float:
        """As predicted up to the last step."""
        if self._distance is None:
            return 0.0
        return self._believed(_Sum((self._distance.square().sum().item(), 0.0, 0.0), self._error))
