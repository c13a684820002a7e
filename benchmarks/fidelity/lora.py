"""A LoRA out of the difference of two models: the truncated SVD of every layer's change of weights."""

from __future__ import annotations

import torch

RANK = 8


def from_difference(base: dict[str, torch.Tensor], changed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A LoRA file's tensors for ComfyUI's LoraLoader; layers that are matrices or convolutions, biases and norms left out."""
    found = {}
    for name, weight in base.items():
        if weight.ndim < 2 or not name.endswith(".weight"):
            continue
        up, values, down = torch.linalg.svd((changed[name] - weight).flatten(1), full_matrices=False)
        rank = min(RANK, len(values))
        layer = f"diffusion_model.{name.removesuffix('.weight')}"
        found[f"{layer}.lora_up.weight"] = (
            (up[:, :rank] * values[:rank]).reshape(-1, rank, *(1,) * (weight.ndim - 2)).contiguous()
        )
        found[f"{layer}.lora_down.weight"] = down[:rank].reshape(rank, *weight.shape[1:]).contiguous()
        found[f"{layer}.alpha"] = torch.tensor(float(rank))
    return found
