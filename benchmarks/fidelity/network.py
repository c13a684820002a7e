"""The benchmark's network: ComfyUI's own UNet at a small width inside ComfyUI's own BaseModel and ModelPatcher."""

from __future__ import annotations

import comfy.latent_formats
import comfy.model_base
import comfy.ops
import comfy.supported_models_base
import scenes
import torch
from comfy.model_patcher import ModelPatcher

WIDTH = 32  # of a word's embedding
GROUP = 8  # channels that one norm looks at together: 32 groups of so few channels would hide how bright an image is

UNET = {
    "image_size": 32,
    "in_channels": scenes.CHANNELS,
    "out_channels": scenes.CHANNELS,
    "model_channels": 48,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [0, 1],
    "transformer_depth_middle": -2,
    "transformer_depth_output": [1, 1, 0, 0],
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "legacy": False,
    "adm_in_channels": None,
    "num_heads": 4,
    "context_dim": WIDTH,
    "dtype": torch.float32,
}


class Operations(comfy.ops.disable_weight_init):
    """Core's layers, with fewer groups in the norms."""

    class GroupNorm(comfy.ops.disable_weight_init.GroupNorm):
        def __init__(self, num_groups: int, num_channels: int, **settings: object) -> None:
            super().__init__(min(num_groups, num_channels // GROUP), num_channels, **settings)


class Pixels(comfy.latent_formats.LatentFormat):
    """Images themselves, their 2x2 blocks laid side by side; nothing is scaled."""

    latent_channels = scenes.CHANNELS
    scale_factor = 1.0


class Config(comfy.supported_models_base.BASE):
    """What ComfyUI wants to know of a model: eps prediction on SD1.5's schedule."""

    unet_extra_config = {}  # noqa: RUF012
    latent_format = Pixels
    custom_operations = Operations


def patcher(weights: dict[str, torch.Tensor] | None = None) -> ModelPatcher:
    """The model as ComfyUI's loaders would hand it over, on the CPU; weights of the UNet, uninitialised without."""
    unet = {key: list(value) if isinstance(value, list) else value for key, value in UNET.items()}
    model = comfy.model_base.BaseModel(Config(unet), device="cpu")
    if weights is not None:
        model.diffusion_model.load_state_dict(weights)
    cpu = torch.device("cpu")
    return ModelPatcher(model, load_device=cpu, offload_device=cpu)


def contexts() -> torch.Tensor:
    """Embeddings of the captions, (len(CAPTIONS), 2, WIDTH): one token for the colour, one for the shape."""
    rng = torch.Generator().manual_seed(7)
    words: dict[str, torch.Tensor] = {}
    for caption in scenes.CAPTIONS:
        for word in (caption.colour, caption.shape):
            if word not in words:
                words[word] = torch.randn(WIDTH, generator=rng)
    return torch.stack([torch.stack([words[caption.colour], words[caption.shape]]) for caption in scenes.CAPTIONS])
