"""Models whose truth is known: exact denoisers of Gaussian mixtures, their tilts by a reward at any beta, inside real MODELs.

Alignment at KL strength beta has one optimum, p_beta proportional to p_ref exp(r / beta). For a mixture of Gaussians and a
reward of at most second order it is a mixture of Gaussians again, so that what a training could at best reach is exact here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import comfy.latent_formats
import comfy.sample
import comfy.samplers
import comfy.supported_models_base
import torch
from comfy.model_base import BaseModel, ModelType
from comfy.model_patcher import ModelPatcher

KINDS = {"eps": ModelType.EPS, "v": ModelType.V_PREDICTION, "flow": ModelType.FLOW}


@dataclass(frozen=True)
class Reward:
    """r(x) = slope . x - bend |x|^2 / 2. slope: (d,)."""

    slope: torch.Tensor
    bend: float = 0.0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: (..., d) -> (...)."""
        return x @ self.slope - self.bend / 2 * x.square().sum(dim=-1)


@dataclass(frozen=True)
class Mixture:
    """sum_k exp(logs_k) N(means_k, variance I), float64. means: (K, d); logs: (K,), of any sum; variance: a number of one dimension."""

    means: torch.Tensor
    variance: float
    logs: torch.Tensor

    @classmethod
    def gaussian(cls, mean: torch.Tensor, variance: float) -> Mixture:
        """A single Gaussian. mean: (d,)."""
        return cls(mean.double().view(1, -1), variance, torch.zeros(1, dtype=torch.float64))

    def shares(self) -> torch.Tensor:
        """The components' weights, (K,), of sum 1."""
        return self.logs.softmax(dim=0)

    def tilted(self, reward: Reward, beta: float) -> Mixture:
        """p exp(r / beta), normalised: what alignment at KL strength beta is after. beta may be infinite: p itself."""
        precision = 1 / self.variance + reward.bend / beta
        means = (self.means / self.variance + reward.slope / beta) / precision
        logs = self.logs + (means.square().sum(dim=1) * precision - self.means.square().sum(dim=1) / self.variance) / 2
        return Mixture(means, 1 / precision, logs)

    def mean(self) -> torch.Tensor:
        """(d,)."""
        return self.shares() @ self.means

    def expected(self, reward: Reward) -> float:
        """E[r], in closed form."""
        spread = reward.bend / 2 * self.variance * self.means.shape[1]
        return float(self.shares() @ reward(self.means)) - spread

    def draw(self, count: int, seed: int) -> torch.Tensor:
        """(count, d) exact samples."""
        rng = torch.Generator().manual_seed(seed)
        chosen = torch.multinomial(self.shares(), count, replacement=True, generator=rng)
        noise = torch.randn(count, self.means.shape[1], dtype=torch.float64, generator=rng)
        return self.means[chosen] + math.sqrt(self.variance) * noise

    def denoised(self, x: torch.Tensor, alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """E[x0 | x] at x = alpha x0 + sigma noise. x: (B, d); alpha, sigma: broadcastable to it."""
        total = alpha**2 * self.variance + sigma**2
        apart = x.unsqueeze(1) - (alpha * torch.ones_like(x)).unsqueeze(1) * self.means.to(x.dtype)
        away = apart.square().sum(dim=2) / (total * torch.ones_like(x))[:, :1]
        shares = (self.logs.to(x.dtype) - away / 2).softmax(dim=1)
        mean = shares @ self.means.to(x.dtype)
        return mean + alpha * self.variance / total * (x - alpha * mean)


class Denoiser(torch.nn.Module):
    """A mixture's exact denoiser with the inputs and the output of a diffusion network of one of KINDS."""

    def __init__(self, mixture: Mixture, kind: str) -> None:
        super().__init__()
        self.kind, self.variance, self.dtype = kind, mixture.variance, torch.float32
        self.means = torch.nn.Parameter(mixture.means.clone(), requires_grad=False)
        self.logs = torch.nn.Parameter(mixture.logs.clone(), requires_grad=False)
        self.sampling: torch.nn.Module | None = None

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, **_: object) -> torch.Tensor:
        """x: (B, d, 1, 1) as the model_sampling scales it, timesteps: (B,). In float64 inside."""
        flat, mixture = x.flatten(1).double(), Mixture(self.means, self.variance, self.logs)
        if self.kind == "flow":
            sigma = timesteps.double().view(-1, 1) / self.sampling.multiplier
            output = (flat - mixture.denoised(flat, 1 - sigma, sigma)) / sigma
        else:
            sigma = self.sampling.sigmas[timesteps.long()].double().view(-1, 1)
            scale = (1 + sigma**2).sqrt()
            denoised = mixture.denoised(flat * scale, torch.ones_like(sigma), sigma)
            output = (
                (flat / scale - denoised) * scale / sigma if self.kind == "v" else (flat * scale - denoised) / sigma
            )
        return output.float().view_as(x)


class _Config(comfy.supported_models_base.BASE):
    unet_extra_config = {}  # noqa: RUF012
    latent_format = comfy.latent_formats.LatentFormat


def model(mixture: Mixture, kind: str) -> ModelPatcher:
    """A MODEL that predicts the mixture exactly, with core's own model_sampling of that kind."""
    dimensions = mixture.means.shape[1]
    config = _Config({"in_channels": dimensions, "disable_unet_model_creation": True})
    config.latent_format.latent_channels = dimensions
    base = BaseModel(config, KINDS[kind], device="cpu")
    base.diffusion_model = Denoiser(mixture, kind)
    object.__setattr__(base.diffusion_model, "sampling", base.model_sampling)  # not a child of its own
    cpu = torch.device("cpu")
    return ModelPatcher(base, load_device=cpu, offload_device=cpu)


def schedule(patcher: ModelPatcher, steps: int) -> torch.Tensor:
    """The sigmas of so many steps and 0, (steps + 1,): core's schedule `simple`, which takes them from the training's own."""
    return comfy.samplers.calculate_sigmas(patcher.get_model_object("model_sampling"), "simple", steps)


def sampled(
    patcher: ModelPatcher,
    sampler: str,
    steps: int,
    noise: torch.Tensor,
    seed: int = 0,
    callback: Callable[..., None] | None = None,
    mask: torch.Tensor | None = None,
    **options: object,
) -> torch.Tensor:
    """Core's sampler over schedule(), from `noise`, (B, d). Returns (B, d) float64.

    callback: core's, called at every step with (step, denoised, x, steps). mask: core's noise mask, (B or 1, H, W). options: of the sampler function, for instance noise_sampler. cfg is 1: no guidance.
    """
    function = comfy.samplers.ksampler(sampler, options)
    start = noise.float().view(*noise.shape, 1, 1)
    conditioning = [[torch.zeros(1, 1, 1), {}]]
    found = comfy.sample.sample_custom(
        patcher,
        start,
        1.0,
        function,
        schedule(patcher, steps),
        conditioning,
        conditioning,
        torch.zeros_like(start),
        noise_mask=mask,
        callback=callback,
        disable_pbar=True,
        seed=seed,
    )
    return found.flatten(1).double()


def law(target: Mixture, kind: str, sampler: str, steps: int) -> tuple[torch.Tensor, float]:
    """Mean, (d,), and variance of what `sampler` makes of a single Gaussian's denoiser in so many steps: exact, steps included.

    The denoiser is affine, and so is every sampler in its start and its noises: the answer to no noise at all is the mean, the
    answers to one unit of each noise alone are the coefficients whose squares add up to the variance.
    """
    rows = torch.zeros(steps + 2, target.means.shape[1])
    rows[1] = 1.0
    drawn = 1

    def one_at_a_time(*_: object) -> torch.Tensor:
        nonlocal drawn
        drawn += 1
        unit = torch.zeros(steps + 2, target.means.shape[1], 1, 1)
        unit[drawn] = 1.0
        return unit

    options = {"noise_sampler": one_at_a_time} if sampler in ("euler_ancestral", "dpmpp_2m_sde") else {}
    answers = sampled(model(target, kind), sampler, steps, rows, **options)
    return answers[0], (answers[1:] - answers[0]).square().sum(dim=0).mean().item()
