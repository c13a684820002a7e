"""What the fidelity benchmark trains and compares: the betas, the seeds, and the models of a work folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import judge
import network
import samples
import scenes
import torch
import training
from comfy.model_patcher import ModelPatcher

ANCHOR = 0.125  # beta of the models that realigning starts from
LAMBDAS = (1.0, 0.5, 0.25, 0.75, 0.1, 1.5, 2.0)  # each has models retrained at ANCHOR / lambda, trained in this order
SEEDS = (0, 1)
LONGER, LONGER_AT = (
    2 * training.ALIGNED_STEPS,
    (1.0, 0.25),
)  # trained again for longer, to see whether they had converged
POOL = 60 * samples.BATCH  # samples of the reference that one seed's pairs are drawn from
POOL_SAMPLER = samples.Sampler("dpmpp_2m", 16)


@dataclass(frozen=True)
class Scale:
    """The reward in the reference's own units: 0 is its mean warmth, 1 one standard deviation above."""

    mean: float
    spread: float

    def reward(self, latents: torch.Tensor) -> torch.Tensor:
        return (scenes.warmth(latents) - self.mean) / self.spread


class Lab:
    """The models of one work folder; whatever is missing is trained when it is first asked for, and resumed if it was begun."""

    def __init__(self, work: Path) -> None:
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        self.weights = training.reference(work)
        self.judge = judge.judge(work)
        drawn = [self._pool(seed) for seed in SEEDS]
        warmth = scenes.warmth(torch.cat(drawn))
        self.scale = Scale(warmth.mean().item(), warmth.std().item())
        self.pools = [self._by_caption(latents) for latents in drawn]

    def reference(self) -> ModelPatcher:
        return network.patcher(self.weights)

    def retrained(self, strength: float, seed: int) -> training.Weights:
        """Weights of the model trained at beta = ANCHOR / strength; strength 1 is the anchor."""
        name = f"aligned-{strength:g}-{seed}"
        run = seed * 100 + LAMBDAS.index(strength)  # no two runs share pairs or noise
        return training.aligned(name, self.work, self.weights, self.pools[seed], ANCHOR / strength, run)

    def changed(self, strength: float) -> float:
        """How much of the reference's weights a training changed: Euclidean, relative, mean of the seeds."""
        whole = torch.stack([value.square().sum() for value in self.weights.values()]).sum().sqrt()
        moved = []
        for seed in SEEDS:
            ours = self.retrained(strength, seed)
            moved.append(
                torch.stack([(ours[name] - value).square().sum() for name, value in self.weights.items()]).sum()
            )
        return (torch.stack(moved).sqrt().mean() / whole).item()

    def longer(self, strength: float) -> training.Weights:
        """The model of seed 0 trained for LONGER steps."""
        name, run = f"longer-{strength:g}", LAMBDAS.index(strength)
        return training.aligned(name, self.work, self.weights, self.pools[0], ANCHOR / strength, run, LONGER)

    def ideal(self, strength: float) -> float:
        """Mean reward of p_ref exp(r / beta) at beta = ANCHOR / strength, from the reference's samples weighted by exp(r / beta)."""
        pools = torch.cat([pool.rewards for pool in self.pools], dim=1)
        shares = (pools * strength / ANCHOR).softmax(dim=1)
        return (shares * pools).sum(dim=1).mean().item()

    def _pool(self, seed: int) -> torch.Tensor:
        path = self.work / f"pool-{seed}.pt"
        if not path.exists():
            found = samples.plain(self.reference(), POOL_SAMPLER, POOL, (seed + 1) * 100_000)
            torch.save(found.latents, path)
        return torch.load(path, weights_only=True)

    def _by_caption(self, latents: torch.Tensor) -> training.Pool:
        count = len(scenes.CAPTIONS)
        by_caption = torch.stack([latents[index::count] for index in range(count)])
        return training.Pool(by_caption, torch.stack([self.scale.reward(group) for group in by_caption]))
