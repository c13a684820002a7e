"""One sampling run of a realigned MODEL together with how far it drifted from the reference."""

from __future__ import annotations

import math
from collections.abc import Callable

from comfy.model_patcher import ModelPatcher

from ..engine.outcome import outcomes
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
    with outcomes() as found:
        out = sample(model, settings, positive, negative, latent, callback)
    kl = found[-1].kl if found else ()
    return out, kl or (math.nan,) * out["samples"].shape[0]
