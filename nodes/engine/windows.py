"""Context windows under a measured run: core predicts a long latent by overlapping windows and fuses their predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from comfy.context_windows import ContextHandlerABC
from comfy.model_base import BaseModel

from .aligned import Branches
from .measuring import Measuring

HANDLER = "context_handler"  # core's model option


class MeasuredWindows(ContextHandlerABC):
    """The context handler of a run, which fuses the differences from the reference as it fuses predictions."""

    def __init__(self, handler: ContextHandlerABC, measuring: Measuring) -> None:
        self._handler, self._measuring = handler, measuring

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def should_use_context(self, *inputs: Any) -> bool:
        return self._handler.should_use_context(*inputs)

    def get_resized_cond(self, *inputs: Any, **named: Any) -> list:
        return self._handler.get_resized_cond(*inputs, **named)

    def execute(
        self,
        calc_cond_batch: Callable[..., Branches],
        model: BaseModel,
        conds: list[list[dict]],
        x_in: torch.Tensor,
        timestep: torch.Tensor,
        model_options: dict[str, Any],
    ) -> Branches:
        def execute(evaluate: Callable[..., Branches]) -> Branches:
            return self._handler.execute(evaluate, model, conds, x_in, timestep, model_options)

        return self._measuring.over_windows(execute, calc_cond_batch, x_in, timestep)
