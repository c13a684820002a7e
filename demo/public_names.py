"""The demo pair's weights under the names of the public files, so that a shipped workflow runs on them as it is.
SPO is the demo pair's LoRA with its sign turned, as there is no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from assemble import CHECKPOINT, LORA, assemble
from safetensors.torch import load_file, save_file
from workflow_files import CLIP_L, DPO, DPO_LORA, DPO_LORA_SD15, SD15, SD15_UNET, SDXL, SPO_LORA, VAE, File

Weights = dict[str, torch.Tensor]

_UNET, _CLIP, _VAE = "model.diffusion_model.", "cond_stage_model.transformer.", "first_stage_model."


def prepare(models: Path) -> None:
    """The demo pair's weights below ComfyUI's `models` folder, also under the names of the public files."""
    assemble(models)
    pair = load_file(models / "checkpoints" / CHECKPOINT), load_file(models / "loras" / LORA)
    for name in ("PickScore_v1", "Qwen3-VL-2B-Instruct"):
        (models / "deradiff_scorers" / name).mkdir(parents=True, exist_ok=True)  # so that the page lists it
    for file, made in _STANDINS.items():
        path = models / file.directory / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if made is None:
            os.link(models / "checkpoints" / CHECKPOINT, path)
        else:
            save_file({name: value.contiguous() for name, value in made(*pair).items()}, path)


def _part(prefix: str) -> Callable[[Weights, Weights], Weights]:
    def part(checkpoint: Weights, _: Weights) -> Weights:
        return {name.removeprefix(prefix): value for name, value in checkpoint.items() if name.startswith(prefix)}

    return part


def _merged(checkpoint: Weights, lora: Weights) -> Weights:
    """The reference's UNet with the LoRA in its weights: the aligned model as a file of its own."""
    unet = _part(_UNET)(checkpoint, lora)
    for key in [name for name in lora if name.endswith(".lora_up.weight")]:
        layer = key.removesuffix(".lora_up.weight")
        up, down = lora[key].float(), lora[f"{layer}.lora_down.weight"].float()
        weight = f"{layer.removeprefix('diffusion_model.')}.weight"
        scale = lora[f"{layer}.alpha"].item() / down.shape[0]
        change = (scale * up.flatten(1) @ down.flatten(1)).reshape(unet[weight].shape)
        unet[weight] = (unet[weight].float() + change).half()
    return unet


def _turned(_: Weights, lora: Weights) -> Weights:
    return {name: -value if name.endswith(".lora_up.weight") else value for name, value in lora.items()}


_STANDINS: dict[File, Callable[[Weights, Weights], Weights] | None] = {
    SD15: None,  # the checkpoint as it is
    SDXL: None,
    SD15_UNET: _part(_UNET),
    DPO: _merged,
    DPO_LORA: lambda _, lora: lora,
    DPO_LORA_SD15: lambda _, lora: lora,
    SPO_LORA: _turned,
    CLIP_L: _part(_CLIP),
    VAE: _part(_VAE),
}
