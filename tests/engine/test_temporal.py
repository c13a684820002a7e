"""Temporal alignment in real sampling runs: the offset is the formula's, guidance leaves it as it is, and it joins with everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher, set_model_options_patch_replace
from comfy_extras.nodes_custom_sampler import Guider_DualCFG
from comfy_extras.nodes_perpneg import Guider_PerpNeg
from deradiff.nodes.engine.patch import guarded, realign
from deradiff.nodes.engine.temporal import KEY, align_in_time
from deradiff.nodes.engine.time_gap import watched
from deradiff.nodes.method.cap import Guard
from deradiff.nodes.method.time_predictor import log_probability
from deradiff.nodes.method.window import Window
from deradiff.nodes.temporal_alignment import DeRaDiffTemporalAlignment, DeRaDiffTimeGap
from support import engine, predictors
from support.engine import ROUNDING, Pair, Task, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

STRENGTH = 3.0
SIGMAS = {"sd15": 3.0, "sdxl": 3.0, "sd3": 0.6, "wan": 0.6}
every_kind = pytest.mark.parametrize("kind", SIGMAS)
Guide = Callable[[ModelPatcher], comfy.samplers.CFGGuider]


def _plain(task: Task, cfg: float) -> Guide:
    def guide(model: ModelPatcher) -> comfy.samplers.CFGGuider:
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(task.positive, task.negative)
        guider.set_cfg(cfg)
        return guider

    return guide


def _dual(task: Task, cfg: float) -> Guide:
    def guide(model: ModelPatcher) -> comfy.samplers.CFGGuider:
        guider = Guider_DualCFG(model)
        guider.set_conds(task.positive, task.positive, task.negative)
        guider.set_cfg(cfg, 2.0)
        return guider

    return guide


def _perpendicular(task: Task, cfg: float) -> Guide:
    def guide(model: ModelPatcher) -> comfy.samplers.CFGGuider:
        guider = Guider_PerpNeg(model)
        guider.set_conds(task.positive, task.negative, task.negative)
        guider.set_cfg(cfg, 1.0)
        return guider

    return guide


def _noise(task: Task) -> torch.Tensor:
    return torch.randn(task.latent["samples"].shape, generator=torch.Generator().manual_seed(8))


def _one_prediction(model: ModelPatcher, task: Task, sigma: float, guide: Guide) -> torch.Tensor:
    """The guided denoised latent at one sigma, in the model's own scale: one step of Euler's method to 0."""
    sampler = comfy.samplers.sampler_object("euler")
    out = guide(model).sample(_noise(task), task.latent["samples"], sampler, torch.tensor([sigma, 0.0]), seed=1)
    return model.model.process_latent_in(out)


def _offset(model: ModelPatcher, task: Task, sigma: float, guide: Guide, strength: float = STRENGTH) -> torch.Tensor:
    predictor = predictors.untrained(model)
    aligned = align_in_time(model, predictor, strength)
    return _one_prediction(aligned, task, sigma, guide) - _one_prediction(model, task, sigma, guide)


def _expected(model: ModelPatcher, task: Task, sigma: float) -> torch.Tensor:
    """sigma^2 omega grad_x log p(sigma | x) for eps, sigma^2 / (1 - sigma) omega grad for flow; omega = strength (1 - alphabar)."""
    predictor, flow = predictors.untrained(model), sigma < 1
    with torch.inference_mode(False), torch.enable_grad():
        x = (sigma * _noise(task).clone()).requires_grad_(True)
        y = x if flow else x / math.sqrt(1 + sigma**2)
        rows = y if y.ndim == 4 else y.movedim(2, 1).flatten(0, 1)
        level = torch.full((rows.shape[0],), math.log(sigma / (1 - sigma) if flow else sigma))
        found = log_probability(predictor.network(rows), predictor.card.bins, level)
        (gradient,) = torch.autograd.grad(found.sum(), x)
    if flow:
        return sigma**2 / (1 - sigma) * STRENGTH * sigma**2 / (sigma**2 + (1 - sigma) ** 2) * gradient
    return sigma**2 * STRENGTH * sigma**2 / (1 + sigma**2) * gradient


@every_kind
def test_the_offset_is_the_formula_s(request: pytest.FixtureRequest, kind: str) -> None:
    pair: Pair = request.getfixturevalue(kind)
    found = _offset(pair.reference, pair.task, SIGMAS[kind], _plain(pair.task, 7.0))
    expected = _expected(pair.reference, pair.task, SIGMAS[kind])
    assert expected.norm() > 100 * ROUNDING
    assert (
        engine.difference(found, expected) < 1e-2
    )  # what is left of single precision after a difference of predictions


@pytest.mark.parametrize("guide", [_plain, _dual, _perpendicular], ids=["CFG", "dual CFG", "perp-neg"])
@pytest.mark.parametrize("cfg", [1.0, 7.0])
def test_guidance_leaves_the_offset_as_it_is(sd15: Pair, guide: Callable[..., Guide], cfg: float) -> None:
    found = _offset(sd15.reference, sd15.task, 3.0, guide(sd15.task, cfg))
    assert engine.difference(found, _expected(sd15.reference, sd15.task, 3.0)) < 1e-2


def _perturbed(model: ModelPatcher) -> ModelPatcher:
    """What PAG does: evaluate once more with another attention, and guide away from that."""

    def post_cfg(args: dict) -> torch.Tensor:
        options = set_model_options_patch_replace(
            args["model_options"].copy(), lambda q, k, v, options: v, "attn1", "input", 1, 0
        )
        (found,) = comfy.samplers.calc_cond_batch(args["model"], [args["cond"]], args["input"], args["sigma"], options)
        return args["denoised"] + 4 * (args["cond_denoised"] - found)

    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(post_cfg)
    return clone


def test_guidance_by_a_perturbed_evaluation_leaves_it_as_it_is(sd15: Pair) -> None:
    found = _offset(_perturbed(sd15.reference), sd15.task, 3.0, _plain(sd15.task, 7.0))
    assert engine.difference(found, _expected(sd15.reference, sd15.task, 3.0)) < 2e-2


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("lora", [False, True], ids=["separate", "LoRA"])
def test_before_or_after_realign_gives_the_same_image(sd15: Pair, sd15_lora: Pair, lora: bool, weight: float) -> None:
    pair = sd15_lora if lora else sd15
    predictor = predictors.untrained(pair.reference)
    first = realign(align_in_time(pair.reference, predictor, STRENGTH), pair.aligned, weight)
    last = align_in_time(realign(pair.reference, pair.aligned, weight), predictor, STRENGTH)
    expected = engine.by_core(last, pair.task)
    assert torch.equal(engine.by_core(first, pair.task), expected)
    plain = engine.by_core(realign(pair.reference, pair.aligned, weight), pair.task)
    assert engine.difference(expected, plain) > 10 * ROUNDING
    if weight in (0.0, 1.0) and not lora:
        end = align_in_time(pair.aligned if weight else pair.reference, predictor, STRENGTH)
        assert torch.equal(engine.by_core(end, pair.task), expected)


def test_before_or_after_a_guard_gives_the_same_image(sd15: Pair) -> None:
    """The guard looks at the mixture, not at the offset."""
    model, predictor = realign(sd15.reference, sd15.aligned, 2.0), predictors.untrained(sd15.reference)
    guard = Guard(0.01, Window(0.0, 1.0))
    first = engine.by_core(guarded(align_in_time(model, predictor, STRENGTH), guard), sd15.task)
    assert torch.equal(first, engine.by_core(align_in_time(guarded(model, guard), predictor, STRENGTH), sd15.task))
    assert not torch.equal(first, engine.by_core(align_in_time(model, predictor, STRENGTH), sd15.task))


@pytest.mark.parametrize("cfg", [1.0, 7.0])
@pytest.mark.parametrize("sampler", comfy.samplers.KSampler.SAMPLERS)
def test_every_sampler(sd15: Pair, sampler: str, cfg: float) -> None:
    denoise = 0.2 if sampler == "dpm_adaptive" else 1.0
    task = replace(sd15.task, sampler_name=sampler, denoise=denoise, cfg=cfg)
    aligned = align_in_time(sd15.reference, predictors.untrained(sd15.reference), STRENGTH)
    found = engine.by_core(aligned, task)
    assert torch.isfinite(found).all()
    assert not torch.equal(found, engine.by_core(sd15.reference, task))


@every_kind
def test_neutral_settings_change_nothing(request: pytest.FixtureRequest, kind: str) -> None:
    pair: Pair = request.getfixturevalue(kind)
    predictor, expected = predictors.untrained(pair.reference), engine.by_core(pair.reference, pair.task)
    for changes in (
        {"strength": 0.0},
        {"strength": 5.0, "window": Window(1.0, 1.0)},
        {"strength": 5.0, "window": Window(0.0, 0.0)},
    ):
        assert torch.equal(engine.by_core(align_in_time(pair.reference, predictor, **changes), pair.task), expected)
    whole = engine.by_core(align_in_time(pair.reference, predictor, 5.0), pair.task)
    assert not torch.equal(whole, expected)
    assert torch.equal(engine.by_core(pair.reference, pair.task), expected)


def test_a_window_is_of_progress(sd15: Pair) -> None:
    """Two halves of a run, each with a MODEL of its own, are one run with the window."""
    predictor, task = predictors.untrained(sd15.reference), replace(sd15.task, steps=4)
    half = align_in_time(sd15.reference, predictor, STRENGTH, Window(0.0, 0.5))
    whole = align_in_time(sd15.reference, predictor, STRENGTH)
    sampling = sd15.reference.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, task.scheduler, task.steps)
    within = int((sigmas >= float(sampling.percent_to_sigma(0.5))).sum())
    assert 0 < within < task.steps
    steps = {"start_at_step": 0, "end_at_step": within, "return_with_leftover_noise": "enable", "add_noise": "enable"}
    latent = engine.advanced_by_core(whole, task, **steps)
    rest = {"start_at_step": within, "end_at_step": 99, "return_with_leftover_noise": "disable", "add_noise": "disable"}
    parts = engine.advanced_by_core(sd15.reference, replace(task, latent=latent), **rest)["samples"]
    assert engine.difference(engine.by_core(half, task), parts) < ROUNDING


def test_a_clone_of_it_samples_as_it_does(sd15: Pair) -> None:
    aligned = align_in_time(sd15.reference, predictors.untrained(sd15.reference), STRENGTH)
    assert torch.equal(engine.by_core(aligned.clone().clone(), sd15.task), engine.by_core(aligned, sd15.task))


def test_core_loads_the_predictor_with_the_model(sd15: Pair, caplog: pytest.LogCaptureFixture) -> None:
    predictor = predictors.untrained(sd15.reference)
    aligned = align_in_time(sd15.reference, predictor, STRENGTH)
    engine.by_core(aligned, sd15.task)
    loaded = [each.model.model for each in comfy.model_management.current_loaded_models if each.model is not None]
    assert any(each is predictor.network for each in loaded)
    del aligned, loaded
    engine.by_core(align_in_time(sd15.reference, predictor, STRENGTH), sd15.task)
    engine.by_core(sd15.reference, sd15.task)
    assert "leak" not in caplog.text and "garbage" not in caplog.text


def test_a_split_over_several_gpus_has_a_predictor_for_each(sd15: Pair) -> None:
    """Where this ComfyUI splits; older ones have nothing to ask for."""
    predictor = predictors.untrained(sd15.reference)
    (patcher,) = align_in_time(sd15.reference, predictor, STRENGTH).get_additional_models_with_key(KEY)
    if hasattr(patcher, "deepclone_multigpu"):
        other = patcher.deepclone_multigpu(torch.device("cpu")).model
        assert other is not predictor.network
        pairs = zip(other.parameters(), predictor.network.parameters(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_a_lora_pair_of_an_aligned_model(sd15: Pair, zoo: Zoo) -> None:
    """Temporal alignment before the LoRA is loaded: both models carry it, and it acts once."""
    predictor, path = predictors.untrained(sd15.reference), zoo.lora_path("sd15", 3)
    first = align_in_time(sd15.reference, predictor, STRENGTH)
    found = engine.by_core(realign(first, engine.lora_pair(first, path), 0.5), sd15.task)
    last = align_in_time(realign(sd15.reference, engine.lora_pair(sd15.reference, path), 0.5), predictor, STRENGTH)
    assert torch.equal(found, engine.by_core(last, sd15.task))


def test_the_nodes_of_the_pack_sample_from_it(sd15: Pair) -> None:
    predictor = predictors.untrained(sd15.reference)
    (first,) = DeRaDiffTemporalAlignment.execute(sd15.reference, predictor, STRENGTH, 0.0, 1.0).result
    last = align_in_time(realign(sd15.reference, sd15.aligned, 1.5), predictor, STRENGTH)
    assert torch.equal(engine.by_us(first, sd15.aligned, 1.5, sd15.task), engine.by_core(last, sd15.task))


@pytest.mark.parametrize("denoise", [1.0, 0.0])
def test_the_time_gap_node(sd15: Pair, denoise: float) -> None:
    task = replace(sd15.task, denoise=denoise)
    predictor = predictors.untrained(sd15.reference)
    latent, gap, plot, table = DeRaDiffTimeGap.execute(sd15.reference, predictor, **task.settings()).result
    assert torch.equal(latent["samples"], engine.by_core(sd15.reference, task))
    assert plot.shape[0] == 1 and plot.shape[-1] == 3 and plot.std() > 0.01
    lines = table.splitlines()
    assert len(lines) == 1 + (task.steps if denoise else 0)
    sizes = [float(line.split("\t")[-1]) for line in lines[1:]]
    assert gap == pytest.approx(sum(sizes) / len(sizes) if sizes else math.nan, abs=1e-3, nan_ok=True), (
        "of no step: unknown"
    )


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m_sde"])
def test_the_time_gap_leaves_the_image_as_it_is(sd15: Pair, sampler: str) -> None:
    task, predictor = replace(sd15.task, sampler_name=sampler), predictors.untrained(sd15.reference)
    pair = (sd15.reference, sd15.aligned)
    for model in (sd15.reference, realign(*pair, 1.0), align_in_time(realign(*pair, 1.5), predictor, STRENGTH)):
        clone, record = watched(model, predictor)
        assert torch.equal(engine.by_core(clone, task), engine.by_core(model, task))
        gaps = record.read()
        assert len(gaps) == task.steps
        assert all(gap.size >= abs(gap.error) - 1e-5 for gap in gaps)
        assert [gap.level for gap in gaps] == sorted((gap.level for gap in gaps), reverse=True)


def test_the_gap_of_a_latent_is_seen(sd15: Pair) -> None:
    """With the exact predictor of Gaussian data, samples with too much noise look noisier than they should."""
    predictor = predictors.untrained(sd15.reference)
    bins = predictor.card.bins
    exact = replace(predictor, network=predictors.Gaussian(bins, 0.0, 0.04, flow=False), patchers={})
    task = replace(sd15.task, latent=engine.empty_latent("sd15", batch=8, side=16), cfg=1.0)
    clone, record = watched(sd15.reference, exact)
    _one_prediction_of(clone, task, 0.5, 1.0)
    _one_prediction_of(clone, task, 0.5, 1.3)
    rows = [gap[1].item() for gap in record.rows]
    assert abs(rows[0]) < 0.1
    assert rows[1] > 0.2


def _one_prediction_of(model: ModelPatcher, task: Task, sigma: float, factor: float) -> None:
    rng = torch.Generator().manual_seed(4)
    shape = task.latent["samples"].shape
    x = 0.2 * torch.randn(shape, generator=rng) + factor * sigma * torch.randn(shape, generator=rng)
    sampler = comfy.samplers.sampler_object("euler")
    _plain(task, 1.0)(model).sample(x / sigma, torch.zeros(shape), sampler, torch.tensor([sigma, 0.0]), seed=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strength": -1.0}, "strength must be a number from 0 to 1000"),
        ({"strength": math.nan}, "strength must be a number"),
        ({"start_percent": 0.6, "end_percent": 0.4}, "start_percent and end_percent: expected 0 <= start_percent"),
        ({"end_percent": 2.0}, "start_percent and end_percent: expected 0 <= start_percent"),
    ],
)
def test_values_beyond_their_limits(sd15: Pair, changes: dict, words: str) -> None:
    given = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, **changes}
    with pytest.raises(ValueError, match=words):
        DeRaDiffTemporalAlignment.execute(sd15.reference, predictors.untrained(sd15.reference), **given)


@pytest.mark.parametrize(("kind", "other"), [("sd15", "sdxl"), ("sd3", "sd15"), ("wan", "sd3")])
def test_a_predictor_for_other_latents_is_refused(request: pytest.FixtureRequest, kind: str, other: str) -> None:
    model, foreign = request.getfixturevalue(kind).reference, request.getfixturevalue(other).reference
    for strength in (0.0, 1.0):
        with pytest.raises(
            ValueError, match=r"predictor: expected one for this MODEL .*but untrained\.safetensors was trained on"
        ):
            align_in_time(model, predictors.untrained(foreign), strength)
    with pytest.raises(ValueError, match="predictor: expected one for this MODEL"):
        watched(model, predictors.untrained(foreign))


def test_twice_is_refused(sd15: Pair) -> None:
    predictor = predictors.untrained(sd15.reference)
    with pytest.raises(ValueError, match="model: expected a MODEL without Temporal Alignment"):
        align_in_time(align_in_time(sd15.reference, predictor, 1.0), predictor, 1.0)


def test_a_strength_that_overflows_is_named(sd15: Pair) -> None:
    predictor = predictors.untrained(sd15.reference)
    with torch.inference_mode(False):
        for value in predictor.network.parameters():
            value.mul_(30.0)
    with pytest.raises(ValueError, match=r"strength: expected one whose offset is at most 10 times .*Lower strength"):
        engine.by_core(align_in_time(sd15.reference, predictor, 1000.0), sd15.task)
    with torch.inference_mode(False):
        for value in predictor.network.parameters():
            value.fill_(torch.finfo(torch.float32).max)
    with pytest.raises(ValueError, match="strength: at 1 the prediction was no finite number any more"):
        engine.by_core(align_in_time(sd15.reference, predictor, 1.0), sd15.task)


def test_a_node_that_predicts_in_its_own_way_is_named(sd15: Pair) -> None:
    aligned = align_in_time(sd15.reference, predictors.untrained(sd15.reference), STRENGTH)
    aligned.set_model_sampler_calc_cond_batch_function(lambda args: [args["input"]] * 2)
    with pytest.raises(ValueError, match="Temporal Alignment did not act: the sampler never asked"):
        engine.by_core(aligned, sd15.task)
