"""Between and beyond the endpoints: the sampled mixture against a loop written by hand and against core's hooks."""

from __future__ import annotations

from dataclasses import replace

import comfy.hooks
import comfy.sample
import pytest
import torch
from comfy_extras.nodes_model_advanced import RescaleCFG
from deradiff.nodes.engine.patch import realign
from node_helpers import conditioning_set_values
from support import engine
from support.engine import ROUNDING, Pair, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

FAMILIES = pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "wan"])


@FAMILIES
@pytest.mark.parametrize("weight", [-1.0, 0.3, 1.5])
def test_equals_a_loop_over_two_models(request: pytest.FixtureRequest, family: str, weight: float) -> None:
    pair: Pair = request.getfixturevalue(family)
    expected = engine.by_hand([pair.reference, pair.aligned], [1 - weight, weight], pair.task)
    ours = engine.by_us(pair.reference, pair.aligned, weight, pair.task)
    assert engine.difference(ours, expected) < ROUNDING
    for end in (pair.reference, pair.aligned):
        assert engine.difference(ours, engine.by_core(end, pair.task)) > 0.01


@pytest.mark.parametrize(
    "changes",
    [
        {"cfg": 1.0},
        {"latent": engine.empty_latent("sd15", batch=2)},
        {"latent": engine.drawn_latent("sd15"), "denoise": 0.6},
        {"scheduler": "karras", "steps": 4},
    ],
    ids=["cfg 1", "batch of 2", "image to image", "karras"],
)
def test_equals_the_loop_for_other_tasks(sd15: Pair, changes: dict) -> None:
    task = replace(sd15.task, **changes)
    expected = engine.by_hand([sd15.reference, sd15.aligned], [0.4, 0.6], task)
    assert engine.difference(engine.by_us(sd15.reference, sd15.aligned, 0.6, task), expected) < ROUNDING


@pytest.mark.parametrize("family", ["sd15", "sd3"])
@pytest.mark.parametrize("weight", [-1.0, 0.3, 1.5])
def test_lora_pair_equals_a_loop_over_two_modules(
    request: pytest.FixtureRequest, zoo: Zoo, family: str, weight: float
) -> None:
    pair: Pair = request.getfixturevalue(family)
    path = zoo.lora_path(family, 3)
    merged = engine.with_lora(zoo.load(family), path)
    expected = engine.by_hand([pair.reference, merged], [1 - weight, weight], pair.task)
    ours = engine.by_us(pair.reference, engine.lora_pair(pair.reference, path), weight, pair.task)
    assert engine.difference(ours, expected) < ROUNDING


def _by_hooks(cond: list, hooks: comfy.hooks.HookGroup, weight: float) -> list:
    """The conditioning twice: without the LoRA at 1 - weight, and with it at weight. Core averages the predictions."""
    hooked = comfy.hooks.set_hooks_for_conditioning(cond, hooks)
    return conditioning_set_values(cond, {"strength": 1 - weight}) + conditioning_set_values(
        hooked, {"strength": weight}
    )


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde", "heun"])
@pytest.mark.parametrize("weight", [0.25, 0.7])
def test_lora_pair_equals_hooks_of_core(zoo: Zoo, sd15_lora: Pair, sampler: str, weight: float) -> None:
    lora = comfy.utils.load_torch_file(str(zoo.lora_path("sd15", 3)))
    hooks = comfy.hooks.create_hook_lora(lora, 1.0, 0.0)
    task = replace(sd15_lora.task, sampler_name=sampler)
    hooked = replace(
        task, positive=_by_hooks(task.positive, hooks, weight), negative=_by_hooks(task.negative, hooks, weight)
    )
    expected = engine.by_core(sd15_lora.reference, hooked)
    ours = engine.by_us(sd15_lora.reference, sd15_lora.aligned, weight, task)
    assert engine.difference(ours, expected) < ROUNDING
    assert engine.difference(ours, engine.by_core(sd15_lora.reference, task)) > 0.01


REWARDS = pytest.mark.parametrize(("first", "second"), [(0.3, 0.5), (0.5, 0.5), (0.8, 0.9), (0.0, 0.6), (1.5, -1.5)])


@REWARDS
def test_two_rewards_of_separate_models(zoo: Zoo, sd15: Pair, first: float, second: float) -> None:
    other = zoo.load("sd15", 2)
    model = realign(realign(sd15.reference, sd15.aligned, first), other, second)
    weights = [1 - first - second, first, second]
    expected = engine.by_hand([sd15.reference, sd15.aligned, other], weights, sd15.task)
    assert engine.difference(engine.by_core(model, sd15.task), expected) < ROUNDING


@REWARDS
def test_two_rewards_of_loras_on_one_model(zoo: Zoo, sd15: Pair, first: float, second: float) -> None:
    paths = [zoo.lora_path("sd15", 3), zoo.lora_path("sd15", 4, rank=2)]
    one, two = (engine.lora_pair(sd15.reference, path) for path in paths)
    model = realign(realign(sd15.reference, one, first), two, second)
    fresh = [sd15.reference, *(engine.with_lora(zoo.load("sd15"), path) for path in paths)]
    expected = engine.by_hand(fresh, [1 - first - second, first, second], sd15.task)
    assert engine.difference(engine.by_core(model, sd15.task), expected) < ROUNDING


def test_two_rewards_of_different_kinds(zoo: Zoo, sd15: Pair, sd15_lora: Pair) -> None:
    model = realign(realign(sd15.reference, sd15_lora.aligned, 0.4), sd15.aligned, 0.5)
    merged = engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3))
    expected = engine.by_hand([sd15.reference, merged, sd15.aligned], [0.1, 0.4, 0.5], sd15.task)
    assert engine.difference(engine.by_core(model, sd15.task), expected) < ROUNDING


def test_two_rewards_of_loras_on_another_module(zoo: Zoo, sd15: Pair) -> None:
    """Both aligned models share a module with each other, and not with the reference."""
    paths = [zoo.lora_path("sd15", 3), zoo.lora_path("sd15", 4, rank=2)]
    one, two = (engine.with_lora(sd15.aligned, path) for path in paths)
    model = realign(realign(sd15.reference, one, 0.3), two, 0.5)
    fresh = [sd15.reference, *(engine.with_lora(zoo.load("sd15", 1), path) for path in paths)]
    expected = engine.by_hand(fresh, [0.2, 0.3, 0.5], sd15.task)
    assert engine.difference(engine.by_core(model, sd15.task), expected) < ROUNDING


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_sde"])
def test_identical_models_do_not_depend_on_lambda(zoo: Zoo, sd15: Pair, sampler: str) -> None:
    same = zoo.load("sd15")
    task = replace(sd15.task, sampler_name=sampler)
    expected = engine.by_core(sd15.reference, task)
    for weight in (0.0, 0.3, 1.0, 1.7):
        assert torch.equal(engine.by_us(sd15.reference, same, weight, task), expected)


def test_guidance_of_the_realigned_model_acts_on_the_mixture(sd15: Pair) -> None:
    model = RescaleCFG().patch(realign(sd15.reference, sd15.aligned, 0.4), 0.7)[0]
    rescale = model.model_options["sampler_cfg_function"]

    def guide(branches: list[torch.Tensor], x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        cond, uncond = (x - branch for branch in branches)
        return x - rescale({"cond": cond, "uncond": uncond, "cond_scale": sd15.task.cfg, "input": x, "sigma": sigma})

    models = [sd15.reference, sd15.aligned]
    expected = engine.by_hand(models, [0.6, 0.4], sd15.task, guide)
    ours = engine.by_core(model, sd15.task)
    assert engine.difference(ours, expected) < ROUNDING
    apart = [engine.by_core(RescaleCFG().patch(one, 0.7)[0], sd15.task) for one in models]
    assert engine.difference(ours, 0.6 * apart[0] + 0.4 * apart[1]) > ROUNDING
