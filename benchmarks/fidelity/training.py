"""Training the benchmark's models: the reference on drawings, and Diffusion-DPO from it at a given beta.

Diffusion-DPO (Wallace et al., CVPR 2024, arXiv 2311.12908), equation 14, with the preference probability itself as the
label instead of a draw from it:

    loss = -p log s(h) - (1 - p) log s(-h)
    h = -beta T omega [ (|eps - eps_a(x1)|^2 - |eps - eps_r(x1)|^2) - (the same for x2) ]

p = s(r(x1) - r(x2)) (Bradley and Terry), the same noise and time for x1 and x2, squared errors summed over the latent, so that
the optimum is finite at every beta.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import network
import networks
import scenes
import session
import torch

BATCH = 64
TIMES = 1000
T_OMEGA = 6.2  # half the span of log SNR over SD1.5's schedule: then h is a log ratio in nats, and beta its own unit
REFERENCE_STEPS, ALIGNED_STEPS = 5000, 1200
REFERENCE_PEAK = 1e-3
ALIGNED_PEAK = 2.5e-6  # times 1 / beta: the loss's gradient grows with beta, and Diffusion-DPO's own rate falls with it
DRAWINGS = 18_000

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Pool:
    """The reference's own samples. latents: (captions, N, C, H, W); rewards: (captions, N)."""

    latents: torch.Tensor
    rewards: torch.Tensor


def _options(work: Path, steps: int) -> argparse.Namespace:
    return argparse.Namespace(work=work, steps=steps)


def noisy(latents: torch.Tensor, times: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The variance-preserving x_t = sqrt(abar) x0 + sqrt(1 - abar) eps."""
    signal = networks.alphas_cumprod()[times].view(-1, 1, 1, 1)
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise


def reference(work: Path) -> Weights:
    """eps prediction on drawings whose light is free."""
    drawings = scenes.draw(DRAWINGS, seed=0)
    contexts = network.contexts()
    torch.manual_seed(0)
    unet = network.patcher().model.diffusion_model
    session.initialise(unet)
    for name, layer in unet.named_modules():  # residual branches and the head start at zero, as in the original UNet
        if name.endswith(("out_layers.3", "proj_out", "out.2")):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def loss_at(step: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(step)
        chosen = torch.randint(DRAWINGS, (BATCH,), generator=rng)
        times = torch.randint(TIMES, (BATCH,), generator=rng)
        noise = torch.randn(BATCH, *drawings.latents.shape[1:], generator=rng)
        x = noisy(drawings.latents[chosen], times, noise)
        return (unet(x, times.float(), context=contexts[drawings.captions[chosen]]) - noise).square().mean()

    return session.train(
        "reference", unet, list(unet.parameters()), loss_at, _options(work, REFERENCE_STEPS), REFERENCE_PEAK
    )


def aligned(
    name: str, work: Path, base: Weights, pool: Pool, beta: float, seed: int, steps: int = ALIGNED_STEPS
) -> Weights:
    """Diffusion-DPO from the reference `base`. seed: of the pairs, the noise and the times."""
    contexts = network.contexts()
    unet = network.patcher(base).model.diffusion_model
    frozen = network.patcher(base).model.diffusion_model.requires_grad_(False)
    pairs, (captions, count) = BATCH // 2, pool.rewards.shape

    def loss_at(step: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(seed * 1_000_000 + step)
        caption = torch.randint(captions, (pairs,), generator=rng).repeat(2)
        chosen = torch.randint(count, (2 * pairs,), generator=rng)
        times = torch.randint(TIMES, (pairs,), generator=rng).repeat(2)
        noise = torch.randn(pairs, *pool.latents.shape[2:], generator=rng).repeat(2, 1, 1, 1)
        inputs = noisy(pool.latents[caption, chosen], times, noise), times.float(), contexts[caption]
        gain = _errors(unet, inputs, noise) - _errors(frozen, inputs, noise)
        first, second = gain.chunk(2)
        better, worse = pool.rewards[caption, chosen].chunk(2)
        return torch.nn.functional.binary_cross_entropy_with_logits(
            -beta * T_OMEGA * (first - second), torch.sigmoid(better - worse)
        )

    peak = ALIGNED_PEAK / beta
    return session.train(name, unet, list(unet.parameters()), loss_at, _options(work, steps), peak, decay=0.995)


def _errors(
    unet: torch.nn.Module, inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor], noise: torch.Tensor
) -> torch.Tensor:
    x, times, context = inputs
    return (unet(x, times, context=context) - noise).square().sum(dim=(1, 2, 3))
