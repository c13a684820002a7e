"""Files that are not what a loader's socket asks for, written with the names and forms of the real ones."""

from __future__ import annotations

from pathlib import Path

import comfy.clip_model
import comfy.ldm.models.autoencoder
import comfy.ops
import torch
from safetensors.torch import save_file

from support import standins

Weights = dict[str, torch.Tensor]
SDXL_CLASS = {  # KOALA's depths, by which core knows the smallest of the class
    "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 1, 1],
    "transformer_depth": [0, 2, 5],
    "transformer_depth_middle": -2,
    "transformer_depth_output": [0, 0, 0, 0, 0, 0],
}


def text_encoder() -> Weights:
    """A CLIP text encoder of one narrow layer."""
    config = {
        "num_hidden_layers": 1,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "hidden_act": "quick_gelu",
        "eos_token_id": 49407,
        "max_position_embeddings": 77,
        "num_positions": 77,
    }
    module = comfy.clip_model.CLIPTextModel(config, torch.float32, "cpu", comfy.ops.disable_weight_init)
    return {name: torch.zeros_like(value) for name, value in module.state_dict().items()}


def autoencoder() -> Weights:
    """A KL autoencoder as models/vae holds it, narrow."""
    sizes = {"double_z": True, "z_channels": 4, "resolution": 64, "in_channels": 3, "out_ch": 3, "ch": 32}
    sizes |= {"ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0}
    module = comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=sizes, embed_dim=4)
    return {name: torch.zeros_like(value) for name, value in module.state_dict().items()}


def inpainting(weights: Weights) -> Weights:
    """The same UNet as an inpainting model: nine input channels."""
    name = "input_blocks.0.0.weight"
    first = weights[name]
    return {**weights, name: torch.cat([first, torch.zeros_like(first[:, :1]).expand(-1, 5, -1, -1)], dim=1)}


def wider_prompts(weights: Weights) -> Weights:
    """The same names as a model whose prompts are 2048 wide, as SDXL's are."""
    return {
        name: torch.randn(value.shape[0], 2048) if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) else value
        for name, value in weights.items()
    }


def lora_of_nothing() -> Weights:
    """A LoRA whose keys belong to no model that ComfyUI knows."""
    return {"base.block_7.lora_up.weight": torch.zeros(8, 2), "base.block_7.lora_down.weight": torch.zeros(2, 8)}


def write(weights: Weights, path: Path) -> Path:
    """Write tensors as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, path)
    return path


def write_wrong_files(folder: Path, unet: Weights) -> None:
    """One file of every wrong kind into a model folder. unet: a model to break."""
    write(text_encoder(), folder / "clip.safetensors")
    write(autoencoder(), folder / "vae.safetensors")
    write(lora_of_nothing(), folder / "foreign_lora.safetensors")
    write(standins.lora(wider_prompts(unet), seed=3, only="attn2.to_k"), folder / "sdxl_lora.safetensors")
    write({}, folder / "no_tensors.safetensors")
    whole = write(
        {f"model.diffusion_model.{name}": value for name, value in unet.items()}, folder / "whole.safetensors"
    )
    (folder / "truncated.safetensors").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "empty.ckpt").write_bytes(b"")
    torch.save({"state_dict": lora_of_nothing()}, folder / "damaged.ckpt")
    (folder / "damaged.ckpt").write_bytes((folder / "damaged.ckpt").read_bytes()[:-200])
    (folder / "page.safetensors").write_bytes(b"<!DOCTYPE html><html><body>Sign in to download</body></html>")
