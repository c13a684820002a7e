"""Which model made the first value that is not finite.
Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .aligned import Branches


class Sound:
    """Notes the largest magnitudes on the device, one number for each prediction, and reads them back once."""

    def __init__(self) -> None:
        self._noted: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def note(self, found: Mapping[int, Branches], x: torch.Tensor) -> None:
        """found: by model, every branch's denoised latent at the noisy latent x."""
        given = _magnitude(x)
        for index, branches in found.items():
            self._noted.setdefault(index, []).extend((given, _magnitude(branch)) for branch in branches)

    def broken(self) -> int | None:
        """The number of a model that predicted NaN or infinite values at a finite latent, None if all were finite."""
        for index, noted in self._noted.items():
            given, made = (torch.stack(magnitudes) for magnitudes in zip(*noted, strict=True))
            if bool((given.isfinite() & ~made.isfinite()).any()):
                return index
        return None


def _magnitude(values: torch.Tensor) -> torch.Tensor:
    """(), not finite if one of the values is not: one kernel, where isfinite(...).all() takes several."""
    return torch.linalg.vector_norm(values, torch.inf)
