"""Small models of the real classes, written as the files users load. Weights are random but seeded.
Every one goes through core's own detection and loaders; nothing here stands in for anything that computes.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file

UNETS = {
    "sd15": {"context_dim": 768, "use_linear_in_transformer": False, "adm_in_channels": None},
    "sdxl": {
        "context_dim": 2048,
        "use_linear_in_transformer": True,
        "adm_in_channels": 2816,
        "num_classes": "sequential",
    },
}
CHECKPOINT_PREFIX = "model.diffusion_model."


def _randomise(
    module: torch.nn.Module, seed: int, spread: float = 0.0, base: dict[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """Seeded weights that keep activations of order one; with `base`, those weights plus a relative change of `spread`."""
    rng = torch.Generator().manual_seed(seed)
    weights = {}
    for name, value in module.state_dict().items():
        noise = torch.randn(value.shape, generator=rng)
        if base is not None:
            weights[name] = base[name] + spread * base[name].std(correction=0).clamp(min=0.02) * noise
        elif value.ndim >= 2:
            weights[name] = noise / math.sqrt(value[0].numel())
        else:
            weights[name] = (1.0 if name.endswith("weight") else 0.0) + 0.05 * noise
    return weights


SMALLEST: dict[str, object] = {
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_middle": -2,
    "transformer_depth_output": [0, 0],
}


def unet(
    kind: str,
    seed: int,
    base: dict[str, torch.Tensor] | None = None,
    spread: float = 0.1,
    sizes: dict[str, object] = SMALLEST,
) -> dict[str, torch.Tensor]:
    """State dict of an SD1.5- or SDXL-class UNet; by default the smallest that core detects with attention in it."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    module = UNetModel(
        image_size=32,
        in_channels=4,
        out_channels=4,
        model_channels=320,
        **{key: list(value) if isinstance(value, list) else value for key, value in sizes.items()},
        use_spatial_transformer=True,
        legacy=False,
        num_heads=8 if kind == "sd15" else -1,
        num_head_channels=-1 if kind == "sd15" else 64,
        **UNETS[kind],
        dtype=torch.float32,
        device="meta",
        operations=comfy.ops.disable_weight_init,
    )
    return _randomise(module, seed, spread, base)


def mmdit(
    seed: int, base: dict[str, torch.Tensor] | None = None, spread: float = 0.1, depth: int = 3
) -> dict[str, torch.Tensor]:
    """State dict of an SD3-class MMDiT of `depth` joint blocks (fused qkv projections, 16 latent channels, flow)."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT

    module = MMDiT(
        input_size=None,
        patch_size=2,
        in_channels=16,
        depth=depth,
        pos_embed_max_size=24,
        num_patches=576,
        adm_in_channels=2048,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": 4096, "out_features": 64 * depth},
        },
        dtype=torch.float32,
        device="meta",
        operations=comfy.ops.disable_weight_init,
    )
    return _randomise(module, seed, spread, base)


def save(weights: dict[str, torch.Tensor], path: Path, prefix: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({prefix + name: value.half().contiguous() for name, value in weights.items()}, path)
    return path


def taesd(seed: int) -> dict[str, torch.Tensor]:
    """A TAESD-form VAE as a checkpoint carries it."""
    from comfy.taesd.taesd import TAESD

    weights = _randomise(TAESD(latent_channels=4), seed)
    weights |= {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    return {f"first_stage_model.{name}": value for name, value in weights.items()}


def lora(
    weights: dict[str, torch.Tensor],
    seed: int,
    rank: int = 4,
    alpha: float | None = 2.0,
    scale: float = 0.3,
    only: str = "",
) -> dict[str, torch.Tensor]:
    """A LoRA over every matrix and convolution of the state dict whose name contains `only`, in the generic key format."""
    rng = torch.Generator().manual_seed(seed)
    made = {}
    for name, value in weights.items():
        if value.ndim not in (2, 4) or not name.endswith(".weight") or only not in name:
            continue
        key = "diffusion_model." + name.removesuffix(".weight")
        kernel = value.shape[2:]
        out, inner = value.shape[:2]
        size = scale * value.std() * math.sqrt(1 / rank)
        made[f"{key}.lora_up.weight"] = torch.randn(out, rank, *(1 for _ in kernel), generator=rng) * size
        made[f"{key}.lora_down.weight"] = torch.randn(rank, inner, *kernel, generator=rng)
        if alpha is not None:
            made[f"{key}.alpha"] = torch.tensor(alpha)
    return made


def controlnet(seed: int) -> dict[str, torch.Tensor]:
    """State dict of the smallest SD1.5-class ControlNet."""
    from comfy.cldm.cldm import ControlNet

    sizes = {key: SMALLEST[key] for key in ("num_res_blocks", "channel_mult", "transformer_depth")}
    module = ControlNet(
        image_size=32,
        in_channels=4,
        hint_channels=3,
        model_channels=320,
        use_spatial_transformer=True,
        legacy=False,
        num_heads=8,
        context_dim=768,
        transformer_depth_middle=-2,
        device="meta",
        **sizes,
    )
    return _randomise(module, seed)
