"""LoRA pairs in one batched pass: the same image as model by model, in as few passes as core finds memory for.

Models are evaluated apart where a wrapper of somebody else's is around them, which may not know the rows of a joint batch.
One that does nothing therefore shows what the passes apart give.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from support import engine, shaped
from support.engine import Pair, Task, Zoo

import nodes as core_nodes

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

CLOSE = 1e-5


def _idle(executor: Callable, *args: Any, **kwargs: Any) -> object:
    return executor(*args, **kwargs)


def _apart(model: ModelPatcher) -> ModelPatcher:
    """The model behind a wrapper that does nothing."""
    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "idle", _idle)
    return clone


def _rows(model: ModelPatcher, task: Task) -> tuple[torch.Tensor, list[int]]:
    """The latent that is sampled, and the rows of each forward pass of the network."""
    with shaped.counted(model.model.diffusion_model) as rows:
        return engine.by_core(model, task), rows


def _assert_same(reference: ModelPatcher, aligned: ModelPatcher, task: Task, joint: list[int]) -> None:
    """joint: the rows of one step's passes when both go together."""
    ours, rows = _rows(realign(reference, aligned, 0.4), task)
    apart, rows_apart = _rows(realign(_apart(reference), _apart(aligned), 0.4), task)
    assert rows == joint * task.steps
    assert sum(rows_apart) == sum(rows) and len(rows_apart) == 2 * len(rows)
    assert engine.difference(ours, apart) < CLOSE
    assert engine.difference(ours, engine.by_core(reference, task)) > 1e-3


@pytest.mark.parametrize(
    ("family", "cfg", "batch"), [("sd15", 1.0, 1), ("sd15", 7.0, 2), ("sd3", 1.0, 1), ("sd3", 7.0, 2), ("sdxl", 7.0, 1)]
)
def test_families(request: pytest.FixtureRequest, zoo: Zoo, family: str, cfg: float, batch: int) -> None:
    pair: Pair = request.getfixturevalue(family)
    task = replace(pair.task, cfg=cfg, latent=engine.empty_latent(family, batch))
    aligned = engine.lora_pair(pair.reference, zoo.lora_path(family, 3))
    _assert_same(pair.reference, aligned, task, [2 * batch * (1 if cfg == 1 else 2)])


@pytest.mark.parametrize("only", ["attn2", "in_layers", "time_embed", "emb_layers", "proj_in"])
def test_layers_of_every_kind(zoo: Zoo, wide_sd15: Pair, only: str) -> None:
    """Linears over tokens, convolutions, and what sees the timesteps alone."""
    aligned = engine.lora_pair(wide_sd15.reference, zoo.lora_path("sd15", 21, only=only, scale=1.0))
    _assert_same(wide_sd15.reference, aligned, wide_sd15.task, [4])


def test_a_lora_of_the_reference_alone(zoo: Zoo, wide_sd15: Pair) -> None:
    """The aligned model takes the reference's away and adds its own."""
    reference = engine.with_lora(wide_sd15.reference, zoo.lora_path("sd15", 4, rank=2), 0.8)
    _assert_same(reference, engine.with_lora(wide_sd15.reference, zoo.lora_path("sd15", 3)), wide_sd15.task, [4])


def test_fused_projections(sd3: Pair) -> None:
    """q, k and v of three separate adapters on one matrix."""
    made, rng = {}, torch.Generator().manual_seed(1)
    for name in ("to_q", "to_k", "add_v_proj"):
        key = f"transformer.transformer_blocks.0.attn.{name}"
        made[f"{key}.lora_A.weight"] = torch.randn(4, 192, generator=rng)
        made[f"{key}.lora_B.weight"] = torch.randn(192, 4, generator=rng) / math.sqrt(192)
    aligned = engine.with_lora(sd3.reference, made)
    assert {patch[3] for patches in aligned.patches.values() for patch in patches} == {
        (0, 0, 192),
        (0, 192, 192),
        (0, 384, 192),
    }
    _assert_same(sd3.reference, aligned, sd3.task, [4])


def _mask() -> torch.Tensor:
    mask = torch.zeros(1, 64, 64)
    mask[..., 24:] = 1.0
    return mask


def _changed(name: str, positive: list) -> list:
    more, core = engine.conditioning("sd15", 9), core_nodes
    if name == "area":
        return positive + core.ConditioningSetArea().append(more, 32, 48, 8, 8, 0.7)[0]
    if name == "mask":
        return positive + core.ConditioningSetMask().append(more, _mask(), "default", 0.8)[0]
    if name == "timestep range":
        early = core.ConditioningSetTimestepRange().set_range(positive, 0.0, 0.4)[0]
        return early + core.ConditioningSetTimestepRange().set_range(more, 0.4, 1.0)[0]
    return positive + more + engine.conditioning("sd15", 10)


@pytest.mark.parametrize(
    ("name", "joint"), [("several", [8]), ("mask", [6]), ("area", [4, 4]), ("timestep range", [4])]
)
def test_conditionings(wide_sd15: Pair, wide_sd15_lora: Pair, name: str, joint: list[int]) -> None:
    task = replace(wide_sd15.task, positive=_changed(name, wide_sd15.task.positive))
    reference, aligned = wide_sd15_lora.reference, wide_sd15_lora.aligned
    ours, rows = _rows(realign(reference, aligned, 0.4), task)
    apart, _ = _rows(realign(_apart(reference), _apart(aligned), 0.4), task)
    assert sorted(rows) == sorted(joint * task.steps)
    assert engine.difference(ours, apart) < CLOSE
    assert engine.difference(ours, engine.by_us(reference, aligned, 0.4, wide_sd15.task)) > 1e-3


def _three(
    zoo: Zoo, wide_sd15: Pair, change: Callable[[ModelPatcher], ModelPatcher] = lambda model: model
) -> ModelPatcher:
    """Two LoRAs on one reference."""
    model = change(wide_sd15.reference)
    for seed, weight in ((3, 0.5), (4, 0.3)):
        model = realign(model, change(engine.lora_pair(wide_sd15.reference, zoo.lora_path("sd15", seed))), weight)
    return model


def _room_for(monkeypatch: pytest.MonkeyPatch, model: ModelPatcher, rows: int) -> None:
    """Let core see as much free memory as it wants for so many rows of an 8x8 latent."""
    needed = 1.5 * model.model.memory_required([rows, 4, 8, 8], cond_shapes={}) * 1.01
    shaped.free_memory(monkeypatch, needed)


@pytest.mark.parametrize(("room", "expected"), [(6, [6]), (3, [3, 3]), (2, [2, 2, 2]), (1, [1] * 6), (0, [1] * 6)])
def test_three_models_in_as_much_memory_as_there_is(
    zoo: Zoo, wide_sd15: Pair, monkeypatch: pytest.MonkeyPatch, room: int, expected: list[int]
) -> None:
    """Chunks of three mix the rows of two models in one pass."""
    apart = engine.by_core(_three(zoo, wide_sd15, _apart), wide_sd15.task)
    model = _three(zoo, wide_sd15)
    engine.by_core(model, wide_sd15.task)  # loaded while there is memory
    _room_for(monkeypatch, model, room)
    ours, rows = _rows(model, wide_sd15.task)
    assert rows == expected * wide_sd15.task.steps
    assert engine.difference(ours, apart) < CLOSE


@pytest.mark.parametrize(("room", "expected"), [(4, [4]), (2, [2, 2]), (1, [1] * 4)])
def test_a_pair_in_as_much_memory_as_there_is(
    wide_sd15_lora: Pair, monkeypatch: pytest.MonkeyPatch, room: int, expected: list[int]
) -> None:
    model = realign(wide_sd15_lora.reference, wide_sd15_lora.aligned, 0.4)
    whole = engine.by_core(model, wide_sd15_lora.task)
    _room_for(monkeypatch, model, room)
    ours, rows = _rows(model, wide_sd15_lora.task)
    assert rows == expected * wide_sd15_lora.task.steps
    assert engine.difference(ours, whole) < CLOSE


def test_only_models_that_count_are_in_the_batch(zoo: Zoo, wide_sd15: Pair) -> None:
    """Weights 0.5 and 0.5 leave the reference out, though its module runs both."""
    model = realign(wide_sd15.reference, engine.lora_pair(wide_sd15.reference, zoo.lora_path("sd15", 3)), 0.5)
    model = realign(model, engine.lora_pair(wide_sd15.reference, zoo.lora_path("sd15", 4)), 0.5)
    _, rows = _rows(model, wide_sd15.task)
    assert sum(rows) == 4 * wide_sd15.task.steps


def test_a_model_of_its_own_beside_a_lora_pair(zoo: Zoo, wide_sd15: Pair, wide_sd15_lora: Pair) -> None:
    model = realign(realign(wide_sd15.reference, wide_sd15_lora.aligned, 0.4), wide_sd15.aligned, 0.5)
    with shaped.counted(wide_sd15.aligned.model.diffusion_model) as others:
        ours, rows = _rows(model, wide_sd15.task)
    assert (rows, others) == ([4] * 3, [2] * 3)
    merged = engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3))
    expected = engine.by_hand([wide_sd15.reference, merged, wide_sd15.aligned], [0.1, 0.4, 0.5], wide_sd15.task)
    assert engine.difference(ours, expected) < engine.ROUNDING
