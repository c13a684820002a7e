"""Time predictors for tests: untrained ones that fit a MODEL, and one whose distribution over noise levels is exact."""

from __future__ import annotations

import math

import comfy.model_sampling
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.engine.predictors import bins_of, space_of
from deradiff.nodes.method import noise_level
from deradiff.nodes.method.predictor_card import Card, TimePredictor
from deradiff.nodes.method.time_predictor import Bins, build, initial_weights

MEAN, VARIANCE = 0.5, 0.25  # of the Gaussian data


class Eps(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.EPS):
    """SD1.5's sampling."""


class Flow(comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST):
    """SD3's sampling."""


KINDS = {"eps": Eps, "flow": Flow}


def untrained(model: ModelPatcher, seed: int = 0) -> TimePredictor:
    """A predictor of the right kind for a model, whose gradients mean nothing and are not 0."""
    space, bins = space_of(model), bins_of(model)
    rng = torch.Generator().manual_seed(seed)
    network = build(space.channels, bins.count, lambda network: initial_weights(network, rng))
    return TimePredictor("untrained.safetensors", network, Card(space, bins, 0, 0.0))


class Gaussian(torch.nn.Module):
    """The exact log-likelihood of each bin's centre for data N(mean, variance I): y of level l is N(a mean, (a^2 variance + b^2) I)."""

    def __init__(self, bins: Bins, mean: float, variance: float, flow: bool) -> None:
        super().__init__()
        self.mean, self.variance, self.flow = mean, variance, flow
        self.register_buffer("levels", bins.centres(torch.zeros(1)))

    def moments(self, level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of each element of y at a level."""
        ratio = level.exp()
        signal = 1 / (1 + ratio) if self.flow else (1 + ratio**2).rsqrt()
        return signal * self.mean, signal**2 * self.variance + (signal * ratio) ** 2

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return self.log_likelihood(y, self.levels)

    def log_likelihood(self, y: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """y: (N, ...), levels: (K,) -> (N, K)."""
        mean, variance = self.moments(levels)
        rows = y.flatten(1)[:, None, :]
        return -0.5 * ((rows - mean[:, None]).square().sum(-1) / variance + rows.shape[-1] * variance.log())


def analytic(exact: Gaussian, bins: Bins, y: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """d/dy [log p(y | level) - log of the integral of p(y | l) over the range], by a fine sum in float64."""
    y, grid = y.double(), torch.linspace(bins.low, bins.high, 20_001, dtype=torch.float64)
    posterior = exact.log_likelihood(y, grid).softmax(dim=1)

    def score(levels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, variance = exact.moments(levels)
        return mean / variance, 1 / variance

    (own_shift, own_scale), (shifts, scales) = score(level.double()), score(grid)
    shape = (-1, 1, 1, 1)
    marginal = (posterior @ shifts).view(shape) - (posterior @ scales).view(shape) * y
    return own_shift.view(shape) - own_scale.view(shape) * y - marginal


def noised(kind: str, levels: torch.Tensor, side: int = 4) -> torch.Tensor:
    """Gaussian latents (N, 4, side, side) noised to levels by core's own sampling."""
    sampling, rng = KINDS[kind](), torch.Generator().manual_seed(3)
    shape = (len(levels), 4, side, side)
    latents = MEAN + math.sqrt(VARIANCE) * torch.randn(shape, generator=rng)
    sigma = noise_level.sigmas_of(sampling, levels)
    x = sampling.noise_scaling(sigma, torch.randn(shape, generator=rng), latents)
    return sampling.calculate_input(sigma, x)
