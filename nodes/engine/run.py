"""One sampling run of a realigned MODEL: which models weigh how much at a step, and how they mix.
Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_sampling
import torch
from comfy.model_patcher import ModelPatcher

from ..method.divergence import Drift
from ..method.evaluation import EXACT, Evaluation
from ..method.mixture import Share
from ..method.weights import Weight
from . import unreached
from .aligned import Branches, Call, added
from .field import Field
from .first_step import FirstStep
from .models import Models
from .progress import Progress
from .turns import OneInTurn, Predicted, exact


@dataclass(frozen=True)
class Request:
    """What a sampler was asked for: the latents' shape, (B, C, H, W) or (B, C, T, H, W), the sigmas, and the seed."""

    shape: torch.Size
    sigmas: Sequence[float]
    seed: int


def _progress(reference: ModelPatcher, weights: Sequence[Weight], request: Request) -> Progress | None:
    if not request.sigmas or not any(weight.moves for weight in weights):
        return None
    return Progress(reference.get_model_object("model_sampling"), request.sigmas)


class Run:
    """What a realigned MODEL does between the start and the end of one sampling run."""

    def __init__(
        self,
        guider: Any,
        companions: Sequence[ModelPatcher],
        weights: Sequence[Weight],
        evaluation: Evaluation,
        request: Request,
        measure: bool,
        first_step: FirstStep | None = None,
    ) -> None:
        """guider: any CFGGuider, at the start of its run. measure: whether divergence() will be asked for. first_step: of a sweep.

        Raises ValueError if a mask does not fit such latents.
        """
        self.models = Models(guider, companions, first_step)
        self._guider = guider
        progress = _progress(self.models.reference, weights, request)
        self._field = Field(weights, request.shape, self.models.reference, progress)
        span = progress.span if progress is not None else (0.0, 1.0)
        acting = [weight.acts(*span) if len(request.sigmas) > 1 else False for weight in weights]
        self.needed = [companion for companion, acts in zip(companions, acting, strict=True) if acts]
        self._reached = False
        self._predict: Callable[[Call, Sequence[Share]], Predicted] = (
            partial(exact, self.models)
            if evaluation.kind == EXACT
            else OneInTurn(evaluation, self.models, request.sigmas, request.seed, getattr(guider, "cfg", 1.0))
        )
        self._drift = Drift() if measure else None

    def predict(
        self, executor: Callable, conds: list, x: torch.Tensor, timestep: torch.Tensor, model_options: dict
    ) -> Branches:
        """Mix every conditioning branch of the models whose weight is not zero, before any guidance.

        x: (B, C, H, W) or (B, C, T, H, W) noisy latent, timestep: (B,) sigmas. `executor` is the reference's own evaluation.
        """
        self._reached = True
        additions = added(model_options["transformer_options"], self._guider.model_options["transformer_options"])
        call = Call(executor, conds, x, timestep, model_options, additions)
        mixed, reference = self._predict(call, self._field.at(timestep))
        if self._drift is not None and additions.keys() <= {"sample_sigmas"}:  # no perturbed evaluation
            self._measure(call, mixed, reference)
        return mixed

    def _measure(self, call: Call, mixed: Branches, reference: Branches | None) -> None:
        """Note how far the conditional branch is from the reference's, if this guider has one and the reference was evaluated."""
        positive = self._guider.conds.get("positive")
        for cond, ours, theirs in zip(call.conds, mixed, reference or mixed, strict=True):
            if cond is positive and self._drift is not None:
                self._drift.note(call.timestep[0], ours, theirs if reference is not None else None)

    def check(self) -> None:
        """At the end of a run: raise ValueError if lambda was to act and did not, or where a prediction was not finite."""
        if self.needed and not self._reached:
            raise ValueError(unreached.message(self._guider.model_options))
        self.models.check()

    def divergence(self) -> tuple[float, ...]:
        """Estimated KL(realigned || reference) in nats for each sample, NaN where the reference was not evaluated."""
        flow = isinstance(self.models.reference.model.model_sampling, comfy.model_sampling.CONST)
        return self._drift.read(flow) if self._drift is not None else ()
