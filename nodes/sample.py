"""The realigning KSamplers."""

from __future__ import annotations

import math
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from . import page
from .checked import checked
from .engine.outcome import Reused
from .engine.warned import warnings
from .inputs import (
    denoise_input,
    how_inputs,
    lambda_input,
    latent_output,
    pair_inputs,
    realigned,
    seed_input,
    steps_to_latent,
)
from .runs.measured import measured_sample
from .runs.sampling import Settings
from .runs.sweep import Pair
from .schema import CATEGORY, schema
from .wires import mean_kl

_CATEGORY = f"{CATEGORY}/sampling"


def kl_output() -> io.Float.Output:
    """The estimated divergence of a run, appended to the samplers' outputs."""
    return io.Float.Output(
        "kl",
        display_name="KL (nats)",
        tooltip="The estimated KL divergence from the reference in nats: conditional branch, mean over the batch, without the last interval "
        "to sigma 0. 0 at lambda 0; NaN where the reference was not evaluated (lambda 1).",
    )


def sampled(
    pair: Pair, inputs: dict[str, Any], settings: Settings, positive: list, negative: list, latent: dict
) -> io.NodeOutput:
    """(LATENT, mean KL in nats) of one run of the realigned MODEL; the node's line says what the run was (js/lambda).

    inputs: what realigned() takes beside the pair.
    """
    with warnings() as gathered:
        model = realigned(pair.reference, pair.aligned, **inputs)
        out, outcome = measured_sample(model, settings, positive, negative, latent)
    kl = mean_kl(outcome.divergence.kl)
    return io.NodeOutput(out, kl, ui=page.of_run(gathered, **{"lambda": inputs["lambda"]}, **_said(kl, outcome.reuse)))


def _said(kl: float, reuse: Reused | None) -> dict[str, float | None]:
    """What js/lambda/meaning.js reads: {kl, cost, error}, None where a value is unknown."""
    return {
        "kl": kl if math.isfinite(kl) else None,
        "cost": reuse.cost if reuse else None,
        "error": reuse.error if reuse else None,
    }


class DeRaDiffKSampler(io.ComfyNode):
    """KSampler over a realigned pair."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffKSampler",
            display_name="KSampler (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["deradiff sampler", "dpo sampler", "realign sampler", "lambda", "alignment", "dpo", "kl"],
            description="KSampler for a reference and its aligned model, with lambda as the strength of the alignment. It approximates the image that "
            "a model trained at beta / lambda would give.",
            inputs=[
                *pair_inputs(),
                lambda_input(),
                seed_input("seed"),
                *steps_to_latent(),
                denoise_input("; below 1 its composition is kept"),
                *how_inputs(),
            ],
            outputs=[latent_output(), kl_output()],
        )

    @classmethod
    @checked
    def execute(
        cls,
        reference: ModelPatcher,
        aligned: ModelPatcher,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: list,
        negative: list,
        latent_image: dict,
        denoise: float,
        **inputs: Any,
    ) -> io.NodeOutput:
        settings = Settings(seed, steps, cfg, sampler_name, scheduler, denoise)
        return sampled(Pair(reference, aligned), inputs, settings, positive, negative, latent_image)


class DeRaDiffKSamplerAdvanced(io.ComfyNode):
    """KSampler (Advanced) over a realigned pair."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffKSamplerAdvanced",
            display_name="KSampler Advanced (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["lambda", "alignment", "dpo", "kl"],
            description="KSampler (Advanced) for a reference and its aligned model: choose the steps to run, and whether noise is added before and left after them.",
            inputs=[
                *pair_inputs(),
                lambda_input(),
                io.Combo.Input(
                    "add_noise",
                    options=["enable", "disable"],
                    tooltip="disable: the latent is noisy already, as in the second part of a split run.",
                ),
                seed_input("noise_seed"),
                *steps_to_latent(),
                io.Int.Input(
                    "start_at_step", default=0, min=0, max=10000, tooltip="The first step of the schedule to run."
                ),
                io.Int.Input(
                    "end_at_step", default=10000, min=0, max=10000, tooltip="The step of the schedule to stop at."
                ),
                io.Combo.Input(
                    "return_with_leftover_noise",
                    options=["disable", "enable"],
                    tooltip="enable: leave the noise of end_at_step in the latent, so that another sampler can continue.",
                ),
                *how_inputs(),
            ],
            outputs=[latent_output(), kl_output()],
        )

    @classmethod
    @checked
    def execute(
        cls,
        reference: ModelPatcher,
        aligned: ModelPatcher,
        add_noise: str,
        noise_seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: list,
        negative: list,
        latent_image: dict,
        start_at_step: int,
        end_at_step: int,
        return_with_leftover_noise: str,
        **inputs: Any,
    ) -> io.NodeOutput:
        settings = Settings(
            noise_seed,
            steps,
            cfg,
            sampler_name,
            scheduler,
            add_noise=_enabled("add_noise", add_noise),
            start_step=start_at_step,
            last_step=end_at_step,
            force_full_denoise=not _enabled("return_with_leftover_noise", return_with_leftover_noise),
        )
        return sampled(Pair(reference, aligned), inputs, settings, positive, negative, latent_image)


def _enabled(name: str, value: str) -> bool:
    """What a combo of enable and disable says. Raises ValueError for any other value: not every ComfyUI checks it."""
    if value not in ("enable", "disable"):
        raise ValueError(f"{name}: expected enable or disable, got {value!r}.")
    return value == "enable"


NODES = [DeRaDiffKSampler, DeRaDiffKSamplerAdvanced]
