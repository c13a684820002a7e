"""Injections are part of what a model is: core's bypass LoRA changes the module itself while it samples."""

from __future__ import annotations

import comfy.sd
import comfy.utils
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import PatcherInjection
from deradiff.nodes.engine.patch import realign
from support import engine
from support.engine import ROUNDING, Pair, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")


def injected(model: ModelPatcher) -> ModelPatcher:
    """A clone whose module has another forward in one layer while it is in use, as a bypass LoRA has in many."""
    clone = model.clone()
    layer = next(child for name, child in model.model.named_modules() if name.endswith("attn2.to_v"))

    def inject(_: ModelPatcher) -> None:
        original = layer.forward
        layer.forward = lambda *args, **kwargs: -2.0 * original(*args, **kwargs)

    def eject(_: ModelPatcher) -> None:
        del layer.forward

    clone.set_injections("bypass_lora", [PatcherInjection(inject=inject, eject=eject)])
    return clone


def test_an_injection_on_the_aligned_model_of_a_shared_module_is_refused(sd15: Pair) -> None:
    with pytest.raises(ValueError, match=r"^aligned: the model carries injections \(bypass_lora\).*Load LoRA Pair"):
        realign(sd15.reference, injected(sd15.reference), 0.5)


def test_it_is_not_taken_for_the_same_model(sd15: Pair, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="injections"):
        realign(sd15.reference, injected(sd15.reference), 0.5)
    assert "are the same model" not in caplog.text


@pytest.mark.skipif(
    not hasattr(comfy.sd, "load_bypass_lora_for_models"), reason="this ComfyUI has no bypass LoRA (0.33 has)"
)
def test_core_s_bypass_lora_is_refused_as_aligned_model(sd15: Pair, zoo: Zoo) -> None:
    weights = comfy.utils.load_torch_file(str(zoo.lora_path("sd15", 3)), safe_load=True)
    aligned = comfy.sd.load_bypass_lora_for_models(sd15.reference, None, weights, 1.0, 0)[0]
    with pytest.raises(ValueError, match=r"^aligned: the model carries injections"):
        engine.by_us(sd15.reference, aligned, 0.5, sd15.task)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_injection_on_a_module_of_its_own_acts(zoo: Zoo, sd15: Pair, weight: float) -> None:
    aligned = injected(zoo.load("sd15", 1))
    expected = engine.by_core(aligned if weight else sd15.reference, sd15.task)
    assert torch.equal(engine.by_us(sd15.reference, aligned, weight, sd15.task), expected)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_injection_below_a_lora_pair_acts_on_both(zoo: Zoo, weight: float) -> None:
    reference = injected(zoo.load("sd15"))
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3, only="attn1"))
    task = engine.task_for("sd15")
    ours, theirs = (
        engine.by_us(reference, aligned, weight, task),
        engine.by_core(aligned if weight else reference, task),
    )
    assert engine.difference(ours, theirs) < ROUNDING


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_injection_on_the_reference_alone_does_not_reach_the_aligned_model(zoo: Zoo, weight: float) -> None:
    plain = zoo.load("sd15")
    reference, task = injected(plain), engine.task_for("sd15")
    aligned = engine.with_lora(plain, zoo.lora_path("sd15", 3))
    ours, theirs = (
        engine.by_us(reference, aligned, weight, task),
        engine.by_core(aligned if weight else reference, task),
    )
    assert engine.difference(ours, theirs) < ROUNDING
