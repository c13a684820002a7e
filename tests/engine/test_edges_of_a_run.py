"""At the edges of a run: what is loaded, whose callbacks run, several runs in one, noise above the first sigma, several GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP, WrappersMP
from comfy_extras import nodes_custom_sampler as custom
from comfy_extras.nodes_model_advanced import ModelSamplingSD3
from deradiff.nodes.engine import companion
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.curve import Curve
from deradiff.nodes.method.evaluation import KINDS, Evaluation
from deradiff.nodes.method.region import Region
from deradiff.nodes.method.schedule import LambdaSchedule
from deradiff.nodes.method.weights import Weight
from deradiff.nodes.method.window import Window
from deradiff.nodes.sharing.adapter import LENT, AdaptedLayer
from support import engine
from support.engine import ROUNDING, Pair, Task, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

FALLING = Curve(((0.0, 1.0), (1.0, 0.5)))
FIRST_HALF = LambdaSchedule(FALLING, Window(0.0, 0.4))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[list[ModelPatcher]]:
    """The models of each of core's requests to load."""
    found: list[list[ModelPatcher]] = []
    original = comfy.model_management.load_models_gpu

    def load(models: list[ModelPatcher], *args: object, **kwargs: object) -> None:
        found.append(list(models))
        return original(models, *args, **kwargs)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", load)
    return found


# A model whose weight is 0 throughout is not loaded


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (Weight(0.0), 1),
        (Weight(0.5), 2),
        (Weight(0.5, region=Region(torch.zeros(1, 8, 8))), 1),
        (Weight(0.5, LambdaSchedule(Curve(((0.0, 0.0), (1.0, 0.0))))), 1),
        (Weight(0.5, FIRST_HALF), 2),
    ],
    ids=["0", "0.5", "black mask", "schedule of 0", "first half"],
)
def test_a_model_without_a_weight_is_not_loaded(
    sd15: Pair, loaded: list[list[ModelPatcher]], weight: Weight, expected: int
) -> None:
    model = realign(sd15.reference, sd15.aligned, weight)
    engine.by_core(model, sd15.task)
    assert [len(models) for models in loaded] == [expected]
    assert len(model.get_additional_models()) == 1  # afterwards the MODEL is as before


def test_a_second_half_outside_of_the_schedule_loads_one_model(sd15: Pair, loaded: list[list[ModelPatcher]]) -> None:
    model = realign(sd15.reference, sd15.aligned, Weight(0.5, FIRST_HALF))
    steps = {"add_noise": "enable", "return_with_leftover_noise": "disable"}
    engine.advanced_by_core(model, replace(sd15.task, steps=6), **steps, start_at_step=4, end_at_step=6)
    engine.advanced_by_core(model, replace(sd15.task, steps=6), **steps, start_at_step=0, end_at_step=3)
    assert [len(models) for models in loaded] == [1, 2]


def test_a_run_that_fails_leaves_the_model_as_it_was(sd15: Pair) -> None:
    model = realign(sd15.reference, sd15.aligned, 0.0)

    def fail(executor: Callable, *args: object, **kwargs: object) -> None:
        raise RuntimeError("on purpose")

    model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "another pack", fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        engine.by_core(model, sd15.task)
    assert len(model.get_additional_models()) == 1


# Callbacks


def test_callbacks_of_the_model_below_run_once_and_on_a_whole_model(sd15: Pair, zoo: Zoo) -> None:
    seen: list[tuple[str, str]] = []
    reference = sd15.reference.clone()
    for kind in (CallbacksMP.ON_PRE_RUN, CallbacksMP.ON_CLEANUP, CallbacksMP.ON_LOAD, CallbacksMP.ON_DETACH):
        reference.add_callback_with_key(
            kind,
            "another pack",
            lambda patcher, *_, kind=kind: seen.append((kind, type(patcher.model.diffusion_model).__name__)),
        )
    aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3))
    engine.by_us(reference, aligned, 0.5, sd15.task)
    assert {name for _, name in seen} == {"UNetModel"}
    assert [kind for kind, _ in seen].count(CallbacksMP.ON_PRE_RUN) == 1
    assert [kind for kind, _ in seen].count(CallbacksMP.ON_CLEANUP) == 1


# What a layer with a LoRA lends


def test_a_layer_lends_its_sizes_and_none_of_the_loader_s_marks(sd15_lora: Pair) -> None:
    layer = next(child for name, child in sd15_lora.reference.model.named_modules() if name.endswith("attn1.to_q"))
    adapted = AdaptedLayer(layer, [])
    assert adapted.weight is layer.weight and adapted.in_features == layer.in_features
    private = [name for name in vars(layer) if name not in vars(adapted) and name not in LENT]
    private += ["comfy_cast_weights", "weight_function", "bias_function", "_v", "_prefetch"]
    layer._v = object()
    try:
        assert not [name for name in private if hasattr(adapted, name)]
    finally:
        del layer._v


# Several runs in one


@pytest.mark.parametrize("kind", ["sd15", "sd15_lora"])
def test_a_wrapper_that_runs_the_sampler_twice(kind: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(kind)
    model = realign(pair.reference, pair.aligned, 0.5)
    once = engine.by_core(model, pair.task)

    def twice(executor: Callable, *args: object, **kwargs: object) -> torch.Tensor:
        executor(*args, **kwargs)
        return executor(*args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "another pack", twice)
    assert (
        engine.difference(engine.by_core(model, pair.task), once) < ROUNDING
    )  # a foreign wrapper means separate passes


# Samplers that begin above the first sigma


@pytest.mark.parametrize("evaluation", KINDS)
def test_a_sampler_that_begins_above_the_first_sigma(sd15: Pair, evaluation: str) -> None:
    def sampled(model: ModelPatcher, churn: float) -> torch.Tensor:
        task: Task = sd15.task
        sampler = comfy.samplers.ksampler("euler", {"s_churn": churn})
        sigmas = custom.BasicScheduler.execute(model, "normal", 4, 1.0)[0]
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(task.positive, task.negative)
        guider.set_cfg(3.0)
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        torch.manual_seed(2)
        return guider.sample(noise, torch.zeros(1, 4, 8, 8), sampler, sigmas, seed=3)

    same = realign(sd15.reference, sd15.reference.clone(), 0.5, Evaluation(evaluation))
    assert engine.difference(sampled(same, 10.0), sampled(sd15.reference, 10.0)) < ROUNDING
    assert sampled(realign(sd15.reference, sd15.aligned, 0.5, Evaluation(evaluation)), 10.0).isfinite().all()


# Progress is that of the model as it is patched


def test_progress_follows_a_shift_that_is_patched_on(zoo: Zoo) -> None:
    """On the very first run, when core has not put the patch into the module yet."""
    half = LambdaSchedule(Curve(((0.0, 1.0), (1.0, 1.0))), Window(0.5, 1.0))
    fresh, aligned, task = zoo.load("sd3"), zoo.load("sd3", 1), engine.task_for("sd3", steps=6)
    first = engine.by_core(realign(ModelSamplingSD3().patch(fresh, 9.0)[0], aligned, Weight(0.5, half)), task)
    again = engine.by_core(realign(ModelSamplingSD3().patch(fresh, 9.0)[0], aligned, Weight(0.5, half)), task)
    assert torch.equal(first, again)


# Core's split over several GPUs (ComfyUI 0.23 and later), here two names of one device


@pytest.mark.skipif(
    not hasattr(ModelPatcher, "deepclone_multigpu"), reason="this ComfyUI has no split over GPUs (0.23)"
)
@pytest.mark.parametrize("before", [True, False], ids=["split, then realigned", "realigned, then split"])
@pytest.mark.parametrize("kind", ["sd15", "sd15_lora"])
def test_a_split_over_gpus_keeps_lambda(kind: str, before: bool, request: pytest.FixtureRequest, zoo: Zoo) -> None:
    pair: Pair = request.getfixturevalue(kind)
    expected = engine.by_us(pair.reference, pair.aligned, 0.5, pair.task)

    def split(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        other = clone.deepclone_multigpu(new_load_device=torch.device("cpu", 0))
        other.is_multigpu_base_clone = True
        clone.set_additional_models("multigpu", [other])
        clone.match_multigpu_clones()
        return clone

    if before:
        reference = split(pair.reference)
        aligned = engine.lora_pair(reference, zoo.lora_path("sd15", 3)) if kind == "sd15_lora" else pair.aligned
        model = realign(reference, aligned, 0.5)
    else:
        model = split(realign(pair.reference, pair.aligned, 0.5))
    assert engine.difference(engine.by_core(model, pair.task), expected) < ROUNDING


@pytest.mark.skipif(
    not hasattr(comfy.model_patcher, "ModelPatcherDynamic"), reason="this ComfyUI streams no weights (0.16)"
)
def test_adapters_are_streamed_where_the_aligned_model_is() -> None:
    """Only the class can be looked at without CUDA: the memory behind a streamed model is the driver's."""
    made = companion._around_adapters(True)
    assert issubclass(made, comfy.model_patcher.ModelPatcherDynamic) and issubclass(made, companion.AdaptersPatcher)
    for name in ("register_all_hook_patches", "deepclone_multigpu", "get_non_dynamic_delegate"):
        assert getattr(made, name) is getattr(companion.AdaptersPatcher, name)
    assert made.is_dynamic is comfy.model_patcher.ModelPatcherDynamic.is_dynamic
    assert not issubclass(companion._around_adapters(False), comfy.model_patcher.ModelPatcherDynamic)
