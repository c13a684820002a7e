"""The progress of a run: ComfyUI's percent at a sigma, by the model's own sampling."""

from __future__ import annotations

import torch
from comfy.model_base import BaseModel

_HALVINGS = 32


class Progress:
    """The inverse of the model's percent_to_sigma, so that 10, 20 and 50 steps, eps and flow models agree.

    Reads one sigma back from the device for each evaluation; used only with a schedule.
    """

    def __init__(self, model: BaseModel) -> None:
        self._sampling = model.model_sampling
        self._known: dict[float, float] = {}

    def at(self, timestep: torch.Tensor) -> float:
        """timestep: (B,) sigmas of one evaluation. Returns 0 at the largest sigma, towards 1 at the smallest."""
        sigma = timestep[0].item()
        if sigma not in self._known:
            self._known[sigma] = self._percent(sigma)
        return self._known[sigma]

    def _percent(self, sigma: float) -> float:
        low, high = 0.0, 1.0  # percent_to_sigma falls between them
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if float(self._sampling.percent_to_sigma(middle)) > sigma:
                low = middle
            else:
                high = middle
        return high
