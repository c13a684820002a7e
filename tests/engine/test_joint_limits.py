"""Where LoRA pairs must not go in one batched pass, or cannot; and what others see of a pass that is joint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import comfy.hooks
import comfy.utils
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_freelunch import FreeU_V2
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete, ModelSamplingSD3
from support import engine, shaped
from support.engine import ROUNDING, Pair, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

Patch = Callable[[ModelPatcher], ModelPatcher]


def _function(model: ModelPatcher) -> ModelPatcher:
    clone = model.clone()
    clone.set_model_unet_function_wrapper(lambda apply, args: 0.9 * apply(args["input"], args["timestep"], **args["c"]))
    return clone


def _wrapper(model: ModelPatcher) -> ModelPatcher:
    clone = model.clone()
    clone.add_wrapper_with_key(
        WrappersMP.DIFFUSION_MODEL, "halved", lambda executor, *args, **kw: 0.5 * executor(*args, **kw)
    )
    return clone


def _attention(model: ModelPatcher) -> ModelPatcher:
    clone = model.clone()
    clone.set_model_attn2_patch(lambda q, k, v, options: (0.3 * q, k, v))
    return clone


def _freeu(model: ModelPatcher) -> ModelPatcher:
    """On a network as wide as this one it acts on no block; that it is there is enough."""
    return FreeU_V2().patch(model, 1.3, 1.4, 0.9, 0.2)[0]


PATCHES: dict[str, tuple[str, Patch, tuple[str, ...]]] = {
    "FreeU": ("sd15", _freeu, ("reference", "aligned")),
    "attention": ("sd15", _attention, ("reference", "aligned")),
    "model function": ("sd15", _function, ("reference", "both")),
    "wrapper": ("sd15", _wrapper, ("reference", "aligned", "both")),
    "v prediction": (
        "sd15",
        lambda model: ModelSamplingDiscrete().patch(model, "v_prediction", zsnr=False)[0],
        ("reference", "aligned"),
    ),
    "flow shift": ("sd3", lambda model: ModelSamplingSD3().patch(model, 1.2)[0], ("reference", "aligned")),
}
CASES = [(family, patch, where) for family, patch, places in PATCHES.values() for where in places]
NAMES = [f"{name}, {where}" for name, (_, _, places) in PATCHES.items() for where in places]


@pytest.mark.parametrize(("family", "patch", "where"), CASES, ids=NAMES)
def test_what_one_model_has_alone_keeps_them_apart(
    request: pytest.FixtureRequest, zoo: Zoo, family: str, patch: Patch, where: str
) -> None:
    base: ModelPatcher = request.getfixturevalue(family).reference
    path, task = zoo.lora_path(family, 3), engine.task_for(family)
    reference = base if where == "aligned" else patch(base)
    aligned, fresh = engine.lora_pair(base, path), engine.with_lora(zoo.load(family), path)
    if where != "reference":
        aligned, fresh = patch(aligned), patch(fresh)
    with shaped.counted(base.model.diffusion_model) as rows:
        ours = engine.by_us(reference, aligned, 0.4, task)
    assert rows == [2, 2] * task.steps
    assert engine.difference(ours, engine.by_hand([reference, fresh], [0.6, 0.4], task)) < ROUNDING


@pytest.mark.parametrize("patch", [_attention, _freeu])
def test_patches_keep_them_apart_as_they_may_mix_the_rows(zoo: Zoo, sd15: Pair, patch: Patch) -> None:
    reference = patch(sd15.reference)
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    fresh = patch(engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3)))
    with shaped.counted(reference.model.diffusion_model) as rows:
        ours = engine.by_us(reference, aligned, 0.4, sd15.task)
    assert rows == [2, 2] * sd15.task.steps
    assert engine.difference(ours, engine.by_hand([reference, fresh], [0.6, 0.4], sd15.task)) < ROUNDING


def test_options_that_both_have_let_them_go_together(zoo: Zoo, sd15: Pair) -> None:
    reference = sd15.reference.clone()
    reference.model_options["transformer_options"]["another pack"] = {"strength": 0.5}
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    with shaped.counted(reference.model.diffusion_model) as rows:
        engine.by_us(reference, aligned, 0.4, sd15.task)
    assert rows == [4] * sd15.task.steps


def test_hooks_keep_them_apart(zoo: Zoo, sd15_lora: Pair) -> None:
    hooks = comfy.hooks.create_hook_lora(comfy.utils.load_torch_file(str(zoo.lora_path("sd15", 8))), 1.0, 0.0)
    positive = comfy.hooks.set_hooks_for_conditioning(sd15_lora.task.positive, hooks)
    with shaped.counted(sd15_lora.reference.model.diffusion_model) as rows:
        engine.by_us(sd15_lora.reference, sd15_lora.aligned, 0.4, replace(sd15_lora.task, positive=positive))
    assert max(rows) <= 2 and sum(rows) == 4 * sd15_lora.task.steps


Seen = list[list[int]]


def _on_positive(model: ModelPatcher, seen: Seen) -> ModelPatcher:
    """Weakens the attention of the positive conditioning's rows, as patches that tell the branches apart do."""

    def patch(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: dict) -> tuple:
        branches = options["cond_or_uncond"]
        seen.append(list(branches))
        factors = torch.tensor([0.2 if branch == 0 else 1.0 for branch in branches])
        return q * factors.repeat_interleave(len(q) // len(branches))[:, None, None], k, v

    clone = model.clone()
    clone.set_model_attn2_patch(patch)
    return clone


def test_patches_see_the_branches_that_they_know(zoo: Zoo, sd15: Pair) -> None:
    """In the order of core's, and no index beyond them."""
    seen: Seen = []
    task = replace(sd15.task, latent=engine.empty_latent("sd15", 2))
    reference = _on_positive(sd15.reference, seen)
    ours = engine.by_us(reference, engine.lora_pair(reference, zoo.lora_path("sd15", 3)), 0.4, task)
    assert seen and all(branches == [1, 0] for branches in seen)
    merged = _on_positive(engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3)), [])
    assert engine.difference(ours, engine.by_hand([reference, merged], [0.6, 0.4], task)) < ROUNDING
    plain = engine.by_us(sd15.reference, engine.lora_pair(sd15.reference, zoo.lora_path("sd15", 3)), 0.4, task)
    assert engine.difference(ours, plain) > 1e-3


class _Folded(torch.nn.Module):
    """A layer that sees the tokens of all rows as one batch, as layers over the frames of videos do."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x.flatten(0, 1)).unflatten(0, x.shape[:2])


PLACE = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2"


def _folding(zoo: Zoo) -> ModelPatcher:
    model = zoo.load("sd15")
    place = model.model.get_submodule(PLACE)
    place.to_q = _Folded(place.to_q)
    return model


def _lora_inside(seed: int) -> engine.Weights:
    rng = torch.Generator().manual_seed(seed)
    key = f"{PLACE}.to_q.inner"
    return {
        f"{key}.lora_up.weight": torch.randn(320, 4, generator=rng),
        f"{key}.lora_down.weight": torch.randn(4, 320, generator=rng),
    }


def test_layers_that_mix_the_rows_are_evaluated_apart(zoo: Zoo, sd15: Pair) -> None:
    """The first pass finds it out; from there on nobody tries again."""
    reference, lora = _folding(zoo), _lora_inside(1)
    aligned = engine.with_lora(reference, lora)
    with shaped.counted(reference.model.diffusion_model) as rows:
        ours = engine.by_us(reference, aligned, 0.4, sd15.task)
    assert rows == [4] + [2, 2] * sd15.task.steps
    merged = engine.with_lora(_folding(zoo), lora)
    assert engine.difference(ours, engine.by_hand([reference, merged], [0.6, 0.4], sd15.task)) < ROUNDING
    assert engine.difference(ours, engine.by_core(reference, sd15.task)) > 1e-3
    assert torch.equal(engine.by_us(reference, aligned, 0.4, sd15.task), ours)


def test_videos(zoo: Zoo, wan: Pair) -> None:
    """Latents of five dimensions; a Wan model's layers keep the rows apart."""
    path = zoo.lora_path("wan", 3)
    task = replace(wan.task, latent=engine.empty_latent("wan", 2))
    with shaped.counted(wan.reference.model.diffusion_model) as rows:
        ours = engine.by_us(wan.reference, engine.lora_pair(wan.reference, path), 0.4, task)
    assert rows == [8] * task.steps
    fresh = engine.with_lora(zoo.load("wan"), path)
    assert engine.difference(ours, engine.by_hand([wan.reference, fresh], [0.6, 0.4], task)) < ROUNDING
    assert engine.difference(ours, engine.by_core(wan.reference, task)) > 1e-3
