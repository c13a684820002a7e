"""A network of the transformers library on the device of ComfyUI's text encoders, which it leaves like other models."""

from __future__ import annotations

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher

ATTENTION = "sdpa"  # named by us: a config.json may name a repository whose code transformers would download and run


def managed(model: torch.nn.Module) -> ModelPatcher:
    """The network as core loads and unloads it."""
    return ModelPatcher(
        model,
        load_device=comfy.model_management.text_encoder_device(),
        offload_device=comfy.model_management.text_encoder_offload_device(),
    )


def put(patcher: ModelPatcher, memory: int) -> torch.device:
    """Load all of it, as transformers' layers cannot be streamed as core's can; returns the device. memory: bytes that it takes beside the weights."""
    comfy.model_management.load_models_gpu([patcher], memory_required=memory, force_full_load=True)
    return patcher.load_device


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    """(..., C) in 0..1 -> (..., 3) in 0..255 on the CPU, as transformers' processors take images."""
    return images[..., :3].clamp(0, 1).mul(255).round().byte().cpu()
