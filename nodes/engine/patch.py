"""realign: the MODEL patch that samples from the mixture of a reference and its aligned models.

Source: DeRaDiff (ICLR 2026, arXiv 2601.20198), Theorem 1, applied before guidance to each conditioning branch.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.samplers
import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..method import strength
from ..method.cap import Guard
from ..method.evaluation import STOCHASTIC, Evaluation
from ..method.weights import Weight
from . import KEY, LOG, check, companion, unreached
from .aligned import RUN_WRAPPERS, Branches
from .first_step import FirstStep
from .outcome import asked
from .request import Request
from .run import Run
from .warned import warnings

GUIDANCE_PATCHES = {
    "sampler_cfg_function": "a CFG function (RescaleCFG, dynamic thresholding ...)",
    "sampler_post_cfg_function": "a post-CFG function (PAG, APG, perp-neg ...)",
    "sampler_pre_cfg_function": "a pre-CFG function",
    "sampler_calc_cond_batch_function": "a function that replaces the evaluation of the conditionings",
    "denoise_mask_function": "a denoise mask function (Differential Diffusion)",
}


FIRST_STEP = "deradiff_first_step"  # attachment: what the runs of a sweep share
GUARD = "deradiff_guard"  # attachment: what bounds the mixture's difference from the reference
TELL = "deradiff_tell"  # attachment: whom to tell what a run warned of


@dataclass(frozen=True)
class Realignment:
    """What a realigned MODEL carries: the weight of each aligned model, how they are evaluated, and which patches the reference had.

    origin: the number of the model that a divergence is measured from, the reference's 0 or an aligned model's.
    """

    weights: tuple[Weight, ...]
    evaluation: Evaluation
    patches_uuid: uuid.UUID
    origin: int = 0


def realign(
    reference: ModelPatcher, aligned: ModelPatcher, weight: Weight | float, evaluation: Evaluation | None = None
) -> ModelPatcher:
    """A clone of `reference` that predicts (1 - weight) D_reference + weight D_aligned under any sampler and guider.

    weight: lambda, or lambda over the progress of sampling and over the image. evaluation: exact if None. Realigning a
    realigned MODEL adds another aligned model: realign(realign(r, a, u), b, v) has weights 1-u-v, u, v, and the evaluation
    that was asked for last. Raises ValueError if lambda is not within its limits or the models are no pair.
    """
    weight = weight if isinstance(weight, Weight) else Weight(weight)
    check.check_pair(reference, aligned)
    check.warn_of_pair(reference, aligned)
    _warn_of_guidance(reference, aligned)
    return _joined(reference, aligned, weight, evaluation or Evaluation())


def _joined(reference: ModelPatcher, aligned: ModelPatcher, weight: Weight, evaluation: Evaluation) -> ModelPatcher:
    model = companion.cloned(reference)
    earlier = model.get_attachment(KEY)
    companions = model.get_additional_models_with_key(KEY)
    model.set_additional_models(KEY, [*companions, companion.companion(reference, aligned, companions)])
    if earlier is None:
        model.set_attachments(KEY, Realignment((weight,), evaluation, model.patches_uuid))
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, _sample)
        model.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, KEY, _predict)
    else:
        model.set_attachments(KEY, Realignment((*earlier.weights, weight), evaluation, earlier.patches_uuid))
    unreached.check_clone(model, KEY)
    return model


def reweighted(model: ModelPatcher, weight: Weight) -> ModelPatcher:
    """A clone of a realigned MODEL with another weight for its last aligned model."""
    clone = model.clone()
    before: Realignment = clone.get_attachment(KEY)
    clone.set_attachments(KEY, dataclasses.replace(before, weights=(*before.weights[:-1], weight)))
    return clone


def measured_from(model: ModelPatcher, origin: ModelPatcher) -> ModelPatcher:
    """A clone of `model` that samples exactly as it does, and whose divergence is measured from `origin`, a model of the same kind."""
    clone = _joined(model, origin, Weight(0.0), Evaluation())
    realignment: Realignment = clone.get_attachment(KEY)
    clone.set_attachments(KEY, dataclasses.replace(realignment, origin=len(realignment.weights)))
    return clone


def from_one_noise(model: ModelPatcher) -> ModelPatcher:
    """A clone of a realigned MODEL whose runs, and those of its clones, share the evaluation at their common first latent."""
    clone = model.clone()
    clone.set_attachments(FIRST_STEP, FirstStep())
    return clone


def guarded(model: ModelPatcher, guard: Guard) -> ModelPatcher:
    """A clone of a realigned MODEL whose difference from its reference is bounded, a realigned MODEL again. Raises ValueError for any other MODEL."""
    if model.get_attachment(KEY) is None:
        raise ValueError("model: expected a realigned MODEL, got one that is not. Connect the output of Realign Model.")
    clone = model.clone()
    if guard.cap > 0:
        clone.set_attachments(GUARD, guard)
    else:
        clone.remove_attachments(GUARD)
    unreached.check_clone(clone, KEY)
    return clone


def telling(model: ModelPatcher, tell: Callable[[list[str]], None]) -> ModelPatcher:
    """A clone of a realigned MODEL that passes on what a run of it warned of, unless somebody asked for the run's outcome."""
    clone = model.clone()
    clone.set_attachments(TELL, tell)
    return clone


def _sample(executor: WrapperExecutor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """OUTER_SAMPLE: one run, and what it warned of."""
    guider: Any = executor.class_obj  # any CFGGuider
    tell: Callable[[list[str]], None] | None = guider.model_patcher.get_attachment(TELL)
    if tell is None or asked() is not None:
        return _run(executor, *args, **kwargs)
    with warnings() as gathered:
        output = _run(executor, *args, **kwargs)
    if gathered.texts:
        tell(gathered.texts)
    return output


def _run(
    executor: WrapperExecutor,
    noise: torch.Tensor,
    latent_image: torch.Tensor,
    sampler: Any,
    sigmas: torch.Tensor,
    denoise_mask: torch.Tensor | None = None,
    callback: Callable | None = None,
    disable_pbar: bool = False,
    seed: int | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """Open a run for this guider's MODEL, and close it in any case."""
    guider: Any = executor.class_obj  # any CFGGuider
    model = guider.model_patcher
    realignment: Realignment = model.get_attachment(KEY)
    _warn_of_run(model, realignment, sampler)
    told = asked()
    registered = model.get_additional_models_with_key(KEY)
    hooked = any("hooks" in cond for conds in guider.conds.values() for cond in conds)
    companions = companion.hookable(registered) if hooked else registered
    request = Request(noise.shape, sigmas.tolist(), seed or 0, denoise_mask)
    run = Run(
        guider,
        companions,
        realignment.weights,
        realignment.evaluation,
        request,
        origin=realignment.origin,
        asked=told,
        first_step=model.get_attachment(FIRST_STEP),
        guard=model.get_attachment(GUARD),
    )
    guider.model_options[KEY] = run
    model.set_additional_models(KEY, run.needed)  # core loads no model whose weight is 0 throughout
    try:
        output = executor(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **kwargs)
        run.check()
        outcome = run.outcome()
        if outcome.reuse is not None:
            LOG.info("Evaluation 'reuse' cost %s.", outcome.reuse)
        if told is not None:
            told.found.append(outcome)
    finally:
        run.models.close()
        model.set_additional_models(KEY, registered)
    return output


def _predict(
    executor: WrapperExecutor,
    model: BaseModel,
    conds: list,
    x: torch.Tensor,
    timestep: torch.Tensor,
    model_options: dict,
) -> Branches:
    """CALC_COND_BATCH: the run's mixture, unless a guider of several models asks for another one's prediction."""
    run: Run | None = model_options.get(KEY)
    if run is None:
        unreached.check_no_run(model, KEY)
    if run is None or model is not run.models.reference.model:
        return executor(model, conds, x, timestep, model_options)
    return run.predict(executor, conds, x, timestep, model_options)


def _warn_of_guidance(reference: ModelPatcher, aligned: ModelPatcher) -> None:
    idle = [
        what
        for key, what in GUIDANCE_PATCHES.items()
        if aligned.model_options.get(key) not in (None, reference.model_options.get(key))
    ]
    if idle:
        LOG.warning(
            "The aligned MODEL carries %s, which does not act there. Put it on the realigned MODEL, whose guidance it changes.",
            " and ".join(idle),
        )
    kept = {
        key
        for kind in RUN_WRAPPERS
        for key in aligned.wrappers.get(kind, {}).keys() - reference.wrappers.get(kind, {}).keys()
    }
    if kept:
        LOG.warning(
            "The aligned MODEL carries %s, which wraps whole sampling runs and does not act there. Put it on the realigned MODEL.",
            " and ".join(sorted(map(repr, kept))),
        )


def _warn_of_run(model: ModelPatcher, realignment: Realignment, sampler: Any) -> None:
    peaks = [weight.peak for weight in realignment.weights]
    if max(peaks) > 1 or _exceed_one(realignment.weights):
        LOG.warning(strength.BEYOND_TRAINING, " + ".join(f"{peak:g}" for peak in peaks))
    elif min(peaks) < strength.AWAY:
        LOG.warning(strength.FAR_AWAY, " + ".join(f"{peak:g}" for peak in peaks))
    if model.patches_uuid != realignment.patches_uuid:
        LOG.warning(
            "Weights of the realigned MODEL were patched after realigning (a LoRA, a merge): this reaches the reference, and the aligned "
            "model only where that is a LoRA on the same weights. To apply a style LoRA to both models, load it before the pair is made."
        )
    if realignment.evaluation.kind == STOCHASTIC and not _adds_noise(sampler):
        LOG.warning(
            "Evaluation 'stochastic' draws one model for each step and is meant for samplers that add noise at each step, such as "
            "euler_ancestral or dpmpp_2m_sde; this one is deterministic, so errors accumulate."
        )


def _adds_noise(sampler: Any) -> bool:
    """Whether a sampler of core's adds noise as it goes; other packs' samplers are assumed to."""
    if not isinstance(sampler, comfy.samplers.KSAMPLER):
        return type(sampler).__module__ != comfy.samplers.__name__
    options = inspect.signature(sampler.sampler_function).parameters
    if "noise_sampler" not in options:
        return False
    eta = sampler.extra_options.get("eta", options["eta"].default if "eta" in options else 1.0)
    return eta != 0.0


def _exceed_one(weights: tuple[Weight, ...]) -> bool:
    """Whether weights that act everywhere sum to more than 1; parts of the image or of the run may each have their own."""
    total = sum(weight.peak for weight in weights if weight.region is None and not weight.moves)
    return total > 1.0 and not math.isclose(total, 1.0)
