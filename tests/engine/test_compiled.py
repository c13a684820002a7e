"""A realigned MODEL whose models torch.compile compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.torch_helpers.torch_compile import set_torch_compile_wrapper
from support import engine
from support.engine import ROUNDING, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")


@pytest.fixture
def graphs() -> Iterator[list[torch.fx.GraphModule]]:
    """The graphs that torch.compile has made since the test began, run as they are."""
    torch._dynamo.reset()
    yield []
    torch._dynamo.reset()


Compile = Callable[[ModelPatcher], ModelPatcher]


def _by_wrapper(graphs: list[torch.fx.GraphModule]) -> Compile:
    """As core's TorchCompileModel does it."""

    def compiled(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        set_torch_compile_wrapper(clone, backend=_keeping(graphs))  # type: ignore[arg-type]
        return clone

    return compiled


def _by_object_patch(graphs: list[torch.fx.GraphModule]) -> Compile:
    """As older nodes do it."""

    def compiled(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        network = torch.compile(model.get_model_object("diffusion_model"), backend=_keeping(graphs))
        clone.add_object_patch("diffusion_model", network)
        return clone

    return compiled


def _keeping(graphs: list[torch.fx.GraphModule]) -> Callable:
    def backend(graph: torch.fx.GraphModule, inputs: list) -> Callable:
        graphs.append(graph)
        return graph.forward

    return backend


WAYS = pytest.mark.parametrize("way", [_by_wrapper, _by_object_patch], ids=["wrapper", "object patch"])


def _changed(reference: ModelPatcher, zoo: Zoo, kind: str) -> ModelPatcher:
    if kind == "LoRA":
        return engine.lora_pair(reference, zoo.lora_path("sd3 tiny", 3))
    change = torch.randn(192, 64, generator=torch.Generator().manual_seed(2)) * 0.1
    return engine.with_lora(reference, {"diffusion_model.joint_blocks.0.x_block.attn.qkv.diff": change})


@WAYS
def test_compiled_separate(zoo: Zoo, graphs: list[torch.fx.GraphModule], way: Callable[[list], Compile]) -> None:
    reference, aligned = zoo.load("sd3 tiny"), zoo.load("sd3 tiny", 1)
    task = engine.task_for("sd3", steps=2)
    expected = engine.by_us(reference, aligned, 0.4, task)
    alone = engine.by_core(reference, task)
    compile_ = way(graphs)
    ours = engine.by_us(compile_(reference), compile_(aligned), 0.4, task)
    assert graphs
    assert engine.difference(ours, expected) < ROUNDING
    assert torch.equal(engine.by_core(reference, task), alone)


@pytest.mark.parametrize("when", ["before", "after", "reference"])
@pytest.mark.parametrize(
    ("kind", "way"),  # behind a compiled object patch core itself ignores patches of weights: nothing to compare with
    [("LoRA", _by_wrapper), ("LoRA", _by_object_patch), ("copy", _by_wrapper)],
    ids=["LoRA, wrapper", "LoRA, object patch", "copy, wrapper"],
)
def test_compiled_on_one_module(
    zoo: Zoo, graphs: list[torch.fx.GraphModule], way: Callable[[list], Compile], kind: str, when: str
) -> None:
    """Compiled before the aligned model's change, after it, or not for the aligned model: no graph may miss the change."""
    base = zoo.load("sd3 tiny")
    changed = _changed(base, zoo, kind)
    task = engine.task_for("sd3", steps=2)
    expected = engine.by_us(base, changed, 0.4, task)
    alone = engine.by_core(base, task)
    assert engine.difference(expected, alone) > 1e-3
    compile_ = way(graphs)
    reference = base if when == "after" else compile_(base)
    aligned = {"before": lambda: _changed(reference, zoo, kind), "after": lambda: compile_(changed)}
    ours = engine.by_us(reference, aligned.get(when, lambda: changed)(), 0.4, task)
    assert graphs
    assert engine.difference(ours, expected) < ROUNDING
    assert torch.equal(engine.by_core(base, task), alone)
