"""Mixtures of Gaussians with rewards, on which lambda approximates: how far realigned samples are from the exact optimum.
Used by the tests and by the fidelity benchmark.

D_lambda is the straight line between the denoisers of tau = 0 (the reference) and tau = 1 / beta (the aligned model). The exact
denoiser of p_ref exp(tau r) is a curve in tau; its second derivative is the third cumulant of (x0, r, r) given x, which is zero
for a Gaussian and a linear reward, and only then is the line exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.divergence import kl

from support import gaussians
from support.gaussians import Mixture, Reward

KIND, STEPS, COUNT = "flow", 40, 1000


@dataclass(frozen=True)
class Case:
    """A reference, what it is aligned to, and the anchor's beta."""

    name: str
    reference: Mixture
    reward: Reward
    beta: float

    def trained(self, weight: float) -> Mixture:
        """The exact optimum of training at beta / lambda."""
        return self.reference.tilted(self.reward, self.beta / weight) if weight else self.reference

    def range(self) -> float:
        """From the reference's expected reward to the anchor's."""
        return self.trained(1.0).expected(self.reward) - self.reference.expected(self.reward)


def _mixture(means: list[list[float]], shares: list[float], variance: float) -> Mixture:
    return Mixture(torch.tensor(means).double(), variance, torch.tensor(shares).double().log())


_NEAR = _mixture([[-1.0, 0.0], [1.0, 0.3], [0.0, 1.2]], [0.5, 0.3, 0.2], 0.35)
_APART = _mixture([[-2.0, 0.0], [2.0, 0.5], [0.0, 2.5]], [0.6, 0.3, 0.1], 0.1)
_SLOPE = torch.tensor([1.0, 0.5], dtype=torch.float64)

CASES = {
    case.name: case
    for case in (
        Case("one Gaussian, linear reward", _mixture([[1.0, -1.0]], [1.0], 0.5), Reward(_SLOPE), 0.5),
        Case("one Gaussian, quadratic reward", _mixture([[1.0, -1.0]], [1.0], 0.5), Reward(_SLOPE, 1.0), 1.0),
        Case("modes that overlap, linear reward", _NEAR, Reward(_SLOPE), 1.0),
        Case("modes that overlap, linear reward, twice as far", _NEAR, Reward(_SLOPE), 0.5),
        Case("modes apart, linear reward", _APART, Reward(_SLOPE), 2.0),
        Case("modes apart, linear reward, twice as far", _APART, Reward(_SLOPE), 1.0),
        Case("modes apart, quadratic reward", _APART, Reward(_SLOPE, 0.6), 1.0),
    )
}


@dataclass(frozen=True)
class Outcome:
    """Realigned samples beside the exact optimum.

    error: of the mean reward, in % of the range from reference to anchor, against the exact model sampled from the same
    noise (so that steps and Monte Carlo cancel); sampled: the exact model's own such error against the closed form.
    distance: energy distance to exact samples, in % of the reference's. kl: of the realigned process from the exact one, nats.
    """

    error: float
    sampled: float
    distance: float
    kl: float


@cache
def outcome(name: str, weight: float, sampler: str = "euler_ancestral", count: int = COUNT) -> Outcome:
    """compare(), once for each case of CASES, lambda and sampler."""
    return compare(CASES[name], weight, sampler, count)


def compare(
    case: Case, weight: float, sampler: str = "euler_ancestral", count: int = COUNT, given: float | None = None
) -> Outcome:
    """Sample the pair at lambda = weight, `count` times, and compare. given: what is given to realign, where a test breaks it."""
    target = case.trained(weight)
    reference, aligned = (gaussians.model(case.trained(side), KIND) for side in (0.0, 1.0))
    noise = torch.randn(count, 2, generator=torch.Generator().manual_seed(3))
    realigned = realign(reference, aligned, weight if given is None else given)
    watch = Watch(target, gaussians.schedule(realigned, STEPS))
    ours = gaussians.sampled(realigned, sampler, STEPS, noise, 7, callback=watch)
    theirs = gaussians.sampled(gaussians.model(target, KIND), sampler, STEPS, noise, 7)
    exact = target.expected(case.reward)
    mean, span = case.reward(theirs).mean().item(), case.range()
    return Outcome(
        100 * (case.reward(ours).mean().item() - mean) / span,
        100 * (mean - exact) / span,
        100
        * energy_distance(ours, target.draw(count, 1))
        / energy_distance(case.reference.draw(count, 2), target.draw(count, 1)),
        watch.kl(),
    )


class Watch:
    """A sampler's callback: the squared distance of its denoised prediction to the exact one, at every step."""

    def __init__(self, target: Mixture, sigmas: torch.Tensor) -> None:
        self._target, self._sigmas = target, sigmas.double()
        self._distances: list[torch.Tensor] = []

    def __call__(self, step: int, denoised: torch.Tensor, x: torch.Tensor, _: int) -> None:
        """What core's samplers tell of a step. Flow models: x = (1 - sigma) x0 + sigma noise."""
        sigma = self._sigmas[step]
        exact = self._target.denoised(x.flatten(1).double(), 1 - sigma, sigma)
        self._distances.append((denoised.flatten(1).double() - exact).square().sum(dim=1))

    def kl(self) -> float:
        """Girsanov: KL of the realigned process from the exact one, in nats, a mean over the samples."""
        return kl(self._sigmas[:-1].tolist(), torch.stack(self._distances), flow=True).mean().item()


def energy_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Szekely and Rizzo's, without bias: 2 E|a - b| - E|a - a'| - E|b - b'|, of (N, d) and (M, d) samples."""
    within = [torch.cdist(side, side).sum() / (len(side) * (len(side) - 1)) for side in (first, second)]
    return (2 * torch.cdist(first, second).mean() - within[0] - within[1]).item()
