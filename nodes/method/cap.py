"""A guard on what lambda adds: keeps a mixture beyond lambda 1 closer to what the reference draws.

It acts on the mixture's difference from the reference, D - D_r, of one conditioning branch at one step, before guidance: its norm is capped at a
part of the reference's own, |D - D_r| <= cap |D_r|. Adaptive projected guidance (Sadat et al., ICLR 2025, arXiv 2410.02416, section 4) caps the
difference of the conditional and the unconditional prediction in this way, at a constant; a part of |D_r| needs no other number for another latent space.
Its other two means, a scaled parallel part and momentum, do not help here (benchmarks/beyond.md), and a cap at a part of the difference at lambda 1
would be a smaller lambda.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from . import limits
from .window import WHOLE, Window

LARGEST = 10.0


@dataclass(frozen=True)
class Guard:
    """cap: the largest norm of the difference, as a part of that of the reference's prediction; 0 for no guard. window: where it
    acts. Raises ValueError for any other cap.
    """

    cap: float = 0.0
    window: Window = WHOLE

    def __post_init__(self) -> None:
        object.__setattr__(self, "cap", limits.number(self.cap, "cap", 0.0, LARGEST))

    def bounded(self, mixed: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """D, (B, ...), with its difference from D_r capped sample by sample; a sample within the cap as it is. reference: D_r."""
        apart = mixed - reference
        norms, most = _norms(apart), self.cap * _norms(reference)
        capped = torch.addcmul(reference, apart, most / norms.clamp_min(torch.finfo(norms.dtype).tiny))
        return torch.where(norms > most, capped, mixed)


def _norms(values: torch.Tensor) -> torch.Tensor:
    """(B, 1, ...): of each sample."""
    return torch.linalg.vector_norm(values, dim=tuple(range(1, values.ndim)), keepdim=True)
