"""One prompt at many lambdas: the same noise each time, one progress bar, one latent at a time on the device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from comfy.model_patcher import ModelPatcher

from ..engine import KEY
from ..engine.patch import from_one_noise, measured_from, realign, reweighted
from ..method.evaluation import Evaluation
from ..method.weights import Weight
from ..wires import INTERPOLATED, REALIGNED, Entry, Sweep
from .interpolation import interpolated
from .measured import measured_sample
from .sampling import Settings
from .showing import Part, Showing, Tell


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
    measure_kl: bool = True,
    tell: Tell = lambda _: None,
) -> tuple[dict, Sweep]:
    """Sample the latent's whole batch at every lambda. Returns the LATENT, lambda-major, and the sweep's data.

    weights: one for each lambda; each one's samples are those of the DeRaDiff KSampler at that lambda and seed. baseline: sample the model with
    interpolated weights at every lambda as well, after the realigned ones. measure_kl: evaluate the reference also where a run
    itself would not, which changes no latent. tell: is given how far the sweep is, see Showing. Raises ValueError like realign
    and sample.
    """
    settings.check()
    if baseline:
        _check_baseline(pair, weights)
    realigned = from_one_noise(realign(pair.reference, pair.aligned, weights[0], evaluation))
    plan = [(REALIGNED, weight) for weight in weights] + [(INTERPOLATED, weight) for weight in weights if baseline]
    parts = [Part(weight.value, method, _models(method, weight, measure_kl)) for method, weight in plan]
    showing = Showing(pair.reference, parts, settings.steps, tell)
    latents: list[dict] = []
    entries: list[Entry] = []
    for index, (method, weight) in enumerate(plan):
        run = (settings, positive, negative, latent, showing.run(index))
        begin = time.perf_counter()
        if method == REALIGNED:
            model = reweighted(realigned, weight)
        else:
            model = interpolated(pair.reference, pair.aligned, weight.value)
            model = measured_from(model, pair.reference) if measure_kl else model
        out, outcome = measured_sample(model, *run, everywhere=measure_kl)
        seconds = time.perf_counter() - begin
        latents.append(out)
        entries.append(Entry(weight.value, method, seconds, outcome.divergence.kl, outcome.divergence.error))
    return joined(latents), Sweep(tuple(entries), latents[0]["samples"].shape[0])


def joined(latents: Sequence[dict]) -> dict:
    """The LATENT of all runs, in their order. What belongs to the samples of one run alone is left out."""
    kept = {key: value for key, value in latents[-1].items() if key not in ("noise_mask", "batch_index")}
    return {**kept, "samples": torch.cat([latent["samples"] for latent in latents])}


def _check_baseline(pair: Pair, weights: Sequence[Weight]) -> None:
    if any(weight.schedule is not None for weight in weights):
        raise ValueError(
            "baseline: weights are interpolated once for a whole run and cannot follow a schedule. Turn baseline off, or "
            "disconnect the schedule."
        )
    if pair.reference.get_attachment(KEY) is not None:
        raise ValueError(
            "baseline: the reference is a realigned MODEL, a mixture of models, which has no weights that could be interpolated "
            "with the aligned model's. Turn baseline off, or connect the plain reference."
        )


def _models(method: str, weight: Weight, measure_kl: bool) -> int:
    """How many models a step of a run evaluates, about: a curve has steps of either kind."""
    if weight.value == 0.0:
        return 1
    return 1 if (weight.value == 1.0 or method == INTERPOLATED) and not measure_kl else 2
