"""What a realigned MODEL does over time: queued again, interrupted, short of memory, or fed broken weights."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import comfy.model_management
import pytest
import torch
from comfy.model_management import InterruptProcessingException, VRAMState
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from support import engine
from support.engine import ROUNDING, Pair, Task, Zoo
from torch.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

LAYER = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_q"
KINDS = pytest.mark.parametrize("kind", ["separate", "LoRA", "copy"])


def _aligned(zoo: Zoo, reference: ModelPatcher, kind: str) -> ModelPatcher:
    """An aligned model that makes a pair of this kind with the reference."""
    if kind == "separate":
        return zoo.load("sd15", 1)
    if kind == "LoRA":
        return engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    change = torch.randn(320, 320, generator=torch.Generator().manual_seed(2)) * 0.05
    return engine.with_lora(reference, {f"{LAYER}.diff": change})


@pytest.fixture
def pair(zoo: Zoo, kind: str, sd15: Pair) -> Pair:
    """A pair on modules that no other test has touched; both models carry a style LoRA."""
    reference = engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 4, rank=2), 0.5)
    return Pair(reference, _aligned(zoo, reference, kind), sd15.task)


def _damped(model: ModelPatcher) -> ModelPatcher:
    clone = model.clone()
    clone.set_model_output_block_patch(lambda h, skip, options: (h, 0.6 * skip))
    return clone


@KINDS
def test_queued_again_in_any_order(pair: Pair) -> None:
    models = {"reference": pair.reference, "aligned": pair.aligned}
    for weight in (0.0, 0.4, 1.0, 1.5):
        models[f"lambda {weight}"] = realign(pair.reference, pair.aligned, weight)
    models["clone"] = models["lambda 0.4"].clone()
    models["clone of a clone"] = models["clone"].clone()
    models["patched"] = _damped(models["clone"])
    first = {name: engine.by_core(model, pair.task) for name, model in models.items()}
    assert torch.equal(first["clone"], first["lambda 0.4"])
    assert torch.equal(first["clone of a clone"], first["lambda 0.4"])
    assert engine.difference(first["patched"], first["clone"]) > 1e-3
    order = 2 * list(models)
    random.Random(3).shuffle(order)
    for name in order:
        assert torch.equal(engine.by_core(models[name], pair.task), first[name]), name


def _watched(model: ModelPatcher, then: Callable[[int], None]) -> ModelPatcher:
    """The model, calling `then` with the number of its evaluations after each of them."""
    evaluations = [0]

    def wrapper(executor: Callable, *args: object, **kwargs: object) -> object:
        output = executor(*args, **kwargs)
        evaluations[0] += 1
        then(evaluations[0])
        return output

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "watched", wrapper)
    return clone


BOOKKEEPING = {  # of core's, on the root module
    "device",
    "model_loaded_weight_memory",
    "model_offload_buffer_memory",
    "current_weight_patches_uuid",
    "lowvram_patch_counter",
}


def _state(model: ModelPatcher) -> dict[str, object]:
    """Everything that hangs on the modules: attributes, hooks, children, parameters; identities, not values."""
    found: dict[str, object] = {}
    for path, module in model.model.named_modules():
        for name, value in vars(module).items():
            inside = dict.items(value) if isinstance(value, dict) else ()
            found[f"{path}:{name}"] = [(key, id(one)) for key, one in inside] if inside else _plain(value)
    return {key: value for key, value in found.items() if key.lstrip(":") not in BOOKKEEPING}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | dict | list | None) else id(value)


@KINDS
@pytest.mark.parametrize("where", ["reference", "aligned"])
def test_interrupt_leaves_nothing_behind(pair: Pair, where: str) -> None:
    counts = {"reference": 0, "aligned": 0}

    def count(name: str) -> Callable[[int], None]:
        def then(number: int) -> None:
            counts[name] = number
            if name == where and number == 2:
                comfy.model_management.interrupt_current_processing()

        return then

    model = realign(_watched(pair.reference, count("reference")), _watched(pair.aligned, count("aligned")), 0.4)
    expected = engine.by_us(pair.reference, pair.aligned, 0.4, pair.task)
    aligned = engine.by_core(pair.aligned, pair.task)
    reference = engine.by_core(pair.reference, pair.task)
    before = _state(pair.reference)
    with pytest.raises(InterruptProcessingException):
        engine.by_core(model, pair.task)
    assert counts == {"reference": 2, "aligned": 1 if where == "reference" else 2}
    assert pair.reference.model.current_patcher is None
    assert pair.aligned.model.current_patcher is None
    assert torch.equal(engine.by_core(pair.reference, pair.task), reference)
    after = _state(pair.reference)
    assert after == before
    assert torch.equal(engine.by_us(pair.reference, pair.aligned, 0.4, pair.task), expected)
    assert torch.equal(engine.by_core(pair.aligned, pair.task), aligned)


@KINDS
def test_run_leaves_nothing_behind(pair: Pair) -> None:
    model = realign(pair.reference, pair.aligned, 0.4)
    engine.by_core(pair.reference, pair.task)
    before = _state(pair.reference)
    options = {key: value for key, value in model.model_options.items() if key != "transformer_options"}
    engine.by_core(model, pair.task)
    engine.by_core(pair.reference, pair.task)
    assert _state(pair.reference) == before
    assert {key: value for key, value in model.model_options.items() if key != "transformer_options"} == options
    assert pair.aligned.model.current_patcher is None


@KINDS
@pytest.mark.parametrize(
    "release",
    [
        comfy.model_management.unload_all_models,
        lambda: comfy.model_management.free_memory(1e30, torch.device("cpu")),
        lambda: _unload_half(),
    ],
    ids=["unload_all_models", "free_memory", "half"],
)
def test_memory_released_between_runs(pair: Pair, release: Callable[[], object]) -> None:
    model = realign(pair.reference, pair.aligned, 0.4)
    expected = engine.by_core(model, pair.task)
    reference = engine.by_core(pair.reference, pair.task)
    for one, result in ((model, expected), (pair.reference, reference), (model, expected)):
        release()
        assert torch.equal(engine.by_core(one, pair.task), result)


def _unload_half() -> None:
    """What core does to every loaded model when half of its memory is wanted."""
    loaded_models = comfy.model_management.current_loaded_models
    alive = [
        loaded for loaded in loaded_models if loaded.model is not None
    ]  # core passes over what died unnoticed, too
    gone = [loaded for loaded in alive if loaded.model_unload(loaded.model_loaded_memory() // 2)]
    loaded_models[:] = [loaded for loaded in loaded_models if not any(loaded is one for one in gone)]


@KINDS
@pytest.mark.parametrize("where", ["reference", "aligned"])
def test_half_of_the_memory_released_inside_a_run(pair: Pair, where: str) -> None:
    expected = engine.by_us(pair.reference, pair.aligned, 0.4, pair.task)
    reference = engine.by_core(pair.reference, pair.task)
    watched = {"reference": pair.reference, "aligned": pair.aligned}
    watched[where] = _watched(watched[where], lambda number: _unload_half() if number == 1 else None)
    ours = engine.by_us(watched["reference"], watched["aligned"], 0.4, pair.task)
    assert engine.difference(ours, expected) < ROUNDING
    assert torch.equal(engine.by_core(pair.reference, pair.task), reference)


@pytest.mark.parametrize("lora", [False, True], ids=["separate", "LoRA"])
@pytest.mark.parametrize("where", ["reference", "aligned"])
def test_everything_unloaded_inside_a_run(zoo: Zoo, sd15: Pair, where: str, lora: bool) -> None:
    """Models whose weights core has not patched go on where they are, as core's own do."""
    models = {"reference": sd15.reference, "aligned": sd15.aligned}
    if lora:
        models["aligned"] = engine.lora_pair(sd15.reference, zoo.lora_path("sd15", 3))
    unwatched = models[where]
    models[where] = _watched(unwatched, lambda number: None)  # a LoRA pair with a watcher runs in separate passes
    expected = engine.by_us(models["reference"], models["aligned"], 0.4, sd15.task)

    def then(number: int) -> None:
        if number == 1:
            comfy.model_management.unload_all_models()

    models[where] = _watched(unwatched, then)
    assert torch.equal(engine.by_us(models["reference"], models["aligned"], 0.4, sd15.task), expected)


@pytest.fixture
def no_vram(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Core in its --novram mode, which it otherwise keeps for graphics cards: weights are cast and patched in each forward."""

    def switch() -> None:
        monkeypatch.setattr(comfy.model_management, "vram_state", VRAMState.NO_VRAM)
        monkeypatch.setattr(comfy.model_management, "is_device_cpu", lambda device: False)

    return switch


@KINDS
@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_partial_loading(pair: Pair, no_vram: Callable[[], None], weight: float) -> None:
    expected = engine.by_us(pair.reference, pair.aligned, weight, pair.task)
    comfy.model_management.unload_all_models()
    no_vram()
    model = realign(pair.reference, pair.aligned, weight)
    ours = engine.by_core(model, pair.task)
    assert pair.reference.model.model_lowvram
    assert pair.reference.model.lowvram_patch_counter > 0
    assert engine.difference(ours, expected) < ROUNDING
    comfy.model_management.unload_all_models()
    assert torch.equal(engine.by_core(model, pair.task), ours)


def _poisoned(model: ModelPatcher) -> ModelPatcher:
    model.model.diffusion_model.out[2].bias[0] = float("nan")
    return model


def _poisoned_lora(zoo: Zoo, reference: ModelPatcher) -> ModelPatcher:
    rng = torch.Generator().manual_seed(1)
    up, down = torch.randn(320, 4, generator=rng), torch.randn(4, 768, generator=rng)
    up[3, 2] = float("inf")
    key = LAYER.replace("to_q", "to_k")
    return engine.with_lora(reference, {f"{key}.lora_up.weight": up, f"{key}.lora_down.weight": down})


@pytest.mark.parametrize("kind", ["separate", "LoRA"])
def test_broken_aligned_model_is_named_after_the_run(zoo: Zoo, kind: str, sd15: Pair) -> None:
    broken = _poisoned(zoo.load("sd15", 1)) if kind == "separate" else _poisoned_lora(zoo, sd15.reference)
    evaluations: list[int] = []
    reference = _watched(sd15.reference, evaluations.append)
    for weight in (0.4, 1.0):
        with pytest.raises(ValueError, match=r"^The aligned model predicted NaN or infinite"):
            engine.by_us(reference, broken, weight, sd15.task)
    assert evaluations == [1, 2, 3]
    expected = engine.by_core(sd15.reference, sd15.task)
    assert torch.equal(engine.by_us(sd15.reference, broken, 0.0, sd15.task), expected)
    assert torch.isfinite(engine.by_us(sd15.reference, sd15.aligned, 0.4, sd15.task)).all()


def test_broken_reference_is_named(zoo: Zoo, sd15: Pair) -> None:
    broken = _poisoned(zoo.load("sd15"))
    with pytest.raises(ValueError, match=r"^The reference predicted NaN or infinite"):
        engine.by_us(broken, sd15.aligned, 0.4, sd15.task)
    expected = engine.by_core(sd15.aligned, sd15.task)
    assert torch.equal(engine.by_us(broken, sd15.aligned, 1.0, sd15.task), expected)


def test_broken_second_reward_is_named(zoo: Zoo, sd15: Pair) -> None:
    model = realign(realign(sd15.reference, sd15.aligned, 0.4), _poisoned(zoo.load("sd15", 2)), 0.3)
    with pytest.raises(ValueError, match="aligned model number 2 predicted NaN"):
        engine.by_core(model, sd15.task)


class _ReadBacks(TorchDispatchMode):
    """Counts the values that Python asks of tensors: each would make a graphics card's queue run empty."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name()
        self.count += name in ("aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::is_nonzero")
        return func(*args, **(kwargs or {}))


def _read_backs(model: ModelPatcher, task: Task) -> int:
    with _ReadBacks() as mode:
        engine.by_core(model, task)
    return mode.count


@KINDS
@pytest.mark.parametrize("weight", [0.4, 1.5])
def test_steps_read_nothing_back(pair: Pair, weight: float) -> None:
    """A further step reads no more back than a further step of core's own sampling."""
    task = replace(pair.task, sampler_name="dpmpp_2m")  # which looks at a sigma in each step
    longer = replace(task, steps=task.steps + 2)
    model = realign(pair.reference, pair.aligned, weight)
    ours = _read_backs(model, longer) - _read_backs(model, task)
    core = _read_backs(pair.reference, longer) - _read_backs(pair.reference, task)
    assert core >= 2
    assert ours == core
