"""Latents and prompt embeddings of the demo's drawings, computed once and kept in the work folder."""

from __future__ import annotations

from pathlib import Path

import drawings
import networks
import numpy as np
import session
import torch
from safetensors.torch import load_file
from train_autoencoder import build as build_autoencoder


def autoencoder() -> torch.nn.Module:
    model = build_autoencoder()
    weights = load_file(session.WEIGHTS / "autoencoder.safetensors")
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model.eval().requires_grad_(False)


@torch.no_grad()
def encode(drawn: list[np.ndarray], model: torch.nn.Module) -> torch.Tensor:
    """Drawings -> latents in the UNet's space, (B, 4, 8, 8)."""
    with torch.autocast("cpu", torch.bfloat16):
        return torch.cat(
            [model.taesd_encoder(drawings.to_tensor(drawn[i : i + 32])).float() for i in range(0, len(drawn), 32)]
        )


def contexts(work: Path) -> torch.Tensor:
    """Embeddings of every caption, then of the empty prompt: (len(CAPTIONS) + 1, 77, 768)."""
    path = work / "contexts.pt"
    if not path.exists():
        torch.save(networks.encode_prompts([str(caption) for caption in drawings.CAPTIONS] + [""]), path)
    return torch.load(path, weights_only=True)


def reference_set(work: Path, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and caption indices of `count` drawings in nearly neutral light."""
    path = work / f"reference-{count}-{seed}.pt"
    if not path.exists():
        rng = np.random.RandomState(seed)
        captions = np.arange(count) % len(drawings.CAPTIONS)
        drawn = [drawings.draw(drawings.CAPTIONS[c], rng.normal(0, 0.12), rng) for c in captions]
        torch.save((encode(drawn, autoencoder()), torch.from_numpy(captions)), path)
    return torch.load(path, weights_only=True)


def noisy(latents: torch.Tensor, steps: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The variance-preserving x_t = sqrt(abar) x0 + sqrt(1 - abar) eps."""
    signal = networks.alphas_cumprod()[steps].view(-1, 1, 1, 1)
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise
