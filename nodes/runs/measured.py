"""One sampling run of a realigned MODEL together with how far it drifted from the reference."""

from __future__ import annotations

import math
from collections.abc import Callable

from comfy.model_patcher import ModelPatcher

from ..engine.patch import heard
from .sampling import Settings, sample


def measured_sample(
    model: ModelPatcher,
    settings: Settings,
    positive: list,
    negative: list,
    latent: dict,
    callback: Callable[..., None] | None = None,
) -> tuple[dict, tuple[float, ...]]:
    """sample()'s LATENT of a realigned MODEL, and the estimated KL of each of its samples in nats.

    NaN where it is unknown: the reference was not evaluated, or nothing was (denoise 0). Raises ValueError like sample.
    """
    kl: list[tuple[float, ...]] = []
    out = sample(heard(model, kl.append), settings, positive, negative, latent, callback)
    return out, (kl[-1] if kl and kl[-1] else (math.nan,) * out["samples"].shape[0])
