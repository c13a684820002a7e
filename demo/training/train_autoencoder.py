"""Train the demo's autoencoder in TAESD form on drawings under any light.
Run by `make train`; resumable. Writes weights/autoencoder.safetensors (fp16)."""

from __future__ import annotations

import drawings
import numpy as np
import session
import torch
from safetensors.torch import save_file

BATCH = 16
SD15_SCALE = 0.18215  # ComfyUI hands SD1.5 latents over divided by this


def batch(seed: int, size: int = BATCH) -> torch.Tensor:
    rng = np.random.RandomState(seed)
    drawn = [
        drawings.draw(drawings.CAPTIONS[rng.randint(len(drawings.CAPTIONS))], rng.uniform(-1, 1), rng)
        for _ in range(size)
    ]
    return drawings.to_tensor(drawn)


def build() -> torch.nn.Module:
    from comfy.taesd.taesd import TAESD

    return TAESD(latent_channels=4)


def initialise(model: torch.nn.Module) -> None:
    """Kaiming weights, with small residual branches and heads: twenty stacked blocks without norms train from the first step."""
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
            if name.endswith("conv.4"):
                layer.weight.data.mul_(0.2)
    model.taesd_encoder[-1].weight.data.mul_(0.3)
    model.taesd_decoder[-1].weight.data.mul_(0.3)
    model.taesd_decoder[-1].bias.data.fill_(0.5)


def main() -> None:
    options = session.arguments(__doc__, steps=1800)
    session.use_comfyui()
    model = build()
    initialise(model)
    model.vae_scale.requires_grad_(False).fill_(SD15_SCALE)
    model.vae_shift.requires_grad_(False)

    def loss_at(step: int) -> torch.Tensor:
        target = batch(options.seed * 1_000_000 + step)
        with torch.autocast("cpu", torch.bfloat16):
            latent = model.taesd_encoder(target).float()
            noisy = latent + 0.05 * torch.randn(latent.shape, generator=torch.Generator().manual_seed(step))
            output = model.taesd_decoder(noisy).float()
        # Diffusion wants latents of mean 0 and variance 1 in every channel.
        shape = latent.mean(dim=(0, 2, 3)).square().mean() + (latent.std(dim=(0, 2, 3)) - 1).square().mean()
        return (output - target).abs().mean() + 4 * (output - target).square().mean() + 0.02 * shape

    values = session.train(
        "autoencoder",
        model,
        [p for p in model.parameters() if p.requires_grad],
        loss_at,
        options,
        peak=1.5e-3,
        decay=0.99,
    )
    session.WEIGHTS.mkdir(exist_ok=True)
    save_file(
        {key: value.half().contiguous() for key, value in values.items()}, session.WEIGHTS / "autoencoder.safetensors"
    )


if __name__ == "__main__":
    main()
