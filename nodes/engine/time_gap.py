"""The time gap of a sampling run: how far each latent looks from as noisy as it should be, step by step.

Source: Temporal Alignment Guidance (arXiv 2510.11057), where the predictor's error along a trajectory shows how far guidance pushed it
off the manifold of noised images. Levels are log(noise / signal), log sigma for eps and v models.

It is measured on a clone of the MODEL that exists for one run, and the record belongs to whoever asked for it: a MODEL that kept the
gaps of its runs would have to be shared by all of its clones, and would not say which run they are of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..method.noise_level import Gap, mixing
from ..method.predictor_card import TimePredictor
from ..method.time_predictor import predicted_level
from .aligned import Branches
from .predictors import add_outermost, beside, check_fits, check_latent

KEY = "deradiff_time_gap"


@dataclass(frozen=True)
class Gaps:
    """The record of one run: a row (level, error, size) for each evaluation, left on the device until it is read."""

    rows: list[torch.Tensor] = field(default_factory=list)

    def read(self) -> tuple[Gap, ...]:
        """In the order of the steps. Several evaluations at one level, as of perturbed guidance, count once."""
        found = [Gap(*row) for row in torch.stack(self.rows).tolist()] if self.rows else []
        return tuple(dict((gap.level, gap) for gap in reversed(found)).values())[::-1]


def watched(model: ModelPatcher, predictor: TimePredictor) -> tuple[ModelPatcher, Gaps]:
    """A clone of `model` that samples exactly as it does, for one run, and the record that the run leaves.

    Raises ValueError for a predictor of another kind of latents.
    """
    check_fits(predictor, model)
    clone, gaps = model.clone(), Gaps()
    clone.set_additional_models(KEY, [beside(predictor, clone)])

    def sample(executor: WrapperExecutor, noise: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        check_latent(predictor, noise)
        return executor(noise, *args, **kwargs)

    def predict(
        executor: WrapperExecutor, inner: BaseModel, conds: list, x: torch.Tensor, timestep: torch.Tensor, options: dict
    ) -> Branches:
        if inner is clone.model:
            gaps.rows.extend(_measured(inner.model_sampling, predictor, x, timestep))
        return executor(inner, conds, x, timestep, options)

    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, sample)
    add_outermost(clone, WrappersMP.CALC_COND_BATCH, KEY, predict)
    return clone, gaps


def _measured(sampling: Any, predictor: TimePredictor, x: torch.Tensor, sigma: torch.Tensor) -> list[torch.Tensor]:
    """The row of one evaluation, (3,). x: (B, C, H, W) or (B, C, T, H, W), sigma: (B,)."""
    level = mixing(sampling, sigma).level
    y = sampling.calculate_input(sigma.float(), x.float())
    error = predicted_level(predictor.network, predictor.card.bins, y) - level
    return [torch.stack([level[0], error.mean(), error.abs().mean()])]
