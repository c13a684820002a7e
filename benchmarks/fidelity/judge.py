"""Whether an image shows its caption: a small classifier, trained on drawings in any light."""

from __future__ import annotations

import argparse
from pathlib import Path

import scenes
import session
import torch

BATCH, STEPS, PEAK = 128, 1500, 2e-3
DRAWINGS, LIGHT, NOISE = 27_000, 0.7, 0.05


class Judge(torch.nn.Module):
    """Latents (N, CHANNELS, SIDE, SIDE) -> a logit for each caption, (N, len(CAPTIONS))."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.PixelShuffle(scenes.SIZE // scenes.SIDE),
            torch.nn.Conv2d(3, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(32, 32, 3, padding=1, stride=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(32, 48, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(48 * scenes.SIDE**2, 96),
            torch.nn.ReLU(),
            torch.nn.Linear(96, len(scenes.CAPTIONS)),
        )

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.layers(latents)

    @torch.no_grad()
    def believes(self, latents: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Probability that each image shows its caption, (N,)."""
        return self(latents).softmax(dim=1).gather(1, captions.view(-1, 1))[:, 0]


def judge(work: Path) -> Judge:
    """The classifier, trained on first use."""
    drawings = scenes.draw(DRAWINGS, seed=2, light=LIGHT, wrong=0.0)
    torch.manual_seed(0)
    model = Judge()

    def loss_at(step: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(step)
        chosen = torch.randint(DRAWINGS, (BATCH,), generator=rng)
        latents = drawings.latents[chosen]
        latents = latents + NOISE * torch.randn(latents.shape, generator=rng)
        return torch.nn.functional.cross_entropy(model(latents), drawings.shown[chosen])

    options = argparse.Namespace(work=work, steps=STEPS)
    model.load_state_dict(session.train("judge", model, list(model.parameters()), loss_at, options, PEAK, decay=0.99))
    return model.eval().requires_grad_(False)
