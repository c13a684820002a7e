"""lambda 0 and 1 are core's own sampling of the reference and of the aligned model, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from support import engine
from support.engine import Pair, Task

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

ENDPOINTS = pytest.mark.parametrize("weight", [0.0, 1.0])
FEW_SAMPLERS = ("euler", "dpmpp_2m_sde", "uni_pc")


def _end(pair: Pair, weight: float) -> ModelPatcher:
    return pair.aligned if weight else pair.reference


def _assert_same(pair: Pair, weight: float, task: Task) -> None:
    expected = engine.by_core(_end(pair, weight), task)
    assert torch.isfinite(expected).all()
    assert torch.equal(engine.by_us(pair.reference, pair.aligned, weight, task), expected)


def _masked(kind: str) -> dict:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1.0
    return {**engine.drawn_latent(kind), "noise_mask": mask}


@ENDPOINTS
@pytest.mark.parametrize("sampler", comfy.samplers.KSampler.SAMPLERS)
def test_every_sampler(sd15: Pair, sampler: str, weight: float) -> None:
    denoise = 0.2 if sampler == "dpm_adaptive" else 1.0  # it takes dozens of steps over the whole range
    _assert_same(sd15, weight, replace(sd15.task, sampler_name=sampler, denoise=denoise))


@ENDPOINTS
@pytest.mark.parametrize("scheduler", ["karras", "sgm_uniform", "beta"])
@pytest.mark.parametrize("sampler", FEW_SAMPLERS)
def test_schedulers(sd15: Pair, sampler: str, scheduler: str, weight: float) -> None:
    _assert_same(sd15, weight, replace(sd15.task, sampler_name=sampler, scheduler=scheduler))


@ENDPOINTS
@pytest.mark.parametrize("sampler", FEW_SAMPLERS)
@pytest.mark.parametrize("family", ["sdxl", "sd3"])
def test_families(request: pytest.FixtureRequest, family: str, sampler: str, weight: float) -> None:
    pair = request.getfixturevalue(family)
    _assert_same(pair, weight, replace(pair.task, sampler_name=sampler))


@ENDPOINTS
def test_latents_of_five_dimensions(wan: Pair, weight: float) -> None:
    assert engine.by_core(wan.reference, wan.task).shape == (1, 16, 3, 4, 4)
    _assert_same(wan, weight, wan.task)


@ENDPOINTS
@pytest.mark.parametrize(
    "changes",
    [
        {"cfg": 1.0},
        {"latent": engine.empty_latent("sd15", batch=2)},
        {"latent": engine.drawn_latent("sd15"), "denoise": 0.6},
        {"latent": _masked("sd15")},
        {"latent": {**engine.drawn_latent("sd15", batch=2), "batch_index": [4, 2]}, "denoise": 0.8},
        {"denoise": 0.0},
    ],
    ids=["cfg 1", "batch of 2", "image to image", "inpainting", "batch_index", "nothing to denoise"],
)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde"])
def test_everything_a_ksampler_takes(sd15: Pair, sampler: str, changes: dict, weight: float) -> None:
    _assert_same(sd15, weight, replace(sd15.task, sampler_name=sampler, **changes))


@ENDPOINTS
def test_latent_keeps_its_other_keys(sd15: Pair, weight: float) -> None:
    task = replace(sd15.task, latent=_masked("sd15"))
    steps = {"add_noise": "enable", "start_at_step": 0, "end_at_step": 10000, "return_with_leftover_noise": "disable"}
    ours = engine.advanced_by_us(sd15.reference, sd15.aligned, weight, task, **steps)
    theirs = engine.advanced_by_core(_end(sd15, weight), task, **steps)
    assert ours.keys() == theirs.keys()
    assert ours["noise_mask"] is task.latent["noise_mask"]


@ENDPOINTS
@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral"])
def test_ksampler_advanced_in_two_halves(sd15: Pair, sampler: str, weight: float) -> None:
    task = replace(sd15.task, steps=4, sampler_name=sampler)
    halves = (
        {"add_noise": "enable", "start_at_step": 0, "end_at_step": 2, "return_with_leftover_noise": "enable"},
        {"add_noise": "disable", "start_at_step": 2, "end_at_step": 10000, "return_with_leftover_noise": "disable"},
    )
    ours = theirs = task.latent
    for steps in halves:
        ours = engine.advanced_by_us(sd15.reference, sd15.aligned, weight, replace(task, latent=ours), **steps)
        theirs = engine.advanced_by_core(_end(sd15, weight), replace(task, latent=theirs), **steps)
        assert torch.equal(ours["samples"], theirs["samples"])


@contextmanager
def _counted(model: ModelPatcher) -> Iterator[list[int]]:
    """The batch sizes of the forward passes of a model's network."""
    batches: list[int] = []
    handle = model.model.diffusion_model.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    try:
        yield batches
    finally:
        handle.remove()


@pytest.mark.parametrize(("weight", "evaluated"), [(0.0, (3, 0)), (1.0, (0, 3)), (0.5, (3, 3))])
def test_only_models_with_a_weight_are_evaluated(sd15: Pair, weight: float, evaluated: tuple[int, int]) -> None:
    with _counted(sd15.reference) as reference, _counted(sd15.aligned) as aligned:
        engine.by_us(sd15.reference, sd15.aligned, weight, sd15.task)
    assert (len(reference), len(aligned)) == evaluated


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3"])
@pytest.mark.parametrize("sampler", FEW_SAMPLERS)
def test_lora_pair(request: pytest.FixtureRequest, zoo: engine.Zoo, family: str, sampler: str) -> None:
    pair: Pair = request.getfixturevalue(family)
    aligned = engine.lora_pair(pair.reference, zoo.lora_path(family, 3))
    task = replace(pair.task, sampler_name=sampler)
    reference, merged = engine.by_core(pair.reference, task), engine.by_core(aligned, task)
    assert engine.difference(merged, reference) > 0.01
    assert torch.equal(engine.by_us(pair.reference, aligned, 0.0, task), reference)
    assert engine.difference(engine.by_us(pair.reference, aligned, 1.0, task), merged) < engine.ROUNDING
