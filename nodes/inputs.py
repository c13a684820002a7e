"""What every realigning node asks of a pair, and the MODEL that it makes of the answers."""

from __future__ import annotations

import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .engine.patch import realign
from .method.evaluation import EXACT, KINDS, TOLERANCE, Evaluation
from .method.schedule import LambdaSchedule
from .method.weights import weight
from .schema import ScheduleType


def pair_inputs(reference_tooltip: str = "") -> list[io.Input]:
    """The two models. reference_tooltip: what a node has to add about its reference."""
    return [
        io.Model.Input(
            "reference",
            tooltip="The reference: the model before alignment. Guidance patches (RescaleCFG, PAG ...) belong on the realigned MODEL."
            + reference_tooltip,
        ),
        io.Model.Input("aligned", tooltip="The aligned model: the same architecture, fine-tuned from the reference."),
    ]


def how_inputs() -> list[io.Input]:
    """How the models are evaluated, and where lambda acts: the last inputs of a node that mixes at one lambda."""
    return [evaluation_input(), schedule_input(), *_mask_inputs(), tolerance_input()]


def realigned(
    reference: ModelPatcher,
    aligned: ModelPatcher,
    evaluation: str,
    schedule: LambdaSchedule | None = None,
    mask: torch.Tensor | None = None,
    mask_feather: int = 0,
    reuse_tolerance: float = TOLERANCE,
    **named: float,
) -> ModelPatcher:
    """The realigned MODEL of a node's inputs, by their ids. mask: (H, W) or (B, H, W) in 0..1.

    named: "lambda" alone, which is no name in Python. Raises ValueError for bad values, TypeError for any other name.
    """
    strength = named.pop("lambda")
    if named:
        raise TypeError(f"unknown inputs: {', '.join(named)}")
    asked = weight(strength, schedule, mask, mask_feather)
    return realign(reference, aligned, asked, Evaluation(evaluation, reuse_tolerance))


def lambda_input() -> io.Float.Input:
    """The lambda widget of every realigning node."""
    return io.Float.Input(
        "lambda",
        default=0.5,
        min=0.0,
        max=3.0,
        step=0.01,
        tooltip="How strongly the alignment acts: beta_trained / beta_target. 0 = the reference alone, 1 = the aligned model as it "
        "was trained, 0.5 = as if it had been trained with twice the KL penalty. Above 1 it is less regularised than it was "
        "trained: artefacts are common above 2. 0 and 1 cost one model per step, everything else two.",
    )


def schedule_input() -> io.Input:
    """The optional schedule of every realigning node."""
    return ScheduleType.Input(
        "schedule",
        optional=True,
        tooltip="Lambda over the progress of sampling, from Lambda Schedule: lambda at a step is lambda times the schedule. "
        "A step where that is 0 or 1 costs one model.",
    )


def _mask_inputs() -> list[io.Input]:
    """The optional lambda mask, and how softly it ends."""
    return [
        io.Mask.Input(
            "mask",
            optional=True,
            tooltip="Lambda over the picture: lambda times the mask, resized to the latent. 0 (black) keeps the reference, 1 (white) takes "
            "the whole lambda. It does not limit where the picture changes; for that, set a noise mask on the latent.",
        ),
        io.Int.Input(
            "mask_feather",
            default=0,
            min=0,
            max=256,
            optional=True,
            tooltip="How many latent pixels the mask's edge fades over on either side (a latent pixel is 8 pixels of most models' pictures).",
        ),
    ]


def evaluation_input() -> io.Combo.Input:
    """How the models are evaluated."""
    return io.Combo.Input(
        "evaluation",
        options=list(KINDS),
        default=EXACT,
        tooltip="exact: both models at every step, the paper's closed form (one model where lambda is 0 or 1). "
        "reuse: one model at each step, in turn, and what they differ by is reused; about the cost of one model, with an error that is small at moderate cfg. "
        "stochastic: one model at each step, drawn by the seed; the cost of one model, for samplers that add noise.",
    )


def tolerance_input() -> io.Float.Input:
    """How far off the difference may be that reuse reuses."""
    return io.Float.Input(
        "reuse_tolerance",
        default=TOLERANCE,
        min=0.0,
        max=10.0,
        step=0.01,
        optional=True,
        tooltip="For reuse alone: the models take turns once the change of their difference from step to step, relative to itself, times the part "
        "of the run that is still ahead is at most this; until then both are evaluated. 0 is exact; smaller costs more and is closer to exact.",
    )


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
