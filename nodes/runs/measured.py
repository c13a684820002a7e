"""One sampling run of a realigned MODEL together with how far it drifted from the reference."""

from __future__ import annotations

import math
from collections.abc import Callable

from comfy.model_patcher import ModelPatcher

from ..engine.outcome import outcomes
from ..method.divergence import Divergence
from .sampling import Settings, sample


def measured_sample(
    model: ModelPatcher,
    settings: Settings,
    positive: list,
    negative: list,
    latent: dict,
    callback: Callable[..., None] | None = None,
    everywhere: bool = False,
) -> tuple[dict, Divergence]:
    """sample()'s LATENT of a realigned MODEL, and the estimated KL of each of its samples.

    NaN where it is unknown: the reference was not evaluated, or nothing was (denoise 0). everywhere: evaluate the reference for
    the KL's sake where the run does not. Raises ValueError like sample.
    """
    with outcomes(everywhere) as found:
        out = sample(model, settings, positive, negative, latent, callback)
    count = out["samples"].shape[0]
    unknown = Divergence((math.nan,) * count, (0.0,) * count)
    return out, found[-1].divergence if found and found[-1].divergence.kl else unknown
