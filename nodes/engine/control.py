"""A ControlNet's output, computed once for all models that are evaluated at one latent.
Nothing here outlives one evaluation.
"""

from __future__ import annotations

from typing import Any

import torch

Cond = dict[str, Any]


class _Once:
    """Replaces a control in the conditioning: its outputs are computed for the first model and reused for the others."""

    def __init__(self, control: Any) -> None:
        self._control = control
        self._outputs: list[tuple[torch.Size, int, dict | None]] = []
        self._next = 0

    def rewind(self) -> None:
        """Start over for the next model, which makes the same calls in the same order."""
        self._next = 0

    def get_control(
        self, x: torch.Tensor, timestep: torch.Tensor, cond: dict, batched: int, options: dict
    ) -> dict | None:
        """As core's ControlBase.get_control, None outside of the control's steps. Models remove items from the lists, so each gets copies."""
        asked = (x.shape, batched)
        if self._next == len(self._outputs) or self._outputs[self._next][:2] != asked:
            output = self._control.get_control(x, timestep, cond, batched, options)
            del self._outputs[self._next :]
            self._outputs.append((*asked, output))
        output = self._outputs[self._next][2]
        self._next += 1
        if output is None:
            return None
        return {name: list(value) if isinstance(value, list) else value for name, value in output.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._control, name)


class Shared:
    """The conditionings of one evaluation with their controls shared among the models."""

    def __init__(self, conds: list[list[Cond] | None]) -> None:
        self._once: dict[int, _Once] = {}
        self.conds = [branch if branch is None else [self._cond(cond) for cond in branch] for branch in conds]

    def _cond(self, cond: Cond) -> Cond:
        control = cond.get("control")
        if control is None:
            return cond
        return {**cond, "control": self._once.setdefault(id(control), _Once(control))}

    @property
    def any(self) -> bool:
        """Whether there is a control at all."""
        return bool(self._once)

    def rewind(self) -> None:
        """Call before each model."""
        for once in self._once.values():
            once.rewind()
