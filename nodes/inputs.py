"""The inputs that the realigning nodes share, and the MODEL that they make of them."""

from __future__ import annotations

from collections.abc import Callable

import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .checked import checked
from .engine.patch import realign
from .method import strength
from .method.evaluation import EXACT, KINDS, TOLERANCE, Evaluation
from .method.region import MOST_FEATHER
from .method.schedule import LambdaSchedule
from .method.weights import weight
from .method.window import Window
from .schema import ScheduleType, advanced


def refusal(check: Callable[[], object]) -> bool | str:
    """What validate_inputs answers when a prompt is queued: True, or the words of the ValueError that the check raises."""
    try:
        check()
    except ValueError as error:
        return str(error)
    return True


def pair_inputs(reference_tooltip: str = "") -> list[io.Input]:
    """The two models. reference_tooltip: what else a node takes as its reference."""
    return [
        io.Model.Input(
            "reference",
            tooltip=f"The model before alignment{reference_tooltip}. Guidance patches (RescaleCFG, PAG ...) belong on the realigned MODEL.",
        ),
        io.Model.Input("aligned", tooltip="The aligned model: the same architecture, fine-tuned from the reference."),
    ]


def how_inputs() -> list[io.Input]:
    """How the models are evaluated, and where lambda acts: the last inputs of a node with one lambda."""
    return [evaluation_input(), schedule_input(), *_mask_inputs(), tolerance_input()]


@checked
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

    named: "lambda" alone, which cannot be a parameter name in Python. Raises ValueError for bad values, TypeError for any other name.
    """
    value = named.pop("lambda")
    if named:
        raise TypeError(f"unknown inputs: {', '.join(named)}")
    asked = weight(value, schedule, mask, mask_feather)
    return realign(reference, aligned, asked, Evaluation(evaluation, reuse_tolerance))


def lambda_input() -> io.Float.Input:
    """The lambda widget of every realigning node."""
    return io.Float.Input(
        "lambda",
        default=0.5,
        min=strength.LOWEST,
        max=strength.HIGHEST,
        step=0.01,
        tooltip="How strongly the alignment acts (beta_trained / beta_target): 0 is the reference, 1 the aligned model as trained, 0.5 as if "
        "trained with twice the KL penalty. Above 1 it is less regularised than trained (artefacts are common above 2), below 0 it moves away from the alignment.",
    )


def schedule_input() -> io.Input:
    """The optional schedule of every realigning node."""
    return ScheduleType.Input(
        "schedule",
        optional=True,
        tooltip="Multiplies lambda by a curve over the progress of sampling, from Lambda Schedule. A step where the product is 0 or 1 costs one model.",
    )


def _mask_inputs() -> list[io.Input]:
    """The optional lambda mask and the softness of its edges."""
    return [
        io.Mask.Input(
            "mask",
            optional=True,
            tooltip="Multiplies lambda over the image: 0 (black) keeps the reference, 1 (white) takes the whole lambda. "
            "To limit where the image changes, use a noise mask.",
        ),
        advanced(
            io.Int.Input(
                "mask_feather",
                default=0,
                min=0,
                max=MOST_FEATHER,
                optional=True,
                tooltip="How many latent pixels the mask's edges fade over on either side; 0 leaves them as they are. "
                "A latent pixel is 8 pixels of most models' images.",
            )
        ),
    ]


def window_inputs(before: str, after: str) -> list[io.Input]:
    """start_percent and end_percent. before, after: their tooltips."""

    def percent(name: str, default: float, tooltip: str) -> io.Float.Input:
        return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, tooltip=tooltip)

    return [percent("start_percent", 0.0, before), percent("end_percent", 1.0, after)]


def window_of(start_percent: float | None, end_percent: float | None) -> Window:
    """What the two inputs say. None: another node will give the value. Raises ValueError for no window."""
    return Window(0.0 if start_percent is None else start_percent, 1.0 if end_percent is None else end_percent)


def evaluation_input() -> io.Combo.Input:
    """How the models are evaluated."""
    return io.Combo.Input(
        "evaluation",
        options=list(KINDS),
        default=EXACT,
        tooltip="exact runs both models at every step; reuse and stochastic run one model at most steps, at about its cost, with some error. "
        "reuse alternates and is close to exact at moderate cfg; stochastic draws by the seed and is for samplers that add noise.",
    )


def tolerance_input() -> io.Input:
    """The error that reuse may make."""
    shown = io.Float.Input(
        "reuse_tolerance",
        default=TOLERANCE,
        min=0.0,
        max=10.0,
        step=0.01,
        optional=True,
        tooltip="For reuse alone: how far the image may be from exact, as a part of the distance from reference to aligned. Smaller costs more; 0 is exact.",
    )
    return advanced(shown)


def seed_input(name: str) -> io.Int.Input:
    tooltip = (
        "The random seed of the noise. The same seed gives the same noise at every lambda, so images can be compared."
    )
    return io.Int.Input(name, default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip=tooltip)


def steps_to_latent() -> list[io.Input]:
    """steps, cfg, sampler, scheduler, conditionings and latent, as in KSampler. The lists are read when the schema is built."""
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
            "positive", tooltip="What to include in the image. Hooks, ControlNets, areas and masks act on both models."
        ),
        io.Conditioning.Input("negative", tooltip="What to leave out of the image."),
        io.Latent.Input(
            "latent_image",
            tooltip="The latent to denoise; an empty one for text to image. Inpainting masks work as in KSampler.",
        ),
    ]


def denoise_input(also: str = "") -> io.Float.Input:
    """How much is denoised, as in KSampler. also: what the tooltip says beside that."""
    tooltip = f"How much of the latent is denoised{also}."
    return io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01, tooltip=tooltip)


def latent_output(tooltip: str = "The denoised latent.") -> io.Latent.Output:
    """The LATENT that a sampler returns."""
    return io.Latent.Output("latent", display_name="latent", tooltip=tooltip)
