"""The progress of a run: ComfyUI's percent at a sigma, by the model's own sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_HALVINGS = 32
_CHURN = 1.5  # samplers with s_churn begin above a sigma, by a factor of at most the root of 2


class Progress:
    """The inverse of the model's percent_to_sigma, so that 10, 20 and 50 steps, eps and flow models agree.

    What the sigmas of a run are is computed before it begins; a sampler's sigmas in between when they come. Reads one sigma
    back from the device for each evaluation; only a schedule asks for it.
    """

    def __init__(self, sampling: Any, sigmas: Sequence[float]) -> None:
        """sampling: the model's model_sampling with its patches. sigmas: of the run, falling, the last perhaps 0."""
        self._sampling = sampling
        self._known: dict[float, float] = {}
        for sigma in sigmas:
            self._of(sigma)
        self.span = (self._of(_CHURN * max(sigmas)), self._of(min(sigmas)))

    def at(self, timestep: torch.Tensor) -> float:
        """timestep: (B,) sigmas of one evaluation. Returns 0 at the largest sigma, towards 1 at the smallest."""
        return self._of(timestep[0].item())

    def _of(self, sigma: float) -> float:
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
