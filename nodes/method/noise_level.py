"""Noise levels that mean the same for every kind of model, and the size of a temporal alignment's offset.

A network is given y = a x0 + b n with signal a and noise b. Its level is log(b / a): log sigma for eps and v models, the
logit of sigma for flow models, whatever their shift. Imports torch alone; a model's own sampling says what a and b are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch

LOWEST, HIGHEST = math.log(0.01), math.log(100.0)  # beyond them there is no noise to see, or nothing else
_HALVINGS = 40


class Sampling(Protocol):
    """What is needed of a model's sampling (core's model_sampling)."""

    sigma_min: torch.Tensor | float
    sigma_max: torch.Tensor | float

    def noise_scaling(self, sigma: torch.Tensor, noise: torch.Tensor, latent_image: torch.Tensor) -> torch.Tensor:
        """The sampler's x for a latent, noise and sigma."""

    def calculate_input(self, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """What the network is given for the sampler's x."""


@dataclass(frozen=True)
class Mixing:
    """y = signal * x0 + noise * n, each (B,)."""

    signal: torch.Tensor
    noise: torch.Tensor

    @property
    def level(self) -> torch.Tensor:
        """log(noise / signal), (B,); infinite where there is no signal."""
        return (self.noise / self.signal).log()

    @property
    def share(self) -> torch.Tensor:
        """The noise's part of the variance, 1 - alphabar, (B,)."""
        return self.noise**2 / (self.signal**2 + self.noise**2)

    @property
    def per_gradient(self) -> torch.Tensor:
        """What a gradient in y of a log density adds to the denoised latent, (B,): noise^2 / signal.

        Tweedie's formula for y is signal * D = y + noise^2 score(y), so a score that grows by g moves D by noise^2 / signal * g.
        eps and v: sigma^2 / sqrt(1 + sigma^2), which with the gradient taken in x = sqrt(1 + sigma^2) y is sigma^2.
        flow: sigma^2 / (1 - sigma), y being x itself.
        """
        return self.noise**2 / self.signal


@dataclass(frozen=True)
class Gap:
    """How far the latents of one step look from their true level: error is the mean of predicted - level, size of its absolute value."""

    level: float
    error: float
    size: float


def mixing(sampling: Sampling, sigma: torch.Tensor) -> Mixing:
    """How a model's input is mixed at sigma, (B,), by its own sampling, in float32."""
    sigma = sigma.float()
    one = torch.ones_like(sigma)
    none = torch.zeros_like(sigma)
    signal = sampling.calculate_input(sigma, sampling.noise_scaling(sigma, none, one))
    noise = sampling.calculate_input(sigma, sampling.noise_scaling(sigma, one, none))
    return Mixing(signal, noise)


def level_range(sampling: Sampling) -> tuple[float, float]:
    """The lowest and the highest level that a model samples at, within LOWEST and HIGHEST. Raises ValueError if there is none."""
    ends = torch.tensor([float(sampling.sigma_min), float(sampling.sigma_max)])
    low, high = (float(level) for level in mixing(sampling, ends).level)
    low, high = max(low, LOWEST), min(high, HIGHEST)
    if not low < high:
        raise ValueError(
            "model: expected a diffusion or flow model, got one that adds no noise. Connect another MODEL."
        )
    return low, high


def signal_at_even_noise(sampling: Sampling) -> float:
    """The signal where it equals the noise: 0.707 for eps and v models, 0.5 for flow models. It tells kinds of noise apart."""
    return float(mixing(sampling, sigmas_of(sampling, torch.zeros(1))).signal)


def sigmas_of(sampling: Sampling, levels: torch.Tensor) -> torch.Tensor:
    """The sigmas at which a model's input has these levels, (N,), by halving."""
    low = torch.full_like(levels, 0.5 * float(sampling.sigma_min))
    high = torch.full_like(levels, float(sampling.sigma_max))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = mixing(sampling, middle).level > levels
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return high
