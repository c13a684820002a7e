"""A sweep gives each lambda what the KSampler gives it, at the cost of its parts; its baseline is core's own merge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import comfy.model_management
import comfy.utils
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_model_merging import ModelMergeSimple
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.lambda_sweep import DeRaDiffLambdaSweep
from deradiff.nodes.sample import DeRaDiffKSampler, DeRaDiffKSamplerAdvanced
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Sweep
from support import engine, shaped
from support.engine import ROUNDING, Pair, Task, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

LISTS = {1: "0.5", 2: "1, 0.3", 7: "0:1.5:0.25"}
Alone = dict[tuple[str, int, float], torch.Tensor]


def _sweep(
    reference: ModelPatcher,
    aligned: ModelPatcher,
    lambdas: str,
    task: Task,
    baseline: bool = False,
    measure_kl: bool = True,
) -> tuple[torch.Tensor, Sweep]:
    output = DeRaDiffLambdaSweep.execute(
        reference, aligned, lambdas, **task.settings(), evaluation="exact", baseline=baseline, measure_kl=measure_kl
    )
    return output[0]["samples"], output[1]


def _parts(latents: torch.Tensor, sweep: Sweep) -> list[torch.Tensor]:
    """The latents of each entry, (samples, C, H, W)."""
    assert latents.shape[0] == len(sweep.entries) * sweep.samples
    return list(latents.split(sweep.samples))


@pytest.fixture(scope="module")
def alone() -> Alone:
    """What single runs gave, by sampler, batch and lambda: the lists of a sampler share them."""
    return {}


@pytest.mark.parametrize("length", LISTS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m_sde"])
def test_each_lambda_is_the_ksampler_s_to_the_bit(
    sd15: Pair, alone: Alone, sampler: str, batch: int, length: int
) -> None:
    task = replace(sd15.task, sampler_name=sampler, steps=2, latent=engine.empty_latent("sd15", batch))
    latents, sweep = _sweep(sd15.reference, sd15.aligned, LISTS[length], task)
    assert (len(sweep.entries), sweep.samples) == (length, batch)
    for entry, found in zip(sweep.entries, _parts(latents, sweep), strict=True):
        key = (sampler, batch, entry.strength)
        if key not in alone:
            alone[key] = engine.by_us(sd15.reference, sd15.aligned, entry.strength, task)
        assert torch.equal(found, alone[key])
        assert entry.seconds > 0 and len(entry.kl) == batch


def test_a_lora_pair_sweeps_to_the_bit_as_well(sd15_lora: Pair) -> None:
    latents, sweep = _sweep(sd15_lora.reference, sd15_lora.aligned, "0, 0.5, 1", sd15_lora.task)
    for entry, found in zip(sweep.entries, _parts(latents, sweep), strict=True):
        assert torch.equal(found, engine.by_us(sd15_lora.reference, sd15_lora.aligned, entry.strength, sd15_lora.task))


def test_denoise_0_returns_the_latent_and_no_kl(sd15: Pair) -> None:
    task = replace(sd15.task, denoise=0.0, latent=engine.drawn_latent("sd15"))
    latents, sweep = _sweep(sd15.reference, sd15.aligned, "0, 0.5", task)
    assert all(torch.equal(part, task.latent["samples"]) for part in _parts(latents, sweep))
    assert all(math.isnan(value) for entry in sweep.entries for value in entry.kl)


def test_masks_and_denoise_act_as_in_the_ksampler(sd15: Pair) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1.0
    latent = {**engine.drawn_latent("sd15", 2), "noise_mask": mask, "batch_index": [3, 1]}
    task = replace(sd15.task, latent=latent, denoise=0.6)
    latents, sweep = _sweep(sd15.reference, sd15.aligned, "0.5, 1.5", task)
    for entry, found in zip(sweep.entries, _parts(latents, sweep), strict=True):
        assert torch.equal(found, engine.by_us(sd15.reference, sd15.aligned, entry.strength, task))


class Counted:
    """A pair whose models count their evaluations."""

    def __init__(self, pair: Pair) -> None:
        self.calls = {"reference": 0, "aligned": 0}
        self.interrupt_at = math.inf
        self.reference = self._counting(pair.reference, "reference")
        self.aligned = self._counting(pair.aligned, "aligned")

    def _counting(self, model: ModelPatcher, name: str) -> ModelPatcher:
        def count(executor: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
            self.calls[name] += 1
            if sum(self.calls.values()) == self.interrupt_at:
                comfy.model_management.interrupt_current_processing()
            return executor(*args, **kwargs)

        clone = model.clone()
        clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "counted", count)
        return clone


@pytest.fixture
def counted(sd15: Pair) -> Iterator[Counted]:
    yield Counted(sd15)
    comfy.model_management.interrupt_current_processing(False)


@pytest.mark.parametrize(
    ("lambdas", "runs", "shared"), [("0", (1, 0), 0), ("1", (0, 1), 0), ("0, 0.5, 1, 2", (3, 3), 1)]
)
def test_endpoints_evaluate_one_model(
    sd15: Pair, counted: Counted, lambdas: str, runs: tuple[int, int], shared: int
) -> None:
    """The first latent is the same at every lambda, so the runs that need both models share its evaluation."""
    _sweep(counted.reference, counted.aligned, lambdas, sd15.task, measure_kl=False)
    assert tuple(counted.calls.values()) == tuple(sd15.task.steps * count - shared for count in runs)


def test_measure_kl_costs_the_reference_where_it_does_not_run_and_changes_no_latent(
    sd15: Pair, counted: Counted
) -> None:
    plain, without = _sweep(counted.reference, counted.aligned, "0, 0.5, 1", sd15.task, measure_kl=False)
    before = counted.calls["reference"]
    measured, sweep = _sweep(counted.reference, counted.aligned, "0, 0.5, 1", sd15.task)
    assert counted.calls["reference"] == 2 * before + sd15.task.steps
    assert torch.equal(measured, plain)
    assert [math.isnan(entry.kl[0]) for entry in without.entries] == [False, False, True]
    first, half, last = (entry.kl[0] for entry in sweep.entries)
    assert first == 0.0 < half < last
    assert all(entry.kl_error == (0.0,) for entry in sweep.entries)


def test_a_lora_pair_s_lambda_1_and_baseline_are_measured_without_changing_them(sd15_lora: Pair) -> None:
    pair = (sd15_lora.reference, sd15_lora.aligned, "0.5, 1", sd15_lora.task)
    plain, _ = _sweep(*pair, baseline=True, measure_kl=False)
    measured, sweep = _sweep(*pair, baseline=True)
    assert torch.equal(measured, plain)
    half, whole, half_weights, whole_weights = (entry.kl[0] for entry in sweep.entries)
    assert 0 < half < whole
    assert half_weights == pytest.approx(half, rel=0.5)
    assert whole_weights == pytest.approx(whole, rel=1e-2)


def test_the_baseline_of_a_chain_is_refused(counted: Counted, sd15: Pair, zoo: Zoo) -> None:
    """A mixture of models has no weights."""
    chain = realign(counted.reference, zoo.load("sd15", 2), 0.5)
    with pytest.raises(ValueError, match=r"^baseline: the reference is a realigned MODEL"):
        _sweep(chain, counted.aligned, "0, 0.5", sd15.task, baseline=True)
    assert not any(counted.calls.values())
    assert len(_sweep(chain, counted.aligned, "0.5", sd15.task)[1].entries) == 1


@pytest.mark.parametrize("node", [DeRaDiffKSampler, DeRaDiffKSamplerAdvanced])
@pytest.mark.parametrize(("weight", "runs"), [(0.0, (1, 0)), (0.5, (1, 1)), (1.0, (0, 1))])
def test_the_samplers_kl_costs_no_evaluation(
    sd15: Pair, counted: Counted, node: type, weight: float, runs: tuple[int, int]
) -> None:
    settings, inputs = sd15.task.settings(), {"lambda": weight, "evaluation": "exact"}
    if node is DeRaDiffKSamplerAdvanced:
        del settings["denoise"]
        settings["noise_seed"] = settings.pop("seed")
        inputs |= {"add_noise": "enable", "start_at_step": 0, "end_at_step": 1000}
        inputs |= {"return_with_leftover_noise": "disable"}
    kl = node.execute(counted.reference, counted.aligned, **settings, **inputs)[1]
    assert tuple(counted.calls.values()) == tuple(sd15.task.steps * count for count in runs)
    assert {0.0: kl == 0, 0.5: 0 < kl < math.inf, 1.0: math.isnan(kl)}[weight]


@pytest.mark.parametrize("calls", [1, 2, 7, 8])
def test_cancel_stops_before_the_next_evaluation(sd15: Pair, counted: Counted, calls: int) -> None:
    """As the network runs: the evaluation that was cancelled is the last to begin, and does not end."""
    counted.interrupt_at = calls
    with (
        shaped.completed(sd15.reference, sd15.aligned) as ended,
        pytest.raises(comfy.model_management.InterruptProcessingException),
    ):
        _sweep(counted.reference, counted.aligned, "0.25, 0.5, 0.75", sd15.task)
    assert (sum(counted.calls.values()), len(ended)) == (calls, calls - 1)
    counted.interrupt_at = math.inf
    latents, _ = _sweep(counted.reference, counted.aligned, "0.5", sd15.task)
    assert torch.equal(latents, engine.by_us(sd15.reference, sd15.aligned, 0.5, sd15.task))


def test_cancel_between_two_models_does_not_ask_the_second(sd15: Pair) -> None:
    """Where no layer of core's notices a cancel: the reference's evaluation ends, the aligned model's never begins."""
    asked = []

    def cancelling(_: Callable, inputs: dict) -> torch.Tensor:
        asked.append("reference")
        comfy.model_management.interrupt_current_processing()
        return torch.zeros_like(inputs["input"])

    def fixed(_: Callable, inputs: dict) -> torch.Tensor:
        asked.append("aligned")
        return torch.zeros_like(inputs["input"])

    reference, aligned = sd15.reference.clone(), sd15.aligned.clone()
    reference.set_model_unet_function_wrapper(cancelling)
    aligned.set_model_unet_function_wrapper(fixed)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        _sweep(reference, aligned, "0.5, 0.75", sd15.task)
    assert asked == ["reference"]


def test_one_progress_bar_over_the_whole_sweep(sd15: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the bar is told; what it passes on to the page, current ComfyUI throttles by the clock."""
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(comfy.utils.ProgressBar, "update_absolute", lambda _, value, of, *__: seen.append((value, of)))
    _sweep(sd15.reference, sd15.aligned, "0, 0.5, 1", sd15.task, baseline=True)
    total = sd15.task.steps * 6
    values = [value for value, _ in seen]
    assert {total} == {of for _, of in seen}
    assert values == sorted(values) and values[-1] == total and len(set(values)) == total


def test_kl_of_the_sweep_is_the_sampler_s_and_that_of_identical_models_zero(sd15: Pair, zoo: Zoo) -> None:
    task = replace(sd15.task, latent=engine.empty_latent("sd15", 2))
    _, sweep = _sweep(sd15.reference, sd15.aligned, "0.5", task)
    inputs = {**task.settings(), "evaluation": "exact", "lambda": 0.5}
    assert sum(sweep.entries[0].kl) / 2 == DeRaDiffKSampler.execute(sd15.reference, sd15.aligned, **inputs)[1] > 0
    _, same = _sweep(sd15.reference, zoo.load("sd15"), "0, 0.5, 2", task)
    assert [entry.kl for entry in same.entries] == [(0.0, 0.0)] * 3


def test_kl_scales_with_the_square_of_lambda_where_predictions_are_fixed(sd15: Pair) -> None:
    def fixed(model: ModelPatcher, value: float) -> ModelPatcher:
        clone = model.clone()
        clone.set_model_unet_function_wrapper(lambda _, inputs: torch.full_like(inputs["input"], value))
        return clone

    reference, aligned = fixed(sd15.reference, 0.25), fixed(sd15.aligned, 0.5)
    _, sweep = _sweep(reference, aligned, "0.25, 0.5, 0.75, 2", replace(sd15.task, steps=5))
    one = sweep.entries[0].kl[0] / 0.25**2
    assert one > 0
    for entry in sweep.entries:
        assert entry.kl[0] == pytest.approx(one * entry.strength**2, rel=1e-5)


def _baseline(pair: Pair, lambdas: str) -> Sequence[tuple[float, torch.Tensor]]:
    latents, sweep = _sweep(pair.reference, pair.aligned, lambdas, pair.task, baseline=True)
    entries = list(zip(sweep.entries, _parts(latents, sweep), strict=True))
    half = len(entries) // 2
    assert [entry.method for entry, _ in entries] == [REALIGNED] * half + [INTERPOLATED] * half
    assert [entry.strength for entry, _ in entries[:half]] == [entry.strength for entry, _ in entries[half:]]
    assert all((entry.kl[0] < 1e-3) == (entry.strength == 0) for entry, _ in entries[half:])
    for entry, found in entries[:half]:
        assert torch.equal(found, engine.by_us(pair.reference, pair.aligned, entry.strength, pair.task))
    return [(entry.strength, found) for entry, found in entries[half:]]


def test_the_baseline_of_two_models_is_core_s_merge(sd15: Pair) -> None:
    for weight, found in _baseline(sd15, "0, 0.25, 0.5, 1"):
        merged = ModelMergeSimple().merge(sd15.reference, sd15.aligned, 1 - weight)[0]
        assert torch.equal(found, engine.by_core(merged, sd15.task))


def test_the_baseline_of_a_lora_pair_is_its_strength(sd15_lora: Pair, zoo: Zoo) -> None:
    for weight, found in _baseline(sd15_lora, "0, 0.25, 0.5, 1.5"):
        scaled = engine.with_lora(sd15_lora.reference, zoo.lora_path("sd15", 3), weight)
        assert engine.difference(found, engine.by_core(scaled, sd15_lora.task)) < ROUNDING


@pytest.mark.parametrize("lambdas", ["", "0, banana", "nan", "-3.5", "0:1:0.001"])
def test_a_bad_list_is_refused_before_anything_is_sampled(counted: Counted, sd15: Pair, lambdas: str) -> None:
    with pytest.raises(ValueError, match="lambdas: "):
        _sweep(counted.reference, counted.aligned, lambdas, sd15.task)
    assert not any(counted.calls.values())
