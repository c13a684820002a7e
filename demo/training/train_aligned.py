"""Align the demo's reference with Diffusion-DPO, as a LoRA, on a reward that sees only the light.
Run by `make train` after the reference; resumable. Writes weights/aligned_lora.safetensors (fp16).

Diffusion-DPO (Wallace et al., CVPR 2024, arXiv 2311.12908), equation 14:

    loss = -log sigmoid(-beta T [ (|eps - eps_a(x_w)|^2 - |eps - eps_r(x_w)|^2) - (the same for the loser) ])

The raters of the pairs look at warmth alone, never at the caption, and beta is small: the aligned model over-optimises,
and its images lose their captions. That is what lambda below 1 undoes.
"""

from __future__ import annotations

from pathlib import Path

import data
import drawings
import fp8
import networks
import numpy as np
import session
import torch
from safetensors.torch import save_file

BATCH = 16
PAIRS = 3_600
RANK = 8
BETA_T = 40.0  # beta * T, for squared errors averaged over the latent


class Lora(torch.nn.Module):
    """A LoRA on one layer (alpha = rank), switched by the shared `on`; Hu et al., arXiv 2106.09685."""

    on = True

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        shape = layer.weight.shape
        self.up = torch.nn.Parameter(torch.zeros(shape[0], RANK, *(1 for _ in shape[2:])))
        self.down = torch.nn.Parameter(torch.randn(RANK, *shape[1:]) / shape[1:].numel() ** 0.5)
        self.geometry = {"stride": layer.stride, "padding": layer.padding} if len(shape) == 4 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.geometry is None:
            return torch.nn.functional.linear(torch.nn.functional.linear(x, self.down), self.up)
        return torch.nn.functional.conv2d(torch.nn.functional.conv2d(x, self.down, **self.geometry), self.up)


def attach(model: torch.nn.Module) -> dict[str, Lora]:
    """Freeze the model and put a LoRA beside every matrix and convolution but the first and the last."""
    model.requires_grad_(False)
    loras: dict[str, Lora] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) and not name.startswith(
            ("input_blocks.0.", "out.", "time_embed")
        ):
            loras[name] = Lora(layer)
            layer.register_forward_hook(
                lambda _, inputs, output, lora=loras[name]: output + lora(inputs[0]) if Lora.on else output
            )
    return loras


def preferences(work: Path, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(winners, losers, captions): latents of two images for each caption, the warmer one winning.

    An image shows its caption half of the time, any other drawing else; the light is free.
    """
    path = work / f"preferences-{PAIRS}-{seed}.pt"
    if not path.exists():
        rng = np.random.RandomState(seed + 1)
        captions = np.arange(PAIRS) % len(drawings.CAPTIONS)

        def drawn() -> list[np.ndarray]:
            shown = [c if rng.rand() < 0.5 else rng.randint(len(drawings.CAPTIONS)) for c in captions]
            return [drawings.draw(drawings.CAPTIONS[s], rng.uniform(-0.9, 0.9), rng) for s in shown]

        pair = [drawn(), drawn()]
        reward = torch.stack([drawings.warmth(torch.from_numpy(np.stack(side)) / 255.0) for side in pair])
        latents = torch.stack([data.encode(side, data.autoencoder()) for side in pair])
        first = (reward[0] > reward[1]).view(-1, 1, 1, 1)
        torch.save(
            (latents[0].where(first, latents[1]), latents[1].where(first, latents[0]), torch.from_numpy(captions)), path
        )
    return torch.load(path, weights_only=True)


def main() -> None:
    options = session.arguments(__doc__, steps=500)
    session.use_comfyui()
    winners, losers, captions = preferences(options.work, options.seed)
    contexts = data.contexts(options.work)
    model = networks.unet()
    model.load_state_dict(
        {name: value.float() for name, value in fp8.load(session.WEIGHTS / "reference.safetensors").items()}
    )
    loras = attach(model)
    trained = torch.nn.ModuleDict({name.replace(".", "/"): lora for name, lora in loras.items()})

    def errors(x: torch.Tensor, steps: torch.Tensor, context: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            eps = model(x, steps.float(), context=context)
        return (eps.float() - noise).square().mean(dim=(1, 2, 3))

    def loss_at(step: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(options.seed * 1_000_000 + 500_000 + step)
        chosen = torch.randint(len(winners), (BATCH,), generator=draw)
        steps = torch.randint(1000, (BATCH,), generator=draw).repeat(2)
        noise = torch.randn(BATCH, *winners.shape[1:], generator=draw).repeat(2, 1, 1, 1)
        x = data.noisy(torch.cat([winners[chosen], losers[chosen]]), steps, noise)
        context = contexts[captions[chosen]].repeat(2, 1, 1)
        with torch.no_grad():
            Lora.on = False
            before = errors(x, steps, context, noise)
            Lora.on = True
        gain_w, gain_l = (errors(x, steps, context, noise) - before).chunk(2)
        return -torch.nn.functional.logsigmoid(-BETA_T * (gain_w - gain_l)).mean()

    values = session.train("aligned", trained, list(trained.parameters()), loss_at, options, peak=3e-4, decay=0.99)
    lora = {}
    for name in loras:
        key = name.replace(".", "/")
        lora[f"diffusion_model.{name}.lora_up.weight"] = values[f"{key}.up"].half().contiguous()
        lora[f"diffusion_model.{name}.lora_down.weight"] = values[f"{key}.down"].half().contiguous()
        lora[f"diffusion_model.{name}.alpha"] = torch.tensor(float(RANK))
    save_file(lora, session.WEIGHTS / "aligned_lora.safetensors")


if __name__ == "__main__":
    main()
