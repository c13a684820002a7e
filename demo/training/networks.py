"""The demo's networks: ComfyUI's own SD1.5 UNet at its smallest useful depth, its noise schedule, and the text encoder."""

from __future__ import annotations

import numpy as np
import torch

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_middle": -2,
    "transformer_depth_output": [0, 1],
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "legacy": False,
    "adm_in_channels": None,
    "num_heads": 8,
    "context_dim": 768,
}

_CLIP_WIDTH, _CLIP_LAYERS, _CLIP_TOKENS, _CLIP_POSITIONS = 768, 12, 49408, 77


def unet() -> torch.nn.Module:
    """An uninitialised SD1.5-class UNet, 16.2 M parameters, eps(x / sqrt(sigma^2 + 1), t, context)."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    config = {key: list(value) if isinstance(value, list) else value for key, value in UNET.items()}
    return UNetModel(**config, dtype=torch.float32, device="cpu", operations=comfy.ops.disable_weight_init)


def alphas_cumprod() -> torch.Tensor:
    """The SD1.5 schedule's alphabar, (1000,)."""
    betas = torch.linspace(0.00085**0.5, 0.0120**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


def text_encoder(seed: int = 0) -> dict[str, torch.Tensor]:
    """CLIP-L weights that nobody trained, fp16, under the checkpoint's names.

    Token and position embeddings come from numpy's frozen RandomState stream. Every layer's weights are zero, so that
    the residual stream carries the embeddings to the final norm unmixed and prompts stay as distinct as their words.
    """
    rng = np.random.RandomState(seed)
    prefix = "cond_stage_model.transformer.text_model."

    def embedding(rows: int, scale: float) -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal((rows, _CLIP_WIDTH)).astype(np.float32) * scale).half()

    weights = {
        prefix + "embeddings.token_embedding.weight": embedding(_CLIP_TOKENS, 1.0),
        prefix + "embeddings.position_embedding.weight": embedding(_CLIP_POSITIONS, 0.3),
    }
    shapes = {"mlp.fc1": (4 * _CLIP_WIDTH, _CLIP_WIDTH), "mlp.fc2": (_CLIP_WIDTH, 4 * _CLIP_WIDTH)}
    shapes |= {f"self_attn.{name}_proj": (_CLIP_WIDTH, _CLIP_WIDTH) for name in ("q", "k", "v", "out")}
    for layer in range(_CLIP_LAYERS):
        for name, (rows, columns) in shapes.items():
            weights[f"{prefix}encoder.layers.{layer}.{name}.weight"] = torch.zeros(rows, columns, dtype=torch.float16)
            weights[f"{prefix}encoder.layers.{layer}.{name}.bias"] = torch.zeros(rows, dtype=torch.float16)
        for norm in ("layer_norm1", "layer_norm2"):
            weights |= _norm(f"{prefix}encoder.layers.{layer}.{norm}")
    return weights | _norm(prefix + "final_layer_norm")


def _norm(name: str) -> dict[str, torch.Tensor]:
    return {
        name + ".weight": torch.ones(_CLIP_WIDTH, dtype=torch.float16),
        name + ".bias": torch.zeros(_CLIP_WIDTH, dtype=torch.float16),
    }


def encode_prompts(prompts: list[str]) -> torch.Tensor:
    """What ComfyUI's CLIPTextEncode makes of each prompt with the demo's text encoder: (len(prompts), 77, 768)."""
    import comfy.sd

    weights = {f"clip_l.{key.removeprefix('cond_stage_model.')}": value for key, value in text_encoder().items()}
    clip = comfy.sd.load_text_encoder_state_dicts(
        [{key.removeprefix("clip_l.transformer."): value for key, value in weights.items()}]
    )
    return torch.cat([clip.encode_from_tokens(clip.tokenize(prompt)) for prompt in prompts]).float()
