"""One sampling run of a realigned MODEL together with how far it drifted from the reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from comfy.model_patcher import ModelPatcher

from ..engine.outcome import Outcome, outcomes
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
) -> tuple[dict, Outcome]:
    """sample()'s LATENT of a realigned MODEL, and what its run reports: the KL of each sample, and what reuse cost.

    KL is NaN where it is unknown: the reference was not evaluated, or nothing was (denoise 0). everywhere: evaluate the reference for
    the KL's sake where the run does not. Raises ValueError like sample.
    """
    with outcomes(everywhere) as found:
        out = sample(model, settings, positive, negative, latent, callback)
    outcome = found[-1] if found else Outcome(Divergence())
    if not outcome.divergence.kl:
        count = out["samples"].shape[0]
        outcome = replace(outcome, divergence=Divergence((math.nan,) * count, (0.0,) * count))
    return out, outcome
