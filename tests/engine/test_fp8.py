"""fp8 weights under a LoRA pair: which comes nearer to full precision, the LoRA in the forward pass or core's merged weights."""

from __future__ import annotations

from collections.abc import Callable

import comfy.sd
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from support import engine
from support.engine import Weights, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

LARGEST = 448.0  # of float8_e4m3fn
PLAIN, SCALED = "fp8", "fp8 with scales"


def _scaled(weights: Weights) -> Weights:
    """The form of ComfyUI's scaled fp8 files: each matrix in fp8 with one scale."""
    made: Weights = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, value in weights.items():
        if value.ndim == 2 and name.endswith(".weight"):
            scale = value.abs().max() / LARGEST
            made[name] = (value / scale).to(torch.float8_e4m3fn)
            made[name.removesuffix("weight") + "scale_weight"] = scale.float()
        else:
            made[name] = value
    return made


def _load(zoo: Zoo, form: str) -> ModelPatcher:
    weights = dict(zoo.weights("sd15"))
    if form == SCALED:
        return comfy.sd.load_diffusion_model_state_dict(_scaled(weights))
    return comfy.sd.load_diffusion_model_state_dict(weights, model_options={"dtype": torch.float8_e4m3fn})


@pytest.mark.parametrize("form", [PLAIN, SCALED])
def test_lambda_1_is_nearer_to_full_precision_than_merged_weights(
    zoo: Zoo, form: str, record_property: Callable[[str, object], None]
) -> None:
    """Core merges a LoRA into fp8 weights and rounds them to fp8 again; in the forward pass the LoRA keeps its own precision."""
    path, task = zoo.lora_path("sd15", 3), engine.task_for("sd15", cfg=1.0)
    full = engine.by_core(engine.with_lora(zoo.load("sd15"), path), task)
    reference = _load(zoo, form)
    ours = engine.difference(engine.by_us(reference, engine.lora_pair(reference, path), 1.0, task), full)
    merged = engine.difference(engine.by_core(engine.with_lora(_load(zoo, form), path), task), full)
    record_property("figure", f"{form}: off by {ours:.4f} in the forward pass, {merged:.4f} merged")
    assert ours < merged
