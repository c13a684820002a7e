"""What the difference to the reference is made of: a shift along the reward, which is what lambda scales, and the rest."""

from __future__ import annotations

from dataclasses import dataclass

import network
import samples
import scenes
import tables
import torch
import training
from plan import ANCHOR, SEEDS, Lab

TIME, COUNT = 200, 4 * samples.BATCH  # of 1000 steps of noise; reference samples that are noised
LAMBDAS = (1.0, 0.75, 0.5, 0.25, 0.1)


@dataclass(frozen=True)
class Drift:
    """Of D - D_reference, in units of sigma: its mean along the reward, and the rest's mean square on all, cold and warm images."""

    along: float
    rest: float
    cold: float
    warm: float


@torch.no_grad()
def results(lab: Lab) -> dict[float, Drift]:
    """Mean of the seeds, by lambda of the retrained model."""
    latents = torch.cat([pool.latents.transpose(0, 1).flatten(0, 1)[: COUNT // 2] for pool in lab.pools])
    times = torch.full((COUNT,), TIME)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    noised = training.noisy(latents, times, noise)
    context = network.contexts()[samples.captions(COUNT // 2)].repeat(2, 1, 1)

    def predicted(weights: training.Weights) -> torch.Tensor:
        return network.patcher(weights).model.diffusion_model(noised, times.float(), context=context)

    reference, rewards, along = predicted(lab.weights), lab.scale.reward(latents), _direction()
    cold, warm = rewards < rewards.quantile(1 / 3), rewards > rewards.quantile(2 / 3)
    found = {}
    for strength in LAMBDAS:
        parts = []
        for seed in SEEDS:
            change = reference - predicted(lab.retrained(strength, seed))  # D = x - sigma eps
            shift = (change * along).sum(dim=(1, 2, 3))
            rest = change.square().sum(dim=(1, 2, 3)) - shift.square()
            parts.append(torch.stack([shift.mean(), rest.mean(), rest[cold].mean(), rest[warm].mean()]))
        found[strength] = Drift(*torch.stack(parts).mean(dim=0).tolist())
    return found


def _direction() -> torch.Tensor:
    """The reward's gradient as a unit vector, (1, C, H, W): warmth is linear."""
    with torch.enable_grad():
        at = torch.zeros(1, scenes.CHANNELS, scenes.SIDE, scenes.SIDE, requires_grad=True)
        (slope,) = torch.autograd.grad(scenes.warmth(at).sum(), at)
    return slope / slope.norm()


def markdown(found: dict[float, Drift]) -> list[str]:
    """Each part beside lambda times the anchor's."""
    anchor, rows = found[1.0], []
    for strength, part in found.items():
        rows.append(
            (
                f"{strength:g}",
                f"{ANCHOR / strength:.3g}",
                f"{part.along / anchor.along:.2f}",
                f"{(part.rest / anchor.rest) ** 0.5:.2f}",
                f"{strength**0.5:.2f}",
                f"{part.cold / part.warm:.1f}",
            )
        )
    header = (
        "λ",
        "β",
        "along the reward / anchor's",
        "the rest / anchor's",
        "√λ",
        "the rest's square, cold / warm images",
    )
    return tables.markdown(header, rows)
