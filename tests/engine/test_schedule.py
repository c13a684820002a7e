"""Lambda over the progress of sampling, against core's own two-stage sampling and a loop written by hand."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import comfy.latent_formats
import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy_extras import nodes_custom_sampler as custom
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.lambda_sweep import DeRaDiffLambdaSweep
from deradiff.nodes.method.divergence import kl
from deradiff.nodes.method.schedule import LambdaSchedule
from support import engine, shaped
from support.engine import ROUNDING, Pair, Task, Zoo
from support.shaped import mixed, passes, schedule

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

FREE = ((0.0, 0.2), (0.35, 1.0), (0.8, 0.6), (1.0, 0.0))
UP = ((0.0, 0.0), (1.0, 1.0))


def _pair(request: pytest.FixtureRequest, name: str) -> Pair:
    return request.getfixturevalue(name)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", ["sd15", "sd15_lora", "sd3", "wan"])
def test_a_constant_schedule_of_one_changes_nothing(request: pytest.FixtureRequest, name: str, weight: float) -> None:
    pair = _pair(request, name)
    assert torch.equal(shaped.by_us(pair, weight, schedule=schedule()), shaped.by_us(pair, weight))


def test_a_constant_schedule_is_a_factor_of_lambda(sd15: Pair) -> None:
    half = schedule([[0.3, 0.5]])
    assert torch.equal(shaped.by_us(sd15, 1.0, schedule=half), shaped.by_us(sd15, 0.5))
    assert torch.equal(shaped.by_us(sd15, 1.0, schedule=schedule([[0, 0]])), engine.by_core(sd15.reference, sd15.task))


HALVES = (
    {"add_noise": "enable", "start_at_step": 0, "end_at_step": 2, "return_with_leftover_noise": "enable"},
    {"add_noise": "disable", "start_at_step": 2, "end_at_step": 10000, "return_with_leftover_noise": "disable"},
)
BETWEEN = (
    0.6  # of the percents 0, 1/3, 2/3 and 1 of four steps; close to the third, since dpm_2 evaluates on the way to it
)
LATE, EARLY = schedule(start=BETWEEN), schedule(end=BETWEEN)


@pytest.mark.parametrize(
    ("name", "sampler", "between"),
    [
        ("sd15", "euler", 0.6),
        ("sd15", "ddim", 0.6),
        ("sd15", "euler_cfg_pp", 0.6),
        ("sd15", "dpm_2", 0.45),  # which has other steps, and looks ahead
        ("sd15_lora", "euler", 0.6),
        ("sd15_lora", "dpm_2", 0.45),
    ],
)
@pytest.mark.parametrize("last", ["realigned", "reference"])
def test_is_two_stage_sampling(
    request: pytest.FixtureRequest, name: str, sampler: str, between: float, last: str
) -> None:
    """In one run up to what core's way of passing a latent from node to node rounds, and in two bit for bit."""
    pair = _pair(request, name)
    part = schedule(start=between) if last == "realigned" else schedule(end=between)
    task = replace(pair.task, steps=4, sampler_name=sampler)
    model = realign(pair.reference, pair.aligned, 0.5)
    stages = [pair.reference, model] if last == "realigned" else [model, pair.reference]
    scheduled = shaped.realigned(pair.reference, pair.aligned, 0.5, schedule=part)
    theirs = ours = task.latent
    for stage, half in zip(stages, HALVES, strict=True):
        theirs = engine.advanced_by_core(stage, replace(task, latent=theirs), **half)
        ours = engine.advanced_by_core(scheduled, replace(task, latent=ours), **half)
        assert torch.equal(ours["samples"], theirs["samples"])
    whole = shaped.by_us(pair, 0.5, task, schedule=part)
    assert engine.difference(whole, theirs["samples"]) < 1e-5
    assert engine.difference(whole, shaped.by_us(pair, 0.5, task)) > 1e-3


@pytest.mark.parametrize("name", ["sd15", "sd15_lora"])
def test_one_run_is_core_s_two_stages_bit_for_bit(request: pytest.FixtureRequest, name: str) -> None:
    """Where the latent format's scale is 1, so that nothing is rounded between core's nodes."""
    unscaled = comfy.latent_formats.SD15(scale_factor=1.0)

    def plain(model: ModelPatcher) -> ModelPatcher:
        clone = model.clone()
        clone.add_object_patch("latent_format", unscaled)
        return clone

    pair = _pair(request, name)
    reference, aligned = plain(pair.reference), plain(pair.aligned)
    task = replace(pair.task, steps=4)
    theirs = task.latent
    for stage, half in zip([reference, realign(reference, aligned, 0.5)], HALVES, strict=True):
        theirs = engine.advanced_by_core(stage, replace(task, latent=theirs), **half)
    whole = shaped.by_us(Pair(reference, aligned, task), 0.5, task, schedule=LATE)
    assert torch.equal(whole, theirs["samples"])
    assert engine.difference(whole, engine.by_core(reference, task)) > 1e-3


@pytest.mark.parametrize(
    ("weight", "part", "expected"),
    [
        (0.5, LATE, (4, 2)),
        (0.5, EARLY, (4, 2)),
        (1.0, LATE, (2, 2)),
        (1.0, schedule(), (0, 4)),
        (0.5, schedule([[0, 0]]), (4, 0)),
        (0.0, schedule(FREE), (4, 0)),
        (0.5, schedule([[0, 2]]), (0, 4)),
        (1.0, schedule([[0, 0], [0.3, 0], [0.4, 1], [0.9, 1], [1, 0.5]]), (3, 3)),
        (0.5, schedule(start=0.4, end=0.5), (4, 0)),
    ],
)
def test_steps_at_zero_and_one_evaluate_one_model(
    sd15: Pair, weight: float, part: LambdaSchedule, expected: tuple[int, int]
) -> None:
    task = replace(sd15.task, steps=4)
    assert passes(sd15, lambda: shaped.by_us(sd15, weight, task, schedule=part)) == expected


def test_a_lora_pair_evaluates_both_only_where_both_count(sd15_lora: Pair) -> None:
    task = replace(sd15_lora.task, steps=4)
    with shaped.counted(sd15_lora.reference.model.diffusion_model) as rows:
        shaped.by_us(sd15_lora, 0.5, task, schedule=LATE)
        shaped.by_us(sd15_lora, 1.0, task, schedule=LATE)
    assert rows == [2, 2, 4, 4, 2, 2, 2, 2]  # cond and uncond, of one model or of both


def _percents(steps: int) -> list[float]:
    """Of an eps model's normal scheduler, whose timesteps are even."""
    return [index / (steps - 1) for index in range(steps)]


def _by_hand(pair: Pair, weight: float, part: LambdaSchedule, percents: Sequence[float], task: Task) -> torch.Tensor:
    weights = [mixed(weight * part.curve.at(percent)) for percent in percents]
    return shaped.by_hand([pair.reference, pair.aligned], weights, task)


@pytest.mark.parametrize("how", ["monotone_cubic", "linear"])
def test_equals_a_loop_written_by_hand(sd15: Pair, how: str) -> None:
    task, part = replace(sd15.task, steps=5), schedule(FREE, how=how)
    ours = shaped.by_us(sd15, 0.8, task, schedule=part)
    assert engine.difference(ours, _by_hand(sd15, 0.8, part, _percents(5), task)) < ROUNDING
    assert engine.difference(ours, shaped.by_us(sd15, 0.8, task)) > 1e-3


def test_equals_the_loop_for_loras(zoo: Zoo, sd15_lora: Pair) -> None:
    task, part = replace(sd15_lora.task, steps=5), schedule(FREE)
    ours = shaped.by_us(sd15_lora, 0.8, task, schedule=part)
    fresh = replace(sd15_lora, aligned=engine.with_lora(zoo.load("sd15"), zoo.lora_path("sd15", 3)))
    assert engine.difference(ours, _by_hand(fresh, 0.8, part, _percents(5), task)) < ROUNDING


def test_equals_the_loop_for_a_flow_model(sd3: Pair) -> None:
    """Whose percent is that of its timesteps before they are shifted."""
    task, part = replace(sd3.task, steps=4), schedule(FREE)
    shift, sigmas = sd3.reference.model.model_sampling.shift, shaped.steps_of(sd3.reference, task)[:4]
    percents = [1 - (sigma / (shift - (shift - 1) * sigma)) for sigma in sigmas.double().tolist()]
    ours = shaped.by_us(sd3, 0.8, task, schedule=part)
    assert engine.difference(ours, _by_hand(sd3, 0.8, part, percents, task)) < ROUNDING


def test_part_of_the_denoising_follows_its_part_of_the_curve(sd15: Pair) -> None:
    """denoise 0.5 in three steps is the last half of six, at 60, 80 and 100 percent."""
    task = replace(sd15.task, latent=engine.drawn_latent("sd15"), denoise=0.5)
    part = schedule(FREE)
    ours = shaped.by_us(sd15, 0.8, task, schedule=part)
    assert engine.difference(ours, _by_hand(sd15, 0.8, part, [0.6, 0.8, 1.0], task)) < ROUNDING
    assert torch.equal(shaped.by_us(sd15, 0.8, task, schedule=schedule(start=0.59)), shaped.by_us(sd15, 0.8, task))
    before = shaped.by_us(sd15, 0.8, task, schedule=schedule(end=0.59))
    assert torch.equal(before, engine.by_core(sd15.reference, task))


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_sweep_is_the_ksampler_at_each_lambda(sd15: Pair, weight: float) -> None:
    part, settings = schedule(UP), {**sd15.task.settings(), "evaluation": "exact"}
    out, found = DeRaDiffLambdaSweep.execute(
        sd15.reference, sd15.aligned, f"0, {weight}", **settings, baseline=False, schedule=part
    ).args
    for latent, entry, value in zip(out["samples"].split(1), found.entries, (0.0, weight), strict=True):
        expected, nats = shaped.with_kl(sd15, value, schedule=part)
        assert torch.equal(latent, expected)
        known = entry.kl[0] > 0 if math.isnan(nats) else entry.kl == pytest.approx((nats,))
        assert known


def test_sweep_has_no_baseline_for_a_schedule(sd15: Pair) -> None:
    settings = {**sd15.task.settings(), "evaluation": "exact", "baseline": True, "schedule": schedule()}

    def run() -> None:
        with pytest.raises(ValueError, match=r"^baseline: .*disconnect the schedule"):
            DeRaDiffLambdaSweep.execute(sd15.reference, sd15.aligned, "0, 0.5", **settings)

    assert passes(sd15, run) == (0, 0)


def test_two_rewards_follow_their_own_schedules(zoo: Zoo, sd15: Pair) -> None:
    parts, other, task = (schedule(UP), schedule(FREE)), zoo.load("sd15", 2), replace(sd15.task, steps=4)
    model = sd15.reference
    for aligned, value, part in zip((sd15.aligned, other), (0.4, 0.7), parts, strict=True):
        model = shaped.realigned(model, aligned, value, schedule=part)
    weights = [mixed(0.4 * parts[0].curve.at(percent), 0.7 * parts[1].curve.at(percent)) for percent in _percents(4)]
    expected = shaped.by_hand([sd15.reference, sd15.aligned, other], weights, task)
    assert engine.difference(engine.by_core(model, task), expected) < ROUNDING


def test_models_that_relieve_each_other_need_no_reference(zoo: Zoo, sd15: Pair) -> None:
    """One aligned model up to the middle, another from there: one model a step, and nobody is beyond lambda 1."""
    other, task = zoo.load("sd15", 2), replace(sd15.task, steps=4)
    model = shaped.realigned(sd15.reference, sd15.aligned, 1.0, schedule=EARLY)
    model = shaped.realigned(model, other, 1.0, schedule=LATE)
    with shaped.counted(other.model.diffusion_model) as last:
        assert passes(sd15, lambda: engine.by_core(model, task)) == (0, 2)
    assert len(last) == 2


def test_kl_counts_the_steps_of_the_schedule(sd15: Pair) -> None:
    task = replace(sd15.task, steps=5)
    part = schedule([[0, 0], [0.3, 0], [0.5, 1], [1, 0.4]])
    weights = [mixed(0.8 * part.curve.at(percent)) for percent in _percents(5)]
    _, apart = shaped.by_hand_apart([sd15.reference, sd15.aligned], weights, task)
    assert [bool(distance) for distance in apart] == [False, False, True, True, True]
    expected = kl(shaped.steps_of(sd15.reference, task)[:-1].tolist(), apart).item()
    assert shaped.with_kl(sd15, 0.8, task, schedule=part)[1] == pytest.approx(expected, rel=1e-3)
    assert expected > 0


def test_kl_where_one_model_rests(sd15: Pair) -> None:
    assert shaped.with_kl(sd15, 0.8, schedule=schedule([[0, 0]]))[1] == 0.0
    assert math.isnan(shaped.with_kl(sd15, 1.0, schedule=schedule(UP))[1])  # the last step is the aligned model's alone


def test_sampler_custom_advanced(sd15: Pair) -> None:
    model = shaped.realigned(sd15.reference, sd15.aligned, 0.8, schedule=schedule(FREE))
    sigmas = custom.BasicScheduler.execute(model, "normal", 3, 1.0)[0]
    guider = custom.CFGGuider.execute(model, sd15.task.positive, sd15.task.negative, sd15.task.cfg)[0]
    noise, sampler = custom.RandomNoise.execute(sd15.task.seed)[0], comfy.samplers.sampler_object("euler")
    output = custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, sd15.task.latent)[0]
    assert torch.equal(output["samples"], shaped.by_us(sd15, 0.8, schedule=schedule(FREE)))


BEYOND, AWAY = "less regularised", "away from the alignment"


@pytest.mark.parametrize(
    ("weight", "points", "expected"),
    [
        (0.6, [[0, 2], [1, 0]], {BEYOND}),
        (1.5, UP, {BEYOND}),
        (0.5, [[0, 2], [1, 0]], set()),
        (-0.6, [[0, 2], [1, 0]], {AWAY}),
        (-0.5, [[0, 2], [1, 0]], set()),
    ],
)
def test_warns_where_the_peak_exceeds_one_on_either_side(
    sd15: Pair, caplog: pytest.LogCaptureFixture, weight: float, points: list, expected: set[str]
) -> None:
    caplog.set_level(logging.WARNING, logger="deradiff")
    shaped.by_us(sd15, weight, replace(sd15.task, steps=1), schedule=schedule(points))
    said = [record.getMessage() for record in caplog.records]
    assert {kind for kind in (BEYOND, AWAY) if any(kind in text for text in said)} == expected
