"""realign: the MODEL patch that samples from the mixture of a reference and its aligned models.
May import comfy and nodes/realign.

Source: DeRaDiff (ICLR 2026, arXiv 2601.20198), Theorem 1, applied before guidance to each conditioning branch.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..realign import mixture, strength
from . import KEY, LOG, pair
from .run import RUN_WRAPPERS, Branches, Run

GUIDANCE_PATCHES = {
    "sampler_cfg_function": "a CFG function (RescaleCFG, dynamic thresholding ...)",
    "sampler_post_cfg_function": "a post-CFG function (PAG, APG, perp-neg ...)",
    "sampler_pre_cfg_function": "a pre-CFG function",
    "sampler_calc_cond_batch_function": "a function that replaces the evaluation of the conditionings",
    "denoise_mask_function": "a denoise mask function (Differential Diffusion)",
}


@dataclass(frozen=True)
class Realignment:
    """What a realigned MODEL carries: lambda of each aligned model, and which weight patches the reference had."""

    weights: tuple[float, ...]
    patches_uuid: uuid.UUID


def realign(reference: ModelPatcher, aligned: ModelPatcher, weight: float) -> ModelPatcher:
    """A clone of `reference` that predicts (1 - weight) D_reference + weight D_aligned under any sampler and guider.

    Realigning a realigned MODEL adds another aligned model: realign(realign(r, a, u), b, v) has weights 1-u-v, u, v.
    Raises ValueError if weight is not a finite number of at least 0 or the models are no pair.
    """
    weight = strength.checked_lambda(weight)
    pair.check_pair(reference, aligned)
    _warn_of_guidance(reference, aligned)
    model = reference.clone()
    earlier = model.get_attachment(KEY)
    companions = model.get_additional_models_with_key(KEY)
    model.set_additional_models(KEY, [*companions, pair.companion(reference, aligned, companions)])
    if earlier is None:
        model.set_attachments(KEY, Realignment((weight,), model.patches_uuid))
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, _sample)
        model.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, KEY, _predict)
    else:
        model.set_attachments(KEY, Realignment((*earlier.weights, weight), earlier.patches_uuid))
    return model


def _sample(executor: WrapperExecutor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """OUTER_SAMPLE: open a run for this guider's MODEL, and close it whatever happens."""
    guider: Any = executor.class_obj  # any CFGGuider
    model = guider.model_patcher
    realignment: Realignment = model.get_attachment(KEY)
    _warn_of_run(model, realignment)
    if any("hooks" in cond for conds in guider.conds.values() for cond in conds):
        model.set_additional_models(KEY, pair.hookable(model.get_additional_models_with_key(KEY)))
    run = Run(guider, model.get_additional_models_with_key(KEY), realignment.weights)
    guider.model_options[KEY] = run
    try:
        output = executor(*args, **kwargs)
        run.check()
    finally:
        run.close()
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
    if run is None or model is not run.reference.model:
        return executor(model, conds, x, timestep, model_options)
    return run.predict(executor, conds, x, timestep, model_options)


def _warn_of_guidance(reference: ModelPatcher, aligned: ModelPatcher) -> None:
    for key, what in GUIDANCE_PATCHES.items():
        if aligned.model_options.get(key) not in (None, reference.model_options.get(key)):
            LOG.warning(
                "The aligned MODEL carries %s, which does not act there. Put it on the realigned MODEL, whose guidance it changes.",
                what,
            )
    for kind in RUN_WRAPPERS:
        for key in aligned.wrappers.get(kind, {}):
            if key not in reference.wrappers.get(kind, {}):
                LOG.warning(
                    "The aligned MODEL carries %r, which works on whole sampling runs and does not act there. Put it on the realigned MODEL.",
                    key,
                )


def _warn_of_run(model: ModelPatcher, realignment: Realignment) -> None:
    if max(realignment.weights) > 1 or mixture.reference_weight(realignment.weights) < 0:
        LOG.warning(strength.BEYOND_TRAINING, " + ".join(f"{weight:g}" for weight in realignment.weights))
    if model.patches_uuid != realignment.patches_uuid:
        LOG.warning(
            "Weights of the realigned MODEL were patched after realigning (a LoRA, a merge): that reaches the reference, and the aligned "
            "model only where it is a LoRA on the same weights. To give a style LoRA to both, load it before the two models part."
        )
