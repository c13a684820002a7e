"""Temporal alignment of a MODEL: every prediction moves towards where the latent looks as noisy as it should be.

Source: Temporal Alignment Guidance (arXiv 2510.11057): s~ = s + omega_t grad log p(t | x), omega_t = omega (1 - alphabar_t). In
terms of the denoised latent the offset is omega_t * noise^2 / signal * gradient, see Mixing.per_gradient.

It is added to every evaluated conditioning branch where core evaluates them (CALC_COND_BATCH, outside of all other wrappers), and so
to the mixture of a realigned MODEL, whichever of the two was applied first. Guidance that works on differences (CFG, CFG++, and PAG
and SLG, whose perturbed evaluation comes here too) is left as it is, and guiders that know no pre-CFG functions are served.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..method.limits import number
from ..method.noise_level import mixing
from ..method.predictor_card import TimePredictor
from ..method.time_predictor import gradient
from ..method.window import WHOLE, Window
from .aligned import Branches
from .predictors import add_outermost, beside, check_fits, check_latent

KEY = "deradiff_temporal"  # of its attachment, wrappers, additional model and options
MOST_STRENGTH = 1000.0
_MOST_OFFSET = 10.0  # of the prediction's own norm
_NO_RUN = (
    "Temporal Alignment did not act: {}. Connect the MODEL to a sampler that evaluates it by itself, as a guider's first model, "
    "or take the Temporal Alignment node out."
)


@dataclass(frozen=True)
class Steering:
    """What a MODEL carries: the strength (omega), and the sigmas between which it acts."""

    predictor: TimePredictor
    strength: float
    from_sigma: float
    to_sigma: float
    always: bool

    def acts(self, sigma: torch.Tensor) -> bool:
        """sigma: (B,) of one evaluation. Reads it back from the device, but only if there is a window."""
        return self.always or self.to_sigma <= sigma[0].item() <= self.from_sigma


def align_in_time(
    model: ModelPatcher, predictor: TimePredictor, strength: float, window: Window = WHOLE
) -> ModelPatcher:
    """A clone of `model` with temporal alignment under any sampler and guider; at strength 0 a clone as it is.

    Raises ValueError for a predictor of another kind of latents, a strength beyond its limits, and a model that is aligned in time
    already.
    """
    strength = number(strength, "strength", 0.0, MOST_STRENGTH)
    check_fits(predictor, model)
    if model.get_attachment(KEY) is not None:
        raise ValueError("model: expected a MODEL without Temporal Alignment, got one that has it. Use one node alone.")
    clone = model.clone()
    if strength == 0:
        return clone
    percent = clone.get_model_object("model_sampling").percent_to_sigma
    sigmas = (float(percent(window.start)), float(percent(window.end)))
    clone.set_attachments(KEY, Steering(predictor, strength, *sigmas, always=window.whole))
    clone.set_additional_models(KEY, [beside(predictor, clone)])
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, _sample)
    add_outermost(clone, WrappersMP.CALC_COND_BATCH, KEY, _predict)
    return clone


class _Run:
    """What happened between the start and the end of one sampling run."""

    def __init__(self, model: ModelPatcher) -> None:
        self.model: BaseModel = model.model
        self._steering: Steering = model.get_attachment(KEY)
        (patcher,) = model.get_additional_models_with_key(KEY)
        self._network: torch.nn.Module = patcher.model
        self._worst: torch.Tensor | None = None
        self._reached = False

    def add(self, branches: Branches, conds: list, x: torch.Tensor, sigma: torch.Tensor) -> Branches:
        """The predictions of the branches that core evaluated (a cond of None is a branch of zeros, as at cfg 1), offset."""
        self._reached = True
        evaluated = [bool(cond) for cond in conds]
        if not any(evaluated) or not self._steering.acts(sigma):
            return branches
        offset = self._offset(x, sigma)
        self._note(offset, branches[evaluated.index(True)])
        return [
            branch + offset.type_as(branch) if asked else branch
            for branch, asked in zip(branches, evaluated, strict=True)
        ]

    def _offset(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """x: (B, C, H, W) or (B, C, T, H, W), sigma: (B,). 0 at levels that the predictor was not trained on, as where all is noise."""
        sampling, bins = self.model.model_sampling, self._steering.predictor.card.bins
        mixed = mixing(sampling, sigma)
        y = sampling.calculate_input(sigma.float(), x.float())
        found = gradient(self._network, bins, y, mixed.level)
        factor = torch.where(bins.holds(mixed.level), mixed.share * mixed.per_gradient, 0.0)
        return found * (self._steering.strength * factor).view(-1, *(1 for _ in x.shape[1:]))

    def _note(self, offset: torch.Tensor, prediction: torch.Tensor) -> None:
        worst = (offset.flatten(1).norm(dim=1) / prediction.float().flatten(1).norm(dim=1)).max()
        self._worst = worst if self._worst is None else torch.maximum(worst, self._worst)

    def check(self, steps: int) -> None:
        """At the end of a run: raise ValueError if it never acted, or overflowed. Reads one number back."""
        if steps > 0 and not self._reached:
            raise ValueError(_NO_RUN.format("the sampler never asked ComfyUI for the MODEL's predictions"))
        worst = self._worst.item() if self._worst is not None else 0.0
        if math.isnan(worst):
            raise ValueError(
                f"strength: at {self._steering.strength:g} the prediction was no finite number any more. Lower strength; if that does "
                "not help, the model itself gives none."
            )
        if worst > _MOST_OFFSET:
            raise ValueError(
                f"strength: expected one whose offset is at most {_MOST_OFFSET:g} times the size of the model's prediction, but "
                f"{self._steering.strength:g} made it {worst:.3g} times that size, which breaks the image. Lower strength."
            )


def _sample(
    executor: WrapperExecutor,
    noise: torch.Tensor,
    latent_image: torch.Tensor,
    sampler: Any,
    sigmas: torch.Tensor,
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """OUTER_SAMPLE: check the latent, open a run, and see at its end whether it was right."""
    guider: Any = executor.class_obj  # any CFGGuider
    steering: Steering = guider.model_patcher.get_attachment(KEY)
    check_latent(steering.predictor, noise)
    run = _Run(guider.model_patcher)
    guider.model_options[KEY] = run
    output = executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
    run.check(len(sigmas) - 1)
    return output


def _predict(
    executor: WrapperExecutor,
    model: BaseModel,
    conds: list,
    x: torch.Tensor,
    timestep: torch.Tensor,
    model_options: dict,
) -> Branches:
    """CALC_COND_BATCH: the offset, unless a guider of several models asks for another one's prediction."""
    run: _Run | None = model_options.get(KEY)
    if run is None:
        raise ValueError(_NO_RUN.format("a node evaluates the MODEL without a sampling run of its own"))
    branches = executor(model, conds, x, timestep, model_options)
    return run.add(branches, conds, x, timestep) if model is run.model else branches
