"""ControlNets on a pair: the network runs once for all models, and every model gets what it would have got by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import comfy.controlnet
import comfy.model_management
import pytest
import torch
from comfy.controlnet import ControlNet
from deradiff.nodes.engine.control import Shared
from deradiff.nodes.engine.patch import realign
from support import engine, shaped, standins
from support.engine import ROUNDING, Pair, Task, Zoo

import nodes as core_nodes

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

PAIRS = pytest.mark.parametrize("name", ["sd15", "sd15_lora"], ids=["separate", "LoRA"])


@pytest.fixture(scope="module")
def controls(zoo: Zoo) -> tuple[ControlNet, ControlNet]:
    """Two ControlNets, by core's loader."""
    paths = [standins.save(standins.controlnet(seed), zoo.folder / f"control_{seed}.safetensors") for seed in (11, 12)]
    first, second = (comfy.controlnet.load_controlnet(str(path)) for path in paths)
    assert type(first) is type(second) is ControlNet
    return first, second


def _controlled(task: Task, *controls: ControlNet, start: float = 0.0, end: float = 1.0, strength: float = 0.8) -> Task:
    """The task with a chain of ControlNets on both conditionings, by core's node."""
    positive, negative = task.positive, task.negative
    for seed, control in enumerate(controls):
        image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(seed))
        apply = core_nodes.ControlNetApplyAdvanced().apply_controlnet
        positive, negative = apply(positive, negative, control, image, strength, start, end)
    return replace(task, positive=positive, negative=negative)


@contextmanager
def _each_for_itself(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models ask the ControlNets themselves."""
    with monkeypatch.context() as patch:
        patch.setattr(Shared, "any", property(lambda shared: False))
        yield


def _assert_shared(
    monkeypatch: pytest.MonkeyPatch, pair: Pair, task: Task, control: ControlNet, once: int, apart: int
) -> torch.Tensor:
    """once, apart: the passes of the network, shared and when each model asks by itself."""
    with shaped.counted(control.control_model) as rows:
        ours = engine.by_us(pair.reference, pair.aligned, 0.4, task)
    with _each_for_itself(monkeypatch), shaped.counted(control.control_model) as rows_apart:
        theirs = engine.by_us(pair.reference, pair.aligned, 0.4, task)
    assert (len(rows), len(rows_apart)) == (once, apart)
    assert torch.equal(ours, theirs)
    assert engine.difference(ours, engine.by_us(pair.reference, pair.aligned, 0.4, pair.task)) > 1e-3
    return ours


@PAIRS
def test_runs_once_for_both(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, controls: tuple, name: str
) -> None:
    pair: Pair = request.getfixturevalue(name)
    task = _controlled(pair.task, controls[0])
    _assert_shared(monkeypatch, pair, task, controls[0], 3, 6)


@PAIRS
def test_a_chain_of_two(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, controls: tuple, name: str
) -> None:
    pair: Pair = request.getfixturevalue(name)
    task = _controlled(pair.task, *controls)
    assert task.positive[0][1]["control"].previous_controlnet is not None
    ours = [_assert_shared(monkeypatch, pair, task, control, 3, 6) for control in controls]
    one = engine.by_us(pair.reference, pair.aligned, 0.4, _controlled(pair.task, controls[0]))
    assert torch.equal(*ours) and engine.difference(ours[0], one) > 1e-3


@PAIRS
def test_is_the_mixture(request: pytest.FixtureRequest, zoo: Zoo, controls: tuple, name: str) -> None:
    pair: Pair = request.getfixturevalue(name)
    task = _controlled(replace(pair.task, latent=engine.empty_latent("sd15", 2)), *controls)
    aligned = pair.aligned if name == "sd15" else engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3))
    expected = engine.by_hand([pair.reference, aligned], [0.6, 0.4], task)
    assert engine.difference(engine.by_us(pair.reference, pair.aligned, 0.4, task), expected) < ROUNDING


@PAIRS
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_ends_are_core_s_own(request: pytest.FixtureRequest, controls: tuple, name: str, weight: float) -> None:
    pair: Pair = request.getfixturevalue(name)
    task = _controlled(pair.task, *controls)
    ours = engine.by_us(pair.reference, pair.aligned, weight, task)
    expected = engine.by_core(pair.aligned if weight else pair.reference, task)
    if name == "sd15" or not weight:
        assert torch.equal(ours, expected)
    assert engine.difference(ours, expected) < ROUNDING


@pytest.mark.parametrize("room", ["little", "much"])
def test_conditionings_of_several_controls(
    monkeypatch: pytest.MonkeyPatch, sd15: Pair, controls: tuple, room: str
) -> None:
    """Different controls for the two branches, and a second positive beside them; passes of one row where memory is short."""
    several = replace(sd15.task, positive=sd15.task.positive + engine.conditioning("sd15", 9))
    positive = _controlled(several, controls[0]).positive
    negative = _controlled(sd15.task, controls[1]).negative
    task = replace(sd15.task, positive=positive, negative=negative, steps=2)
    expected = engine.by_us(sd15.reference, sd15.aligned, 0.4, task)
    if room == "little":
        shaped.free_memory(monkeypatch, 0)
    with shaped.counted(controls[0].control_model) as first, shaped.counted(controls[1].control_model) as second:
        ours = engine.by_us(sd15.reference, sd15.aligned, 0.4, task)
    assert (first, second) == (([2, 2], [1, 1]) if room == "much" else ([1] * 4, [1] * 2))
    with _each_for_itself(monkeypatch):
        assert torch.equal(ours, engine.by_us(sd15.reference, sd15.aligned, 0.4, task))
    assert engine.difference(ours, expected) < 1e-5


def test_three_models(zoo: Zoo, sd15: Pair, sd15_lora: Pair, controls: tuple) -> None:
    """A LoRA on the reference and a model of its own: still one pass of the network a step."""
    task = _controlled(sd15.task, *controls)
    model = realign(realign(sd15.reference, sd15_lora.aligned, 0.4), sd15.aligned, 0.5)
    with shaped.counted(controls[0].control_model) as rows:
        ours = engine.by_core(model, task)
    assert rows == [2] * task.steps
    merged = engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3))
    expected = engine.by_hand([sd15.reference, merged, sd15.aligned], [0.1, 0.4, 0.5], task)
    assert engine.difference(ours, expected) < ROUNDING


def test_a_chain_whose_last_ends_early(monkeypatch: pytest.MonkeyPatch, sd15: Pair, controls: tuple) -> None:
    """Three steps at 0, 50 and 100 percent; from 60 on there is what the first of the chain gives."""
    whole = _controlled(sd15.task, controls[0])
    task = _controlled(whole, controls[1], end=0.6)
    _assert_shared(monkeypatch, sd15, task, controls[1], 2, 4)
    expected = engine.by_hand([sd15.reference, sd15.aligned], [0.6, 0.4], task)
    assert engine.difference(engine.by_us(sd15.reference, sd15.aligned, 0.4, task), expected) < ROUNDING


def test_with_a_schedule(sd15: Pair, controls: tuple) -> None:
    """Where one model rests, the other one asks by itself."""
    task = _controlled(sd15.task, controls[0])
    late = shaped.schedule(start=0.4)
    with shaped.counted(controls[0].control_model) as rows:
        ours = shaped.by_us(sd15, 0.5, task, schedule=late)
    assert rows == [2] * 3
    weights = [shaped.mixed(0.0), shaped.mixed(0.5), shaped.mixed(0.5)]
    expected = shaped.by_hand([sd15.reference, sd15.aligned], weights, task)
    assert engine.difference(ours, expected) < ROUNDING


def test_models_that_batch_in_another_way_get_outputs_of_their_own(
    monkeypatch: pytest.MonkeyPatch, sd15: Pair, controls: tuple
) -> None:
    """Memory gets short between the models: both branches of the reference in one pass, those of the aligned model in two."""
    task = _controlled(sd15.task, controls[0])

    def sampled() -> torch.Tensor:
        with (
            monkeypatch.context() as patch,
            shaped.counted(sd15.reference.model.diffusion_model) as ours,
            shaped.counted(sd15.aligned.model.diffusion_model) as theirs,
        ):
            told = comfy.model_management.get_free_memory

            def free(device: object = None, torch_free_too: bool = False) -> object:
                if sum(theirs) == sum(ours):
                    return told(device, torch_free_too)
                return (0.0, 0.0) if torch_free_too else 0.0

            patch.setattr(comfy.model_management, "get_free_memory", free)
            latent = engine.by_us(sd15.reference, sd15.aligned, 0.4, task)
            assert (ours, theirs) == ([2] * task.steps, [1] * 2 * task.steps)
        return latent

    engine.by_us(sd15.reference, sd15.aligned, 0.4, task)  # loaded while there is memory
    with shaped.counted(controls[0].control_model) as rows:
        shared = sampled()
    assert rows == [2, 1, 1] * task.steps
    with _each_for_itself(monkeypatch):
        assert torch.equal(shared, sampled())


class _Told:
    """A control whose output says what it was asked for, and which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[torch.Size, int]] = []

    def get_control(self, x: torch.Tensor, timestep: torch.Tensor, cond: dict, batched: int, options: dict) -> dict:
        self.asked.append((x.shape, batched))
        return {"output": [x * batched]}


@pytest.mark.parametrize("second", [(2, 8, 2), (4, 8, 1), (2, 6, 1)], ids=["branches", "rows", "area"])
def test_an_output_is_shared_only_where_all_that_is_asked_is_the_same(second: tuple[int, int, int]) -> None:
    """second: the rows, the height and the branches of what the second model asks, where the first asked (2, 8, 1) twice."""
    told = _Told()
    shared = Shared([[{"control": told}]])
    once = shared.conds[0][0]["control"]

    def ask(rows: int, height: int, batched: int) -> None:
        x = torch.ones(rows, 4, height, 8)
        (output,) = once.get_control(x, torch.ones(rows), {}, batched, {})["output"]
        assert torch.equal(output, x * batched)

    for asked in ([(2, 8, 1)] * 2, [(2, 8, 1), second], [(2, 8, 1), second]):
        shared.rewind()
        for one in asked:
            ask(*one)
    rows, height, batched = second
    assert told.asked == [((2, 4, 8, 8), 1)] * 2 + [((rows, 4, height, 8), batched)]
