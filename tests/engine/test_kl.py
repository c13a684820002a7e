"""The KL of a run is that of what was sampled, in every graph; where it cannot be known it is NaN, and why is said."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import comfy.context_windows
import comfy.sample
import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion
from deradiff.nodes.engine.outcome import outcomes
from deradiff.nodes.engine.patch import measured_from, realign
from deradiff.nodes.method.divergence import Divergence, kl
from deradiff.nodes.method.evaluation import REUSE, STOCHASTIC, Evaluation
from support import engine, gaussians
from support.engine import Pair
from support.gaussians import Mixture

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

VARIANCE, SIGMA_MAX, STEPS, DIMENSIONS = 0.5, 14.6146, 200, 4
SHIFT = torch.tensor([0.4, -0.3, 0.8, 0.1])


def _gaussian(factor: float) -> ModelPatcher:
    return gaussians.model(Mixture.gaussian(factor * SHIFT, VARIANCE), "eps")


def _nats(weight: float, free: torch.Tensor | float = 1.0) -> float:
    """Of two Gaussians, what the start at a finite sigma leaves out taken off. free: the share of each dimension that is sampled."""
    apart = (weight * SHIFT * free).square().sum().item()
    return apart / (2 * VARIANCE) / (1 + VARIANCE / SIGMA_MAX**2)


def _measured(
    model: ModelPatcher, batch: int = 1, everywhere: bool = False, steps: int = STEPS, mask: torch.Tensor | None = None
) -> Divergence:
    with torch.inference_mode(), outcomes(everywhere) as found:
        gaussians.sampled(model, "euler", steps, torch.zeros(batch, DIMENSIONS), mask=mask)
    (outcome,) = found
    return outcome.divergence


def test_only_the_free_half_of_an_inpainting_counts(sd15: Pair) -> None:
    """Core replaces the rest of every prediction: what the models say there changes nothing."""
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1.0
    latent = engine.drawn_latent("sd15")
    whole, half, none = (
        _of_sampling(realign(sd15.reference, sd15.aligned, 0.5), sd15, {**latent, "noise_mask": of})
        for of in (torch.ones_like(mask), mask, torch.zeros_like(mask))
    )
    assert none.kl == (0.0,)
    assert 0 < half.kl[0] < whole.kl[0]
    assert whole.kl == _of_sampling(realign(sd15.reference, sd15.aligned, 0.5), sd15, latent).kl


def _of_sampling(model: ModelPatcher, pair: Pair, latent: dict | None = None, **outcome: bool) -> Divergence:
    task = pair.task if latent is None else replace(pair.task, latent=latent)
    with outcomes(**outcome) as found:
        engine.by_core(model, task)
    return found[-1].divergence


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_masked_gaussians_are_the_closed_form(share: float) -> None:
    """A batch of two under a mask that is `share` of one for the second sample: its distance to the reference shrinks by the share."""
    mask = torch.tensor([1.0, share]).view(2, 1, 1)
    model = realign(_gaussian(0), _gaussian(1), 0.7)
    found = _measured(model, 2, mask=mask).kl
    assert found[0] == pytest.approx(_nats(0.7), rel=0.02)
    if share in (0.0, 1.0):
        assert found[1] == pytest.approx(_nats(0.7, share), rel=0.02)
    else:
        assert 0 < found[1] < found[0]


def test_differential_diffusion_s_mask_is_that_of_the_step() -> None:
    """The mask opens at half of the run: before that nothing counts."""
    model = DifferentialDiffusion.execute(realign(_gaussian(0), _gaussian(1), 0.7))[0]
    found = _measured(model, 1, mask=torch.full((1, 1, 1), 0.5)).kl[0]
    assert 0 < found < 0.999 * _nats(0.7)
    assert _measured(model, 1, mask=torch.zeros(1, 1, 1)).kl == (0.0,)


@pytest.mark.parametrize("key", ["step_of_another_pack", "cond_or_uncond_hint"])
def test_a_value_of_each_step_in_the_options_changes_nothing(key: str) -> None:
    model = realign(_gaussian(0), _gaussian(1), 0.7)

    def note(executor: Callable, x: torch.Tensor, timestep: torch.Tensor, options: dict, seed: Any) -> torch.Tensor:
        inner = {**options["transformer_options"], key: torch.rand(1)}
        return executor(x, timestep, {**options, "transformer_options": inner}, seed)

    before = _measured(model)
    model.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "another pack", note)
    assert _measured(model) == before


def test_conditioning_that_was_copied_on_its_way_is_found(sd15: Pair, caplog: pytest.LogCaptureFixture) -> None:
    model = realign(sd15.reference, sd15.aligned, 0.5)
    before = _of_sampling(model, sd15)

    def copied(executor: Callable, base: Any, conds: list, *inputs: Any) -> list[torch.Tensor]:
        return executor(base, [[dict(cond) for cond in branch] for branch in conds], *inputs)

    assert _of_sampling(_wrapped_outside(model, copied), sd15) == before
    assert not any("KL" in record.getMessage() for record in caplog.records)

    def made_anew(executor: Callable, base: Any, conds: list, *inputs: Any) -> list[torch.Tensor]:
        strangers = [[{**cond, "uuid": object()} for cond in branch] for branch in conds]
        return executor(base, strangers, *inputs)

    assert all(map(math.isnan, _of_sampling_or_nan(_wrapped_outside(model, made_anew), sd15)))
    said = [record.getMessage() for record in caplog.records if "KL" in record.getMessage()]
    assert len(said) == 1 and "unknown" in said[0] and "CFGGuider" in said[0]


def _of_sampling_or_nan(model: ModelPatcher, pair: Pair) -> tuple[float, ...]:
    return _of_sampling(model, pair).kl or (math.nan,)


def _wrapped_outside(model: ModelPatcher, function: Callable) -> ModelPatcher:
    """A clone with another CALC_COND_BATCH wrapper before ours."""
    clone = model.clone()
    ours = clone.wrappers[WrappersMP.CALC_COND_BATCH]
    clone.wrappers[WrappersMP.CALC_COND_BATCH] = {"another pack": [function], **ours}
    return clone


def test_a_perturbed_evaluation_does_not_count(sd15: Pair) -> None:
    """PAG and its like evaluate the conditional branch again at the same latent, with patches or without any of their own."""
    model = realign(sd15.reference, sd15.aligned, 0.5)
    before = _of_sampling(model, sd15)

    def again(arguments: dict) -> torch.Tensor:
        inner = {**arguments["model_options"]["transformer_options"], "perturbed": True}
        options = {**arguments["model_options"], "transformer_options": inner}

        comfy.samplers.calc_cond_batch(
            arguments["model"], [arguments["cond"]], arguments["input"], arguments["sigma"], options
        )
        return arguments["denoised"]

    model.set_model_sampler_post_cfg_function(again)
    assert _of_sampling(model, sd15) == before


def _elementwise(shift: float, bend: float = 0.0) -> ModelPatcher:
    """A MODEL for latents of any shape, every element from N(shift, VARIANCE); bend: added for each place along the frames, dim 2."""

    def denoised(_: Callable, inputs: dict) -> torch.Tensor:
        x, sigma = inputs["input"], inputs["timestep"].view(-1, 1, 1, 1)
        places = torch.arange(x.shape[2]).view(1, 1, -1, 1)
        return (VARIANCE * x + sigma**2 * shift) / (VARIANCE + sigma**2) + bend * places

    model = _gaussian(0)
    model.set_model_unet_function_wrapper(denoised)
    return model


def test_a_half_mask_of_gaussians_is_half_of_the_closed_form() -> None:
    """Every element is a Gaussian of its own; the left half of the latent is kept."""
    mask = torch.cat([torch.zeros(1, 4, 3), torch.ones(1, 4, 3)], dim=2)
    model, start = realign(_elementwise(0.0), _elementwise(0.5), 0.7), torch.zeros(1, DIMENSIONS, 4, 6)
    sampler, sigmas = comfy.samplers.sampler_object("euler"), gaussians.schedule(model, STEPS)
    nothing = [[torch.zeros(1, 1, 1), {}]]
    one = (0.7 * 0.5) ** 2 / (2 * VARIANCE) / (1 + VARIANCE / SIGMA_MAX**2)
    for free, elements in ((None, start.numel()), (mask, start.numel() // 2)):
        with torch.inference_mode(), outcomes() as found:
            comfy.sample.sample_custom(
                model, start, 1.0, sampler, sigmas, nothing, nothing, start, noise_mask=free, disable_pbar=True, seed=0
            )
        assert found[0].divergence.kl[0] == pytest.approx(elements * one, rel=0.02)


@pytest.mark.parametrize("fuse", ["pyramid", "flat", "relative", "overlap-linear"])
def test_context_windows(fuse: str) -> None:
    """Five frames by windows of three under core's handler; the aligned model's prediction depends on the place in the window."""
    seen: list[tuple[float, torch.Tensor, torch.Tensor]] = []

    def guided(executor: Callable, x: torch.Tensor, timestep: torch.Tensor, *rest: Any) -> torch.Tensor:
        found = executor(x, timestep, *rest)
        seen.append((timestep[0].item(), x, found))
        return found

    model = realign(_elementwise(0.0), _elementwise(0.5, bend=0.1), 0.7)
    model.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "seen", guided)
    core = comfy.context_windows
    model.model_options["context_handler"] = core.IndexListContextHandler(
        core.get_matching_context_schedule(core.ContextSchedules.STATIC_STANDARD),
        core.get_matching_fuse_method(fuse),
        context_length=3,
        context_overlap=2,
        dim=2,
    )
    start, sigmas = torch.zeros(1, DIMENSIONS, 5, 1), gaussians.schedule(model, 20)
    sampler, nothing = comfy.samplers.sampler_object("euler"), [[torch.zeros(1, 1, 1), {}]]
    with torch.inference_mode(), outcomes() as found:
        comfy.sample.sample_custom(
            model, start, 1.0, sampler, sigmas, nothing, nothing, start, disable_pbar=True, seed=0
        )
    apart = [denoised.double() - VARIANCE * x.double() / (VARIANCE + sigma**2) for sigma, x, denoised in seen]
    frames = torch.stack(apart)[-1].mean(dim=(0, 1, 3))
    assert frames.std() > 0.01, "the windows' places do not matter"
    expected = kl([sigma for sigma, _, _ in seen], torch.stack(apart).flatten(1).square().sum(dim=1, keepdim=True))
    assert found[0].divergence.kl == pytest.approx(expected.tolist(), rel=1e-3)


def test_a_chain_of_two_is_the_distance_of_its_mean() -> None:
    model = realign(realign(_gaussian(0), _gaussian(1), 0.3), _gaussian(2), 0.5)
    assert _measured(model).kl[0] == pytest.approx(_nats(0.3 + 2 * 0.5), rel=0.02)


def test_lambda_1_is_known_where_somebody_asks_for_it(sd15: Pair) -> None:
    model = realign(_gaussian(0), _gaussian(1), 1.0)
    assert math.isnan(_measured(model).kl[0])
    assert _measured(model, everywhere=True).kl[0] == pytest.approx(_nats(1.0), rel=0.02)
    with outcomes(everywhere=True):
        measured = engine.by_core(realign(sd15.reference, sd15.aligned, 1.0), sd15.task)
    assert torch.equal(measured, engine.by_core(sd15.aligned, sd15.task))


def test_stochastic_is_known_where_somebody_asks_for_it(sd15: Pair) -> None:
    model = realign(sd15.reference, sd15.aligned, 0.5, Evaluation(STOCHASTIC))
    plain = engine.by_core(model, sd15.task)
    with outcomes(everywhere=True) as found:
        measured = engine.by_core(model, sd15.task)
    assert torch.equal(measured, plain)
    assert 0 < found[0].divergence.kl[0] < math.inf and found[0].divergence.error == (0.0,)


def test_one_step_says_nothing() -> None:
    assert math.isnan(_measured(realign(_gaussian(0), _gaussian(1), 0.5), steps=1).kl[0])
    assert _measured(realign(_gaussian(0), _gaussian(0), 0.5), steps=1).kl == (0.0,)


def test_any_model_can_be_measured(sd15: Pair) -> None:
    """As it samples by itself to the bit, whatever it is measured from."""
    assert _measured(measured_from(_gaussian(1.5), _gaussian(0.5)), everywhere=True).kl[0] == pytest.approx(
        _nats(1.0), rel=0.02
    )
    with outcomes(everywhere=True) as found:
        measured = engine.by_core(measured_from(sd15.aligned, sd15.reference), sd15.task)
    assert torch.equal(measured, engine.by_core(sd15.aligned, sd15.task))
    assert 0 < found[0].divergence.kl[0] < math.inf


def test_a_guider_without_a_positive_conditioning_of_that_name(sd15: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    model = realign(sd15.reference, sd15.aligned, 0.5)

    class Nameless(comfy.samplers.CFGGuider):
        def set_conds(self, positive: list, negative: list) -> None:
            self.inner_set_conds({"first": positive, "second": negative})

        def predict_noise(
            self, x: torch.Tensor, timestep: torch.Tensor, model_options: dict | None = None, seed: Any = None
        ) -> torch.Tensor:
            conds = [self.conds["first"]]
            return comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)[0]

    guider = Nameless(model)
    guider.set_conds(sd15.task.positive, sd15.task.negative)
    latent = sd15.task.latent["samples"]
    with outcomes() as found:
        guider.sample(
            torch.randn_like(latent),
            latent,
            comfy.samplers.sampler_object("euler"),
            torch.tensor([3.0, 1.0, 0.0]),
            disable_pbar=True,
        )
    assert found[0].divergence == Divergence()
    assert "Nameless" in caplog.text and "KL" in caplog.text


@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_the_interval_of_reuse_holds_the_exact_kl(sd15: Pair, cfg: float) -> None:
    task = replace(sd15.task, steps=12, cfg=cfg)
    kls = []
    for evaluation in (Evaluation(), Evaluation(REUSE)):
        with outcomes() as found:
            engine.by_core(realign(sd15.reference, sd15.aligned, 0.5, evaluation), task)
        kls.append(found[0].divergence)
    exact, reuse = kls
    assert exact.error == (0.0,)
    assert abs(reuse.kl[0] - exact.kl[0]) <= reuse.error[0]
