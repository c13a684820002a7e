"""Small files of the classes and under the names that the shipped workflows load: checkpoints, UNets, LoRAs, a VAE."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from support import scorer_folders, standins, vqa_folders

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "demo" / "training")]

import comfyui  # noqa: E402
from assemble import put_helpers  # noqa: E402
from machine import alone  # noqa: E402
from networks import text_encoder  # noqa: E402

Weights = dict[str, torch.Tensor]

# Per class, the smallest UNet that core detects in every form the class is published in. SD1.5: as diffusers saves it
# (SDXS's levels). SDXL: core asks for its exact transformer depths, but not for its widths.
_LEVELS = {
    "sd15": {
        "num_res_blocks": [1, 1, 1],
        "channel_mult": [1, 2, 4],
        "transformer_depth": [0, 1, 1],
        "transformer_depth_output": [0, 0, 1, 1, 1, 1],
        "transformer_depth_middle": -2,
        "num_heads": 8,
    },
    "sdxl": {
        "num_res_blocks": [2, 2, 2],
        "channel_mult": [1, 1, 1],
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0] * 9,
        "transformer_depth_middle": -2,
        "num_head_channels": 64,
    },
}
_LARGE = 2**20  # elements; matrices above this are zeros, which take no room in the files
_BIGG_WIDTH, _BIGG_LAYERS = 1280, 32


def save_sparse(weights: Weights, path: Path) -> Path:
    """fp16, as standins.save; tensors of zeros come last, in a hole of the file."""
    values = {name: value.half() for name, value in weights.items()}
    kept = [name for name, value in values.items() if value.any()]
    header, end = {}, 0
    for name in [*kept, *(values.keys() - set(kept))]:
        start, end = end, end + 2 * values[name].numel()
        header[name] = {"dtype": "F16", "shape": list(values[name].shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in kept:
            file.write(values[name].contiguous().numpy().tobytes())
        file.truncate(8 + len(text) + end)
    return path


def unet(kind: str, seed: int) -> Weights:
    """A UNet of the class `sd15` or `sdxl` under ComfyUI's names, its large matrices zero."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    module = UNetModel(
        image_size=32,
        in_channels=4,
        out_channels=4,
        model_channels=320,
        use_spatial_transformer=True,
        legacy=False,
        **_levels(kind),
        **standins.UNETS[kind],
        dtype=torch.float32,
        device="meta",
        operations=comfy.ops.disable_weight_init,
    )
    rng = torch.Generator().manual_seed(seed)
    return {name: _filled(name, value.shape, rng) for name, value in module.state_dict().items()}


def _levels(kind: str) -> dict[str, list[int] | int]:
    """A copy: core empties the lists it is given."""
    return {key: list(value) if isinstance(value, list) else value for key, value in _LEVELS[kind].items()}


def _filled(name: str, shape: torch.Size, rng: torch.Generator) -> torch.Tensor:
    if shape.numel() > _LARGE:
        return _zeros(*shape)
    noise = torch.randn(shape, generator=rng)
    if len(shape) < 2:
        return (1.0 if name.endswith("weight") else 0.0) + 0.05 * noise
    return noise / shape[1:].numel() ** 0.5


def _zeros(*shape: int) -> torch.Tensor:
    return torch.zeros((), dtype=torch.float16).expand(shape)


def _diffusers_names() -> dict[str, str]:
    """ComfyUI's name of each weight of the SD1.5-class UNet -> diffusers' name."""
    import comfy.utils

    theirs = comfy.utils.unet_to_diffusers(_levels("sd15"))
    return {ours: name for name, ours in theirs.items() if not name.startswith(("class_", "add_"))}


def diffusers_unet(seed: int) -> Weights:
    """The SD1.5-class UNet as diffusers saves it: what Diffusion-DPO is published as."""
    names = _diffusers_names()
    return {names[name]: value for name, value in unet("sd15", seed).items()}


def webui_lora(seed: int) -> Weights:
    """A LoRA on its cross attention under the names of the web UI's trainers: lora_unet_down_blocks_..."""
    names = _diffusers_names()
    made = {}
    for name, value in _small_lora("sd15", 0, seed).items():
        layer, kind = re.fullmatch(r"diffusion_model\.(.+?)\.(alpha|lora_.+)", name).groups()
        key = names[f"{layer}.weight"].removesuffix(".weight").replace(".", "_")
        made[f"lora_unet_{key}.{kind}"] = value
    return made


def _small_lora(kind: str, base: int, seed: int) -> Weights:
    """A LoRA on the cross attention of unet(kind, base), in the generic key format."""
    return standins.lora({name: value for name, value in unet(kind, base).items() if value.any()}, seed, only="attn2")


@functools.cache
def _text_encoder() -> Weights:
    return text_encoder()


def clip_l(prefix: str) -> Weights:
    """The demo's untrained CLIP-L; `prefix` stands before `text_model.`."""
    return {
        prefix + name.removeprefix("cond_stage_model.transformer."): value for name, value in _text_encoder().items()
    }


def clip_g() -> Weights:
    """SDXL's second text encoder under OpenCLIP's names, all zeros: 1.4 GB that take no room on the disk."""
    width, prefix = _BIGG_WIDTH, "conditioner.embedders.1.model."
    weights = {
        "token_embedding.weight": _zeros(49408, width),
        "positional_embedding": _zeros(77, width),
        "text_projection": _zeros(width, width),
        "logit_scale": _zeros(1),
    }
    shapes = {"attn.out_proj": (width, width), "mlp.c_fc": (4 * width, width), "mlp.c_proj": (width, 4 * width)}
    norms = ["ln_final"]
    for layer in (f"transformer.resblocks.{index}" for index in range(_BIGG_LAYERS)):
        weights |= {f"{layer}.attn.in_proj_weight": _zeros(3 * width, width)}
        weights |= {f"{layer}.attn.in_proj_bias": _zeros(3 * width)}
        for name, shape in shapes.items():
            weights |= {f"{layer}.{name}.weight": _zeros(*shape), f"{layer}.{name}.bias": _zeros(shape[0])}
        norms += [f"{layer}.ln_1", f"{layer}.ln_2"]
    for norm in norms:
        weights |= {f"{norm}.weight": _zeros(width), f"{norm}.bias": _zeros(width)}
    return {prefix + name: value for name, value in weights.items()}


def _checkpoint(unet: Weights, text: Weights) -> Weights:
    return {f"{standins.CHECKPOINT_PREFIX}{name}": value for name, value in unet.items()} | text | standins.taesd(3)


def _sd15_checkpoint(unet: Weights) -> Weights:
    return _checkpoint(unet, clip_l("cond_stage_model.transformer."))


def _sdxl_checkpoint() -> Weights:
    return _checkpoint(unet("sdxl", 1), clip_l("conditioner.embedders.0.transformer.") | clip_g())


def _vae() -> Weights:
    return {name.removeprefix("first_stage_model."): value for name, value in standins.taesd(3).items()}


FILES: dict[str, Callable[[], Weights]] = {
    "checkpoints/v1-5-pruned-emaonly-fp16.safetensors": lambda: _sd15_checkpoint(unet("sd15", 0)),
    "checkpoints/sd_xl_base_1.0.safetensors": _sdxl_checkpoint,
    "checkpoints/deradiff_demo.safetensors": lambda: _sd15_checkpoint(standins.unet("sd15", 2)),
    "diffusion_models/sd1.5-unet-fp16.safetensors": lambda: diffusers_unet(0),
    "diffusion_models/dpo-sd1.5-text2image-v1.safetensors": lambda: diffusers_unet(1),
    "loras/pytorch_lora_weights-sdxl-comfyui.safetensors": lambda: _small_lora("sdxl", 1, 5),
    "loras/spo-sd-v1-5_4k-p_10ep_lora_webui.safetensors": lambda: webui_lora(6),
    "loras/sd_v15_dpo_lora_v1.safetensors": lambda: webui_lora(8),
    "loras/deradiff_demo_dpo.safetensors": lambda: standins.lora(standins.unet("sd15", 2), 7),
    "text_encoders/clip_l.safetensors": lambda: clip_l(""),
    "vae/vae-ft-mse-840000-ema-pruned.safetensors": _vae,
}


def write_all(models: Path) -> None:
    """Every file, below ComfyUI's `models` folder."""
    for name, build in FILES.items():
        save_sparse(build(), models / name)
    scorer_folders.write_clip(models / "deradiff_scorers" / "PickScore_v1")
    vqa_folders.write_vqa(models / "deradiff_scorers" / "Qwen3-VL-2B-Instruct")


def installed() -> Path:
    """The base directory of a server, prepared, with every file and a small example.png: for the tests of several processes."""
    base = comfyui.base_directory("standins")
    with alone(base.with_name(base.name + ".lock")):
        comfyui.prepare(base)
        _write_once(base / "models")
        put_helpers(base / "models")
        part = base / "example.part.png"
        Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(part)
        part.replace(base / "input" / "example.png")
    return base


def _write_once(models: Path) -> None:
    """Every file, written anew only when what writes them has changed."""
    sources = [Path(__file__), Path(standins.__file__), ROOT / "demo/training/networks.py"]
    stamp, wanted = models / "written.txt", hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        write_all(models)
        stamp.write_text(wanted, encoding="utf-8")
