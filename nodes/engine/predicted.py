"""What one evaluation of a run gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from .aligned import Branches


@dataclass(frozen=True)
class Predicted:
    """mixed: the mixture's branches. known: those of each model that are known, by its number, 0 for the reference.

    doubt: the relative error of the differences between them, (), where those are held from earlier steps.
    """

    mixed: Branches
    known: Mapping[int, Branches]
    doubt: torch.Tensor | None = None
