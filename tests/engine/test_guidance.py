"""Guidance that evaluates the model once more reaches both models of a pair."""

from __future__ import annotations

import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher, set_model_options_patch_replace
from deradiff.nodes.engine.patch import realign
from support import engine
from support.engine import ROUNDING, Pair, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")


def _perturbed_guidance(model: ModelPatcher) -> ModelPatcher:
    """What PAG and SEG do: evaluate the model once more, with its attention replaced for this one evaluation."""

    def post_cfg(args: dict) -> torch.Tensor:
        options = set_model_options_patch_replace(
            args["model_options"].copy(), lambda q, k, v, options: v, "attn1", "input", 1, 0
        )
        (perturbed,) = comfy.samplers.calc_cond_batch(
            args["model"], [args["cond"]], args["input"], args["sigma"], options
        )
        return args["denoised"] + 2 * (args["cond_denoised"] - perturbed)

    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(post_cfg)
    return clone


@pytest.mark.parametrize("lora", [False, True], ids=["separate", "LoRA"])
def test_guidance_by_a_perturbed_evaluation_perturbs_both_models(zoo: Zoo, sd15: Pair, lora: bool) -> None:
    """At lambda 1 it is the aligned model's own; between two equal models it is that model's at any lambda."""
    reference = zoo.load("sd15")
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3)) if lora else sd15.aligned
    expected = engine.by_core(_perturbed_guidance(aligned), sd15.task)
    plain = engine.by_core(aligned, sd15.task)
    assert engine.difference(expected, plain) > 100 * ROUNDING
    found = engine.by_core(_perturbed_guidance(realign(reference, aligned, 1.0)), sd15.task)
    assert engine.difference(found, expected) < ROUNDING
    twice = realign(aligned, aligned.clone(), 0.4) if lora else realign(aligned, zoo.load("sd15", 1), 0.4)
    assert engine.difference(engine.by_core(_perturbed_guidance(twice), sd15.task), expected) < ROUNDING
