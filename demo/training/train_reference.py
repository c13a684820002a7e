"""Train the demo's reference model: eps prediction on captioned drawings, every eighth caption left empty.
Run by `make train` after the autoencoder; resumable. Writes weights/reference.safetensors (fp8 with a scale per row)."""

from __future__ import annotations

import data
import fp8
import networks
import session
import torch

BATCH = 32
DRAWINGS = 14_400


def main() -> None:
    options = session.arguments(__doc__, steps=3200)
    session.use_comfyui()
    latents, captions = data.reference_set(options.work, DRAWINGS, options.seed)
    contexts = data.contexts(options.work)
    model = networks.unet()
    session.initialise(model)
    # Residual branches and the head start at zero, as in the original UNet.
    for name, layer in model.named_modules():
        if name.endswith(("out_layers.3", "proj_out", "out.2")):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def loss_at(step: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(options.seed * 1_000_000 + step)
        chosen = torch.randint(len(latents), (BATCH,), generator=draw)
        steps = torch.randint(1000, (BATCH,), generator=draw)
        noise = torch.randn(BATCH, *latents.shape[1:], generator=draw)
        prompts = captions[chosen].where(torch.rand(BATCH, generator=draw) > 0.125, torch.tensor(len(contexts) - 1))
        x = data.noisy(latents[chosen], steps, noise)
        with torch.autocast("cpu", torch.bfloat16):
            eps = model(x, steps.float(), context=contexts[prompts])
        return (eps.float() - noise).square().mean()

    values = session.train("reference", model, list(model.parameters()), loss_at, options, peak=5e-4)
    fp8.save(values, session.WEIGHTS / "reference.safetensors")


if __name__ == "__main__":
    main()
