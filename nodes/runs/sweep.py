"""One prompt at many lambdas: the same noise each time, one progress bar, one latent at a time on the device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import latent_preview
import torch
from comfy.model_patcher import ModelPatcher

from ..engine.patch import from_one_noise, realign, reweighted
from ..method.evaluation import Evaluation
from ..method.weights import Weight
from ..wires import INTERPOLATED, REALIGNED, Entry, Sweep
from .interpolation import interpolated
from .measured import measured_sample
from .sampling import Settings, sample

Callback = Callable[..., None]


@dataclass(frozen=True)
class Pair:
    """A reference and its aligned model."""

    reference: ModelPatcher
    aligned: ModelPatcher


def sweep(
    pair: Pair,
    weights: Sequence[Weight],
    evaluation: Evaluation,
    settings: Settings,
    positive: list,
    negative: list,
    latent: dict,
    baseline: bool = False,
) -> tuple[dict, Sweep]:
    """Sample the latent's whole batch at every lambda. Returns the LATENT, lambda-major, and the sweep's data.

    weights: one for each lambda; each one's samples are those of the DeRaDiff KSampler at that lambda and seed. baseline: sample the model with
    interpolated weights at every lambda as well, after the realigned ones. Raises ValueError like realign and sample.
    """
    settings.check()
    if baseline and any(weight.schedule is not None for weight in weights):
        raise ValueError(
            "baseline: weights are interpolated once for a whole run and cannot follow a schedule. Turn baseline off, or "
            "disconnect the schedule."
        )
    realigned = from_one_noise(realign(pair.reference, pair.aligned, weights[0], evaluation))
    plan = [(REALIGNED, weight) for weight in weights] + [(INTERPOLATED, weight) for weight in weights if baseline]
    progress = latent_preview.prepare_callback(pair.reference, settings.steps * len(plan))
    latents: list[torch.Tensor] = []
    entries: list[Entry] = []
    out: dict[str, Any] = {}
    for index, (method, weight) in enumerate(plan):
        run = (settings, positive, negative, latent, _part(progress, index, len(plan)))
        begin = time.perf_counter()
        if method == REALIGNED:
            out, kl = measured_sample(reweighted(realigned, weight), *run)
        else:
            out = sample(interpolated(pair.reference, pair.aligned, weight.value), *run)
            kl = (math.nan,) * out["samples"].shape[0]
        seconds = time.perf_counter() - begin
        latents.append(out["samples"])
        entries.append(Entry(weight.value, method, seconds, kl))
    batch = {key: value for key, value in out.items() if key not in ("noise_mask", "batch_index")}
    return {**batch, "samples": torch.cat(latents)}, Sweep(tuple(entries), latents[0].shape[0])


def _part(progress: Callback, index: int, count: int) -> Callback:
    """The callback of one run among `count`, on the progress bar of all."""

    def callback(step: int, denoised: torch.Tensor, x: torch.Tensor, steps: int) -> None:
        progress(index * steps + step, denoised, x, count * steps)

    return callback
