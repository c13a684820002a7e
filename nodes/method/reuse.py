"""One model per step, with the differences to the others held from earlier steps.

The difference between the models' noise predictions changes slowly along a trajectory. Where only model o is evaluated,
the mixture is D_o + sum_m w_m (D_m - D_o), with the differences held in eps space from earlier steps. Taking the models in
turn, in proportion to their weights, has two advantages: the error of a held difference enters with weights that cancel over
a cycle of turns, and each evaluation measures the difference anew, one step late and at no cost, by interpolating its own
model's predictions across the step at which another was evaluated. Measured figures are in benchmarks/results.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

Branches = list[torch.Tensor]
_SMOOTHING = 0.5  # the share of a measured correction that is applied


@dataclass(frozen=True)
class _Seen:
    """A model's last predictions, and when they were made."""

    turn: int
    sigma: float
    denoised: Branches


class Differences:
    """What the models predict relative to each other, along one trajectory and for one set of conditioning branches."""

    def __init__(self, models: int, guidance: float = 1.0) -> None:
        """models: how many there are, the reference first. guidance: the scale of the first branch's offset from the last."""
        self._guidance = guidance
        self._seen: dict[int, _Seen] = {}
        self._eps: list[Branches] = [[] for _ in range(models)]  # (D_m - D_reference) / sigma of each branch
        self.change: torch.Tensor | None = None  # of the difference in a step, as last measured, relative to itself; ()

    @property
    def known(self) -> bool:
        """Whether all models were evaluated once."""
        return bool(self._seen)

    def learn(self, turn: int, sigma: float, found: Mapping[int, Branches]) -> None:
        """All models were evaluated at this turn: found, their denoised branches by model."""
        eps = [[(d - r) / sigma for d, r in zip(found[m], found[0], strict=True)] for m in sorted(found)]
        if self.known:
            pairs = zip(self._eps[1:], eps[1:], strict=True)
            self.change = torch.stack([self._changed(held, _less(new, held)) for held, new in pairs]).amax()
        self._eps = eps
        self._seen = {model: _Seen(turn, sigma, denoised) for model, denoised in found.items()}

    def mix(self, turn: int, sigma: float, model: int, denoised: Branches, weights: Sequence[float]) -> Branches:
        """The mixture where only `model` was evaluated. denoised: its branches, (B, ...); weights: of all models."""
        now = _Seen(turn, sigma, denoised)
        for other, seen in self._seen.items():
            if other != model and seen.turn > self._seen[model].turn:
                self._measure(model, now, other, seen)
        self._seen[model] = now
        mixed = denoised
        for other, weight in enumerate(weights):
            if other != model:
                offsets = zip(self._eps[other], self._eps[model], strict=True)
                mixed = [torch.add(d, o - m, alpha=weight * sigma) for d, (o, m) in zip(mixed, offsets, strict=True)]
        return mixed

    def reference(self, sigma: float, model: int, denoised: Branches) -> Branches:
        """The reference's branches where only `model` was evaluated."""
        return [torch.add(d, eps, alpha=-sigma) for d, eps in zip(denoised, self._eps[model], strict=True)]

    def _guided(self, branches: Branches) -> torch.Tensor:
        """Where it affects the result."""
        return branches[-1] + self._guidance * (branches[0] - branches[-1])

    def _measure(self, model: int, now: _Seen, other: int, seen: _Seen) -> None:
        """Correct the difference of two models by what it was when `other` was evaluated, between two evaluations of `model`."""
        before = self._seen[model]
        part = _part(before.sigma, seen.sigma, now.sigma)
        ours = [torch.lerp(one, two, part) for one, two in zip(before.denoised, now.denoised, strict=True)]
        held = _less(self._eps[other], self._eps[model])
        found = [(theirs - mine) / seen.sigma for theirs, mine in zip(seen.denoised, ours, strict=True)]
        errors = _less(found, held)
        share = _SMOOTHING if 0 in (model, other) else 0.5 * _SMOOTHING
        for place, sign in ((other, share), (model, -share)):
            if place != 0:
                self._eps[place] = [torch.add(e, x, alpha=sign) for e, x in zip(self._eps[place], errors, strict=True)]
        self.change = self._changed(held, errors)

    def _changed(self, held: Branches, errors: Branches) -> torch.Tensor:
        """The error of a held difference, relative to itself, after guidance, where it affects the result. ()"""
        size, error = self._guided(held), self._guided(errors)
        return error.norm() / size.norm().clamp_min(torch.finfo(size.dtype).tiny)


def _less(first: Branches, second: Branches) -> Branches:
    return [a - b for a, b in zip(first, second, strict=True)]


def _part(first: float, between: float, last: float) -> float:
    """Where `between` lies from first to last, in log sigma."""
    whole = math.log(last / first)
    return 0.5 if abs(whole) < 1e-6 else min(max(math.log(between / first) / whole, 0.0), 1.0)
