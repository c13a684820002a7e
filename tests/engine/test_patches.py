"""What users put on a model, on a conditioning or around the sampling acts where it belongs, and says so where it does not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import comfy.controlnet
import comfy.hooks
import comfy.samplers
import comfy.utils
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy_extras import nodes_custom_sampler as custom
from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete, ModelSamplingSD3, RescaleCFG
from comfy_extras.nodes_perpneg import PerpNegGuider
from deradiff.nodes.engine.patch import realign
from support import engine, standins
from support.engine import ROUNDING, Pair, Task, Zoo

import nodes as core_nodes

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

Patch = Callable[[ModelPatcher], ModelPatcher]
KINDS = pytest.mark.parametrize("lora", [False, True], ids=["separate", "LoRA"])


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[str], int]:
    """How many warnings of the pack contain a text."""
    caplog.set_level(logging.INFO, logger="deradiff")

    def count(text: str) -> int:
        records = [record for record in caplog.records if record.name == "deradiff"]
        return sum(text in record.getMessage() and record.levelno == logging.WARNING for record in records)

    return count


def _halved_skips(model: ModelPatcher) -> ModelPatcher:
    """What FreeU does: changes hidden states and skip connections of the output blocks."""
    clone = model.clone()
    clone.set_model_output_block_patch(lambda h, skip, options: (1.4 * h, 0.5 * skip))
    return clone


def _scaled_attention(model: ModelPatcher) -> ModelPatcher:
    clone = model.clone()
    clone.set_model_attn2_patch(lambda q, k, v, options: (0.3 * q, k, v))
    return clone


def _replaced_attention(model: ModelPatcher) -> ModelPatcher:
    """What PAG and its like do: attention without looking at anything."""
    clone = model.clone()
    clone.set_model_attn1_replace(lambda q, k, v, options: v, "input", 1, 0)
    return clone


def _wrapped(model: ModelPatcher) -> ModelPatcher:
    clone = model.clone()
    clone.set_model_unet_function_wrapper(lambda apply, args: 0.9 * apply(args["input"], args["timestep"], **args["c"]))
    return clone


def _v_prediction(model: ModelPatcher) -> ModelPatcher:
    return ModelSamplingDiscrete().patch(model, "v_prediction", zsnr=False)[0]


def _shift(model: ModelPatcher) -> ModelPatcher:
    """A flow model whose timesteps are scaled as well; a shift alone only moves the schedule, which is the reference's."""
    return ModelSamplingSD3().patch(model, 1.2, multiplier=400)[0]


def _replaced_layer(model: ModelPatcher) -> ModelPatcher:
    """An object patch inside the network."""
    clone = model.clone()
    clone.add_object_patch("diffusion_model.out.1", torch.nn.Tanh())
    return clone


PATCHES: dict[str, tuple[str, Patch]] = {
    "output blocks": ("sd15", _halved_skips),
    "attention": ("sd15", _scaled_attention),
    "attention replaced": ("sd15", _replaced_attention),
    "model function": ("sd15", _wrapped),
    "v prediction": ("sd15", _v_prediction),
    "layer": ("sd15", _replaced_layer),
    "flow shift": ("sd3", _shift),
}


def _models(pair: Pair, zoo: Zoo, family: str, lora: bool) -> tuple[ModelPatcher, ModelPatcher]:
    """(the aligned model of a pair of this kind, the same on a module of its own)"""
    if not lora:
        return pair.aligned, pair.aligned
    path = zoo.lora_path(family, 3)
    return engine.lora_pair(pair.reference, path), engine.with_lora(zoo.load(family), path)


def _assert_mixture(reference: ModelPatcher, aligned: ModelPatcher, fresh: ModelPatcher, task: Task) -> torch.Tensor:
    """0.6 of the reference and 0.4 of the aligned model, which is `fresh` on a module of its own."""
    ours = engine.by_us(reference, aligned, 0.4, task)
    assert engine.difference(ours, engine.by_hand([reference, fresh], [0.6, 0.4], task)) < ROUNDING
    return ours


@KINDS
@pytest.mark.parametrize(("family", "patch"), PATCHES.values(), ids=PATCHES.keys())
@pytest.mark.parametrize("where", ["reference", "aligned", "both"])
def test_model_patches_act_on_their_model(
    request: pytest.FixtureRequest, zoo: Zoo, family: str, patch: Patch, where: str, lora: bool
) -> None:
    pair: Pair = request.getfixturevalue(family)
    aligned, fresh = _models(pair, zoo, family, lora)
    plain = engine.by_us(pair.reference, aligned, 0.4, pair.task)
    reference = pair.reference if where == "aligned" else patch(pair.reference)
    if where != "reference":
        aligned, fresh = patch(aligned), patch(fresh)
    ours = _assert_mixture(reference, aligned, fresh, pair.task)
    assert engine.difference(ours, plain) > 1e-3
    assert torch.equal(engine.by_us(reference, aligned, 0.0, pair.task), engine.by_core(reference, pair.task))
    assert torch.equal(
        engine.by_us(pair.reference, pair.aligned, 0.0, pair.task), engine.by_core(pair.reference, pair.task)
    )


def _same(ours: torch.Tensor, theirs: torch.Tensor, lora: bool) -> bool:
    """Bit for bit; to rounding for LoRA pairs, which go through the network together only where nothing is patched on one of them."""
    return engine.difference(ours, theirs) < 1e-5 if lora else torch.equal(ours, theirs)


@KINDS
def test_schedule_is_the_reference_s(zoo: Zoo, sd3: Pair, lora: bool) -> None:
    """A shift on the aligned model moves no step; on the reference it moves them for both."""
    aligned, fresh = _models(sd3, zoo, "sd3", lora)
    shifted = ModelSamplingSD3().patch(aligned, 1.2)[0]
    plain = engine.by_us(sd3.reference, aligned, 0.4, sd3.task)
    assert _same(engine.by_us(sd3.reference, shifted, 0.4, sd3.task), plain, lora)
    reference = ModelSamplingSD3().patch(sd3.reference, 1.2)[0]
    assert engine.difference(_assert_mixture(reference, aligned, fresh, sd3.task), plain) > 1e-3


def _hooked(cond: list, zoo: Zoo, seed: int, keyframes: bool) -> list:
    """The conditioning with a LoRA hook, scheduled over the steps or not."""
    hooks = comfy.hooks.create_hook_lora(comfy.utils.load_torch_file(str(zoo.lora_path("sd15", seed))), 1.0, 0.0)
    if keyframes:
        group = comfy.hooks.HookKeyframeGroup()
        for strength, start in ((0.2, 0.0), (1.0, 0.3), (0.5, 0.6)):
            group.add(comfy.hooks.HookKeyframe(strength, start))
        hooks.set_keyframes_on_hooks(group)
    return comfy.hooks.set_hooks_for_conditioning(cond, hooks)


def _half() -> torch.Tensor:
    mask = torch.zeros(1, 64, 64)
    mask[..., 24:] = 1.0
    return mask


def _controlnet(zoo: Zoo) -> comfy.controlnet.ControlNet:
    """A small ControlNet of the SD1.5 class, by core's loader."""
    path = zoo.folder / "controlnet.safetensors"
    if not path.exists():
        standins.save(standins.controlnet(11), path)
    return comfy.controlnet.load_controlnet(str(path))


def _conditionings(zoo: Zoo, name: str, task: Task) -> tuple[list, list]:
    """The task's (positive, negative) with one of the things that a conditioning may carry."""
    positive, negative, more = task.positive, task.negative, engine.conditioning("sd15", 9)
    core = core_nodes
    if name == "hook":
        return _hooked(positive, zoo, 8, False), negative
    if name == "hook with keyframes":
        return _hooked(positive, zoo, 8, True), _hooked(negative, zoo, 8, True)
    if name == "two hooks":
        return _hooked(positive, zoo, 8, True) + _hooked(more, zoo, 9, False), negative
    if name == "area":
        return positive + core.ConditioningSetArea().append(more, 32, 48, 8, 8, 0.7)[0], negative
    if name == "mask":
        return positive + core.ConditioningSetMask().append(more, _half(), "default", 0.8)[0], negative
    if name == "timestep range":
        early = core.ConditioningSetTimestepRange().set_range(positive, 0.0, 0.4)[0]
        return early + core.ConditioningSetTimestepRange().set_range(more, 0.4, 1.0)[0], negative
    if name == "ControlNet":
        image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(4))
        return core.ControlNetApplyAdvanced().apply_controlnet(
            positive, negative, _controlnet(zoo), image, 0.8, 0.0, 0.7
        )
    raise KeyError(name)


@KINDS
@pytest.mark.parametrize(
    "name",
    ["hook", "hook with keyframes", "two hooks", "area", "mask", "timestep range", "ControlNet"],
)
def test_conditioning_acts_on_both(zoo: Zoo, sd15: Pair, name: str, lora: bool) -> None:
    aligned, fresh = _models(sd15, zoo, "sd15", lora)
    task = replace(sd15.task, steps=4)
    positive, negative = _conditionings(zoo, name, task)
    changed = replace(task, positive=positive, negative=negative)
    ours = _assert_mixture(sd15.reference, aligned, fresh, changed)
    assert engine.difference(ours, engine.by_us(sd15.reference, aligned, 0.4, task)) > 1e-3
    for weight, model in ((0.0, sd15.reference), (1.0, aligned)):
        assert engine.difference(
            engine.by_us(sd15.reference, aligned, weight, changed), engine.by_core(model, changed)
        ) < (ROUNDING if lora and weight else 1e-12)


def _guidance(kind: str) -> Patch:
    def patch(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        if kind == "cfg":
            return RescaleCFG().patch(model, 0.7)[0]
        if kind == "post":
            clone.set_model_sampler_post_cfg_function(lambda args: 0.5 * args["denoised"])
        if kind == "pre":
            clone.set_model_sampler_pre_cfg_function(lambda args: [0.5 * branch for branch in args["conds_out"]])
        if kind == "mask":
            clone.set_model_denoise_mask_function(lambda sigma, mask, extra_options: mask)
        return clone

    return patch


@pytest.mark.parametrize("kind", ["cfg", "post", "pre", "mask"])
def test_guidance_on_the_aligned_model_warns(sd15: Pair, warnings: Callable[[str], int], kind: str) -> None:
    plain = engine.by_us(sd15.reference, sd15.aligned, 0.4, sd15.task)
    assert warnings("does not act there") == 0
    assert torch.equal(engine.by_us(sd15.reference, _guidance(kind)(sd15.aligned), 0.4, sd15.task), plain)
    assert warnings("Put it on the realigned MODEL") == 1


def test_guidance_on_both_is_said_once_and_acts_once(sd15: Pair, warnings: Callable[[str], int]) -> None:
    """A patch that came with the reference, of which the aligned model is a clone, is nobody's mistake."""
    reference = _guidance("cfg")(sd15.reference)
    aligned = _scaled_attention(reference)
    engine.by_us(reference, aligned, 0.4, sd15.task)
    assert warnings("does not act there") == 0


def test_weights_patched_after_realigning_warn(zoo: Zoo, sd15: Pair, warnings: Callable[[str], int]) -> None:
    path = zoo.lora_path("sd15", 3)
    model = realign(sd15.reference, sd15.aligned, 0.4)
    engine.by_core(model, sd15.task)
    assert warnings("patched after realigning") == 0
    ours = engine.by_core(engine.with_lora(model, path), sd15.task)
    assert warnings("patched after realigning") == 1
    fresh = engine.with_lora(zoo.load("sd15"), path)
    assert engine.difference(ours, engine.by_hand([fresh, sd15.aligned], [0.6, 0.4], sd15.task)) < ROUNDING


def test_lora_after_realigning_a_lora_pair_reaches_both(zoo: Zoo, sd15: Pair) -> None:
    first, second = zoo.lora_path("sd15", 3), zoo.lora_path("sd15", 4, rank=2)
    model = realign(sd15.reference, engine.lora_pair(sd15.reference, first), 0.4)
    ours = engine.by_core(engine.with_lora(model, second), sd15.task)
    fresh = [engine.with_lora(zoo.load("sd15"), second)]
    fresh.append(engine.with_lora(engine.with_lora(zoo.load("sd15"), first), second))
    assert engine.difference(ours, engine.by_hand(fresh, [0.6, 0.4], sd15.task)) < ROUNDING


def _cached(model: ModelPatcher, threshold: float, node: type = EasyCacheNode) -> ModelPatcher:
    return node.execute(model, threshold, 0.0, 1.0, verbose=False)[0]


@KINDS
@pytest.mark.parametrize("node", [EasyCacheNode, LazyCacheNode])
def test_caches_on_the_aligned_model_warn(
    zoo: Zoo, sd15: Pair, warnings: Callable[[str], int], node: type, lora: bool
) -> None:
    aligned, _ = _models(sd15, zoo, "sd15", lora)
    plain = engine.by_us(sd15.reference, aligned, 0.4, sd15.task)
    assert _same(engine.by_us(sd15.reference, _cached(aligned, 3.0, node), 0.4, sd15.task), plain, lora)
    assert warnings("Put it on the realigned MODEL") >= 1


@pytest.mark.parametrize("node", [EasyCacheNode, LazyCacheNode])
@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@KINDS
def test_caches_on_the_realigned_model_run(zoo: Zoo, sd15: Pair, node: type, weight: float, lora: bool) -> None:
    aligned, _ = _models(sd15, zoo, "sd15", lora)
    task = replace(sd15.task, steps=8)
    model = realign(sd15.reference, aligned, weight)
    plain = engine.by_core(model, task)
    assert _same(engine.by_core(_cached(model, 0.0, node), task), plain, lora)
    cached = engine.by_core(_cached(model, 3.0, node), task)
    assert torch.isfinite(cached).all()
    if weight < 1 or node is LazyCacheNode:
        assert not torch.equal(cached, plain)


def test_the_same_model_twice_warns(zoo: Zoo, sd15: Pair, warnings: Callable[[str], int]) -> None:
    text = "are the same model"
    for aligned in (sd15.reference, sd15.reference.clone(), zoo.load("sd15")):
        before = warnings(text)
        realign(sd15.reference, aligned, 0.5)
        assert warnings(text) == before + 1


@pytest.mark.parametrize("patch", [_halved_skips, _v_prediction, _replaced_layer])
def test_different_models_do_not_warn(
    zoo: Zoo, sd15: Pair, sd15_lora: Pair, warnings: Callable[[str], int], patch: Patch
) -> None:
    for aligned in (sd15.aligned, sd15_lora.aligned, patch(sd15.reference), patch(zoo.load("sd15"))):
        realign(sd15.reference, aligned, 0.5)
    assert warnings("are the same model") == 0


@pytest.mark.parametrize(("weight", "expected"), [(1.0, 0), (1.01, 1), (2.5, 1)])
def test_lambda_above_one_warns_once_per_run(
    sd15: Pair, warnings: Callable[[str], int], weight: float, expected: int
) -> None:
    model = realign(sd15.reference, sd15.aligned, weight)
    for run in (1, 2):
        engine.by_core(model, sd15.task)
        assert warnings("less regularised") == run * expected


def _guider(name: str, model: ModelPatcher, task: Task) -> comfy.samplers.CFGGuider:
    empty = engine.conditioning("sd15", 9)
    if name == "CFG":
        return custom.CFGGuider.execute(model, task.positive, task.negative, 6.0)[0]
    if name == "basic":
        return custom.BasicGuider.execute(model, task.positive)[0]
    if name == "perp-neg":
        return PerpNegGuider.execute(model, task.positive, task.negative, empty, 6.0, 0.8)[0]
    style = name.removeprefix("dual ")
    return custom.DualCFGGuider.execute(model, task.positive, empty, task.negative, 6.0, 3.0, style)[0]


def _by_guider(name: str, model: ModelPatcher, task: Task) -> torch.Tensor:
    sigmas = custom.BasicScheduler.execute(model, task.scheduler, task.steps, 1.0)[0]
    sampler = comfy.samplers.sampler_object("dpmpp_2m")
    noise = custom.RandomNoise.execute(task.seed)[0]
    guider = _guider(name, model, task)
    return custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, task.latent)[0]["samples"]


@KINDS
@pytest.mark.parametrize("guider", ["CFG", "basic", "perp-neg", "dual regular", "dual nested"])
def test_guiders(zoo: Zoo, sd15: Pair, guider: str, lora: bool) -> None:
    aligned, _ = _models(sd15, zoo, "sd15", lora)
    ends = {0.0: _by_guider(guider, sd15.reference, sd15.task), 1.0: _by_guider(guider, aligned, sd15.task)}
    for weight, expected in ends.items():
        ours = _by_guider(guider, realign(sd15.reference, aligned, weight), sd15.task)
        if lora and weight:
            assert engine.difference(ours, expected) < ROUNDING
        else:
            assert torch.equal(ours, expected)
    between = _by_guider(guider, realign(sd15.reference, aligned, 0.5), sd15.task)
    assert all(engine.difference(between, expected) > 1e-3 for expected in ends.values())
