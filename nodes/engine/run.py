"""One sampling run of a realigned MODEL: which models weigh how much at a step, and how they mix.
Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher

from ..method.cap import Guard
from ..method.divergence import Divergence
from ..method.evaluation import EXACT, Evaluation
from ..method.mixture import Share
from ..method.weights import Weight
from . import unreached
from .aligned import Branches, Call, added
from .field import Field
from .first_step import FirstStep
from .guarding import Guarding
from .measuring import Measuring
from .models import Models
from .outcome import Asked, Outcome
from .predicted import Predicted
from .progress import Progress
from .request import Request
from .turns import OneInTurn, exact
from .windows import HANDLER, MeasuredWindows


def _progress(reference: ModelPatcher, weights: Sequence[Weight], request: Request) -> Progress | None:
    if not request.sigmas or not any(weight.moves for weight in weights):
        return None
    return Progress(reference.get_model_object("model_sampling"), request.sigmas)


def _guarding(guard: Guard | None, models: Models, request: Request) -> Guarding | None:
    if guard is None or not request.sigmas:
        return None
    sampling = models.reference.get_model_object("model_sampling")
    return Guarding(guard, models, None if guard.window.whole else Progress(sampling, request.sigmas))


class Run:
    """What a realigned MODEL does between the start and the end of one sampling run."""

    def __init__(
        self,
        guider: Any,
        companions: Sequence[ModelPatcher],
        weights: Sequence[Weight],
        evaluation: Evaluation,
        request: Request,
        origin: int = 0,
        asked: Asked | None = None,
        first_step: FirstStep | None = None,
        guard: Guard | None = None,
    ) -> None:
        """guider: any CFGGuider, at the start of its run. origin: the model that a divergence is measured from.

        asked: by whom wants the outcome. first_step: of a sweep. guard: of the mixture. Raises ValueError if a mask does not fit such latents.
        """
        self.models = Models(guider, companions, first_step)
        self._guider = guider
        progress = _progress(self.models.reference, weights, request)
        self._field = Field(weights, request.shape, self.models.reference, progress)
        span = progress.span if progress is not None else (0.0, 1.0)
        acting = [weight.acts(*span) if len(request.sigmas) > 1 else False for weight in weights]
        everywhere = asked is not None and asked.everywhere
        self._acts = any(acting)
        self.needed = [
            companion
            for number, (companion, acts) in enumerate(zip(companions, acting, strict=True), 1)
            if acts or (everywhere and number == origin)
        ]
        self._reached = False
        self._turns = (
            None
            if evaluation.kind == EXACT
            else OneInTurn(evaluation, self.models, request.sigmas, request.seed, getattr(guider, "cfg", 1.0))
        )
        self._predict: Callable[[Call, Sequence[Share]], Predicted] = self._turns or partial(exact, self.models)
        self._guarding = _guarding(guard, self.models, request)
        self._measuring = Measuring(guider, self.models, request, origin, everywhere) if asked is not None else None
        handler = guider.model_options.get(HANDLER)
        if self._measuring is not None and handler is not None:
            guider.model_options[HANDLER] = MeasuredWindows(handler, self._measuring)

    def predict(
        self, executor: Callable, conds: list, x: torch.Tensor, timestep: torch.Tensor, model_options: dict
    ) -> Branches:
        """Mix every conditioning branch of the models whose weight is not zero, before any guidance.

        x: (B, C, H, W) or (B, C, T, H, W) noisy latent, timestep: (B,) sigmas. `executor` is the reference's own evaluation.
        """
        self._reached = True
        additions = added(model_options["transformer_options"], self._guider.model_options["transformer_options"])
        call = Call(executor, conds, x, timestep, model_options, additions)
        predicted = self._predict(call, self._field.at(timestep))
        if self._guarding is not None:
            predicted = self._guarding(call, predicted)
        if self._measuring is not None:
            self._measuring.note(call, predicted)
        return predicted.mixed

    def check(self) -> None:
        """At the end of a run: raise ValueError if lambda was to act and did not, or where a prediction was not finite."""
        if self._acts and not self._reached:
            raise ValueError(unreached.message(self._guider.model_options))
        self.models.check()

    def outcome(self) -> Outcome:
        """At the end of a run: how far it drifted from its origin, if somebody asked, and what reuse cost."""
        divergence = self._measuring.read() if self._measuring is not None else Divergence()
        return Outcome(divergence, self._turns.reused() if self._turns is not None else None)
