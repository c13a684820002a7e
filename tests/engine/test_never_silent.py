"""A run that asked for lambda gets it or fails: what other packs replace, and what core splits, never gives another image silently."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import comfy.model_base
import comfy.patcher_extension
import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.region import Region
from deradiff.nodes.method.weights import Weight
from support import engine
from support.engine import ROUNDING, Pair, Task, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

NOT_REACHED = r"lambda did not act"
KINDS = pytest.mark.parametrize("kind", ["sd15", "sd15_lora"])


def _pair(kind: str, request: pytest.FixtureRequest) -> Pair:
    return request.getfixturevalue(kind)


def _around_the_wrappers(model: object, conds: list, x: torch.Tensor, timestep: torch.Tensor, options: dict) -> list:
    """calc_cond_batch as it was before there were wrappers: straight to the model."""
    return comfy.samplers._calc_cond_batch(model, conds, x, timestep, options)


def _old_sampling_function(
    model: object,
    x: torch.Tensor,
    timestep: torch.Tensor,
    uncond: list,
    cond: list,
    cond_scale: float,
    model_options: dict,
    seed: int | None = None,
) -> torch.Tensor:
    """sampling_function as packs replace it: with an evaluation of its own."""
    cond_out, uncond_out = _around_the_wrappers(model, [cond, uncond], x, timestep, model_options)
    return uncond_out + cond_scale * (cond_out - uncond_out)


# One rule: no prediction of ours, no image


@KINDS
@pytest.mark.parametrize(
    ("name", "other"), [("sampling_function", _old_sampling_function), ("calc_cond_batch", _around_the_wrappers)]
)
def test_a_replaced_evaluation_that_goes_around_us_is_an_error(
    kind: str, name: str, other: Callable, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = _pair(kind, request)
    reference = engine.by_core(pair.reference, pair.task)
    monkeypatch.setattr(comfy.samplers, name, other)
    with pytest.raises(ValueError, match=NOT_REACHED):
        engine.by_us(pair.reference, pair.aligned, 0.5, pair.task)
    with pytest.raises(ValueError, match=NOT_REACHED):
        engine.by_core(realign(pair.reference, pair.aligned, 1.0), pair.task)
    assert engine.difference(engine.by_us(pair.reference, pair.aligned, 0.0, pair.task), reference) < ROUNDING


@KINDS
def test_a_function_in_the_options_that_goes_around_us_is_an_error(kind: str, request: pytest.FixtureRequest) -> None:
    pair = _pair(kind, request)
    model = realign(pair.reference, pair.aligned, 0.5)
    model.model_options["sampler_calc_cond_batch_function"] = lambda args: _around_the_wrappers(
        args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
    )
    with pytest.raises(ValueError, match=NOT_REACHED):
        engine.by_core(model, pair.task)


def test_a_function_in_the_options_that_asks_core_gets_lambda(sd15: Pair) -> None:
    model = realign(sd15.reference, sd15.aligned, 0.5)
    expected = engine.by_core(model, sd15.task)
    model.model_options["sampler_calc_cond_batch_function"] = lambda args: comfy.samplers.calc_cond_batch(
        args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
    )
    assert torch.equal(engine.by_core(model, sd15.task), expected)


def _old_clone(self: ModelPatcher, *_: object, **__: object) -> ModelPatcher:
    """ModelPatcher.clone as it was before wrappers, attachments and additional models."""
    n = type(self)(self.model, self.load_device, self.offload_device, self.size)
    n.patches = {key: patches[:] for key, patches in self.patches.items()}
    n.patches_uuid = self.patches_uuid
    n.object_patches = self.object_patches.copy()
    n.model_options = comfy.model_patcher.create_model_options_clone(self.model_options)
    n.backup, n.object_patches_backup = self.backup, self.object_patches_backup
    return n


@KINDS
def test_a_clone_that_loses_what_it_carries_is_an_error(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = _pair(kind, request)
    monkeypatch.setattr(ModelPatcher, "clone", _old_clone)
    with pytest.raises(ValueError, match=r"clone.*lambda"):
        engine.by_us(pair.reference, pair.aligned, 0.5, pair.task)


def test_a_guider_that_leaves_out_the_wrappers_of_a_run_is_an_error(
    sd15: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its evaluations reach us, but nothing of ours was prepared."""

    realigned = realign(sd15.reference, sd15.aligned, 0.5), realign(sd15.reference, sd15.aligned, 0.0)
    expected = engine.by_core(sd15.reference, sd15.task)

    def get_all(kind: str, options: dict, is_model_options: bool = False) -> list:
        return [] if kind == WrappersMP.OUTER_SAMPLE else all_wrappers(kind, options, is_model_options)

    all_wrappers = comfy.patcher_extension.get_all_wrappers
    monkeypatch.setattr(comfy.patcher_extension, "get_all_wrappers", get_all)
    with pytest.raises(ValueError, match=r"lambda did not act: a node evaluates the realigned MODEL without"):
        engine.by_core(realigned[0], sd15.task)
    assert torch.equal(engine.by_core(realigned[1], sd15.task), expected)


def test_a_run_without_steps_asks_nothing(sd15: Pair) -> None:
    nothing = replace(sd15.task, latent=engine.drawn_latent("sd15"), denoise=0.0)
    assert torch.equal(engine.by_us(sd15.reference, sd15.aligned, 0.5, nothing), nothing.latent["samples"])


@pytest.mark.parametrize("mask", [torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
def test_a_weight_of_zero_everywhere_asks_nothing(
    sd15: Pair, mask: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", _around_the_wrappers)
    model = realign(sd15.reference, sd15.aligned, Weight(0.5, region=Region(mask)))
    if mask.any():
        with pytest.raises(ValueError, match=NOT_REACHED):
            engine.by_core(model, sd15.task)
    else:
        assert engine.by_core(model, sd15.task).isfinite().all()


# `forward` replaced on a module


def _own_forward(model: ModelPatcher, how: str) -> ModelPatcher:
    """What face-identity packs do: another forward on the instance, here one that scales the context."""
    network = model.model.diffusion_model
    method = type(network).forward

    def forward(self: torch.nn.Module, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        return 0.8 * method(self, x, *args, **kwargs)

    if how == "bound":
        network.forward = types.MethodType(forward, network)
    elif how == "partial":
        network.forward = partial(types.MethodType(forward, network))
    else:
        network.forward = lambda *args, **kwargs: forward(network, *args, **kwargs)
    return model


@pytest.fixture
def fresh(zoo: Zoo) -> ModelPatcher:
    """A reference of its own, since the module itself is changed."""
    return zoo.load("sd15")


@pytest.mark.parametrize("how", ["bound", "partial"])
def test_a_replaced_forward_reaches_both_models_of_a_lora_pair(fresh: ModelPatcher, zoo: Zoo, how: str) -> None:
    aligned = engine.lora_pair(_own_forward(fresh, how), zoo.lora_path("sd15", 3))
    task = engine.task_for("sd15")
    for weight, model in ((0.0, fresh), (1.0, aligned)):
        ours, theirs = engine.by_us(fresh, aligned, weight, task), engine.by_core(model, task)
        assert engine.difference(ours, theirs) < ROUNDING, weight


@pytest.mark.parametrize("how", ["bound", "partial"])
def test_a_replaced_forward_reaches_both_models_of_a_copied_pair(fresh: ModelPatcher, zoo: Zoo, how: str) -> None:
    """A difference of weights is no LoRA: the aligned model runs on a copy of the module."""
    _own_forward(fresh, how)
    aligned = fresh.clone()
    key = next(key for key in aligned.model_state_dict() if key.endswith("attn2.to_k.weight"))
    aligned.add_patches({key: ("diff", (torch.ones_like(aligned.model_state_dict()[key]),))}, 0.5)
    task = engine.task_for("sd15")
    for weight, model in ((0.0, fresh), (1.0, aligned)):
        ours, theirs = engine.by_us(fresh, aligned, weight, task), engine.by_core(model, task)
        assert engine.difference(ours, theirs) < ROUNDING, weight


def test_a_replaced_apply_model_reaches_both_models(fresh: ModelPatcher, zoo: Zoo) -> None:
    def apply(self: comfy.model_base.BaseModel, *args: object, **kwargs: object) -> torch.Tensor:
        return 0.9 * type(self).apply_model(self, *args, **kwargs)

    fresh.model.apply_model = types.MethodType(apply, fresh.model)
    aligned = engine.lora_pair(fresh, zoo.lora_path("sd15", 3))
    task = engine.task_for("sd15")
    for weight, model in ((0.0, fresh), (1.0, aligned)):
        assert engine.difference(engine.by_us(fresh, aligned, weight, task), engine.by_core(model, task)) < ROUNDING


def test_a_replaced_forward_that_cannot_be_bound_anew_is_refused(fresh: ModelPatcher, zoo: Zoo) -> None:
    aligned = engine.lora_pair(_own_forward(fresh, "closure"), zoo.lora_path("sd15", 3))
    with pytest.raises(ValueError, match=r"forward.*replaced"):
        engine.by_us(fresh, aligned, 0.5, engine.task_for("sd15"))


def test_layers_that_are_all_unreached_are_an_error(sd15: Pair, zoo: Zoo) -> None:
    """A pack that computes the network's output in its own way: the aligned model would be the reference."""
    reference = sd15.reference.clone()
    reference.add_wrapper_with_key(
        WrappersMP.DIFFUSION_MODEL, "another pack", lambda executor, x, *args, **kwargs: 0.1 * x
    )
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    with pytest.raises(ValueError, match=r"no layer of the aligned model's LoRA"):
        engine.by_us(reference, aligned, 0.5, sd15.task)


# A step cache in the model function wrapper


class StepCache:
    """What step-cache packs do: on every other step the output is what the network gave last."""

    def __init__(self) -> None:
        self.calls, self.last = 0, {}

    def __call__(self, apply: Callable, args: dict) -> torch.Tensor:
        key = tuple(args["cond_or_uncond"])
        self.calls += 1
        if key in self.last and self.calls % 2 == 0:
            return self.last[key]
        self.last[key] = apply(args["input"], args["timestep"], **args["c"])
        return self.last[key]


def _closure() -> Callable:
    state: dict = {"cache": StepCache()}

    def wrapper(apply: Callable, args: dict) -> torch.Tensor:
        return state["cache"](apply, args)

    return wrapper


class Method:
    def __init__(self) -> None:
        self.cache = StepCache()

    def wrapper(self, apply: Callable, args: dict) -> torch.Tensor:
        return self.cache(apply, args)


@pytest.mark.parametrize("make", [StepCache, _closure, lambda: Method().wrapper], ids=["object", "closure", "method"])
def test_each_model_has_its_own_run_of_a_stateful_function_wrapper(
    sd15_lora: Pair, zoo: Zoo, make: Callable[[], Callable]
) -> None:
    task = replace(sd15_lora.task, steps=4)

    def cached(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        clone.set_model_unet_function_wrapper(make())
        return clone

    reference = cached(sd15_lora.reference)
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    apart = zoo.load("sd15")
    theirs = engine.by_hand(
        [cached(sd15_lora.reference), cached(engine.with_lora(apart, zoo.lora_path("sd15", 3)))], [0.5, 0.5], task
    )
    assert engine.difference(engine.by_us(reference, aligned, 0.5, task), theirs) < ROUNDING


# Patches that mix the rows of a batch


@pytest.mark.parametrize("where", ["patch", "replace"])
def test_a_patch_that_mixes_rows_does_not_mix_the_models(sd15_lora: Pair, zoo: Zoo, where: str) -> None:
    """What StyleAligned and reference-only do: rows see what other rows have."""

    def shared(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        if where == "patch":
            clone.set_model_attn1_patch(
                lambda q, k, v, options: (q, k.mean(0, True).expand_as(k), v.mean(0, True).expand_as(v))
            )
        else:
            clone.set_model_attn1_replace(lambda q, k, v, options: v + v.mean(0, True), "input", 1, 0)
        return clone

    task: Task = replace(sd15_lora.task, latent=engine.empty_latent("sd15", 2))
    reference = shared(sd15_lora.reference)
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    apart = engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3))
    theirs = engine.by_hand([shared(sd15_lora.reference), shared(apart)], [0.5, 0.5], task)
    assert engine.difference(engine.by_us(reference, aligned, 0.5, task), theirs) < ROUNDING
