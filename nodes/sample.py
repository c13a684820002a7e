"""The realigning KSamplers."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .pair import how_inputs, lambda_input, pair_inputs, realigned
from .runs.measured import measured_sample
from .runs.sampling import Settings
from .schema import CATEGORY, schema

_CATEGORY = f"{CATEGORY}/sampling"


def seed_input(name: str) -> io.Int.Input:
    tooltip = (
        "The random seed of the noise. The same seed gives the same noise at every lambda, so pictures can be compared."
    )
    return io.Int.Input(name, default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip=tooltip)


def steps_to_latent() -> list[io.Input]:
    """steps, cfg, sampler, scheduler, conditionings and latent: as KSampler has them, the lists read when the schema is built."""
    sampler = comfy.samplers.KSampler
    return [
        io.Int.Input("steps", default=20, min=1, max=10000, tooltip="The number of denoising steps."),
        io.Float.Input(
            "cfg",
            default=8.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="Classifier-free guidance, applied to the realigned model. The paper used 7.5 for SD1.5 and 5 for SDXL.",
        ),
        io.Combo.Input(
            "sampler_name",
            options=sampler.SAMPLERS,
            tooltip="The sampling algorithm. Any works; the paper used euler_ancestral.",
        ),
        io.Combo.Input(
            "scheduler", options=sampler.SCHEDULERS, tooltip="How the noise levels are spread over the steps."
        ),
        io.Conditioning.Input(
            "positive", tooltip="What to include. Hooks, ControlNets, areas and masks act on both models."
        ),
        io.Conditioning.Input("negative", tooltip="What to leave out."),
        io.Latent.Input(
            "latent_image",
            tooltip="The latent to denoise; an empty one for text to image. Inpainting masks are respected.",
        ),
    ]


def latent_output(tooltip: str = "The denoised latent.") -> io.Latent.Output:
    """The LATENT that a sampler returns."""
    return io.Latent.Output("latent", display_name="latent", tooltip=tooltip)


def kl_output() -> io.Float.Output:
    """The estimated divergence of a run, appended to the samplers' outputs."""
    return io.Float.Output(
        "kl",
        display_name="KL (nats)",
        tooltip="How far the run drifted from the reference: the estimated KL divergence of the conditional branch in nats, mean over the "
        "batch, without the last interval to sigma 0. 0 at lambda 0; NaN where the reference was not evaluated (lambda 1).",
    )


def sampled(model: ModelPatcher, settings: Settings, positive: list, negative: list, latent: dict) -> io.NodeOutput:
    """(LATENT, mean KL in nats) of one run of a realigned MODEL."""
    out, kl = measured_sample(model, settings, positive, negative, latent)
    return io.NodeOutput(out, sum(kl) / len(kl))


class DeRaDiffKSampler(io.ComfyNode):
    """KSampler over a realigned pair."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffKSampler",
            display_name="KSampler (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["deradiff sampler", "dpo sampler", "realign sampler"],
            description="KSampler for a reference and its aligned model, with lambda as the strength of the alignment: the picture that a model "
            "aligned at beta / lambda would have made.",
            inputs=[
                *pair_inputs(),
                lambda_input(),
                seed_input("seed"),
                *steps_to_latent(),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the latent is denoised; below 1 it keeps its composition.",
                ),
                *how_inputs(),
            ],
            outputs=[latent_output(), kl_output()],
        )

    @classmethod
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
        **pair: Any,
    ) -> io.NodeOutput:
        settings = Settings(seed, steps, cfg, sampler_name, scheduler, denoise)
        return sampled(realigned(reference, aligned, **pair), settings, positive, negative, latent_image)


class DeRaDiffKSamplerAdvanced(io.ComfyNode):
    """KSampler (Advanced) over a realigned pair."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffKSamplerAdvanced",
            display_name="KSampler Advanced (DeRaDiff)",
            category=_CATEGORY,
            description="KSampler (Advanced) for a reference and its aligned model: chooses the steps to run, and whether noise is added and left.",
            inputs=[
                *pair_inputs(),
                lambda_input(),
                io.Combo.Input(
                    "add_noise",
                    options=["enable", "disable"],
                    tooltip="disable: the latent carries its noise already, as in a second half.",
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
                    tooltip="enable: leave the noise of end_at_step in the latent, for another sampler to go on with.",
                ),
                *how_inputs(),
            ],
            outputs=[latent_output(), kl_output()],
        )

    @classmethod
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
        **pair: Any,
    ) -> io.NodeOutput:
        settings = Settings(
            noise_seed,
            steps,
            cfg,
            sampler_name,
            scheduler,
            add_noise=add_noise != "disable",
            start_step=start_at_step,
            last_step=end_at_step,
            force_full_denoise=return_with_leftover_noise != "enable",
        )
        return sampled(realigned(reference, aligned, **pair), settings, positive, negative, latent_image)


NODES = [DeRaDiffKSampler, DeRaDiffKSamplerAdvanced]
