"""Weights in half the size of fp16: float8_e4m3 with one fp16 scale per output row; vectors stay fp16."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_LARGEST = 448.0  # of float8_e4m3fn
_SCALE = ".fp8_scale"


def save(values: dict[str, torch.Tensor], path: Path) -> None:
    packed: dict[str, torch.Tensor] = {}
    for name, value in values.items():
        if value.ndim < 2:
            packed[name] = value.half().contiguous()
            continue
        scale = (value.flatten(1).abs().amax(dim=1).clamp(min=1e-6) / _LARGEST).half()
        rows = scale.float().view(-1, *[1] * (value.ndim - 1))
        packed[name] = (value / rows).clamp(-_LARGEST, _LARGEST).to(torch.float8_e4m3fn).contiguous()
        packed[name + _SCALE] = scale
    path.parent.mkdir(exist_ok=True)
    save_file(packed, path)


def load(path: Path) -> dict[str, torch.Tensor]:
    """The weights as fp16, exactly as the demo's checkpoint carries them."""
    packed = load_file(path)
    values = {}
    for name, value in packed.items():
        if name.endswith(_SCALE):
            continue
        if value.dtype == torch.float8_e4m3fn:
            rows = packed[name + _SCALE].float().view(-1, *[1] * (value.ndim - 1))
            value = value.float() * rows
        values[name] = value.half()
    return values
