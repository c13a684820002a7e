"""One prompt at many lambdas, and the grid that shows it."""

from __future__ import annotations

import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from . import page
from .checked import checked
from .engine.warned import warnings
from .inputs import (
    denoise_input,
    evaluation_input,
    latent_output,
    pair_inputs,
    refusal,
    schedule_input,
    seed_input,
    steps_to_latent,
    tolerance_input,
)
from .method.evaluation import TOLERANCE, Evaluation
from .method.schedule import LambdaSchedule
from .method.strength import checked_beta
from .method.weights import Weight
from .report.grid import LARGEST, SMALLEST, STEP, grid
from .runs.lambda_lists import MOST, parse_lambdas
from .runs.sampling import Settings
from .runs.sweep import Pair, sweep
from .schema import CATEGORY, ScoresType, SweepType, schema
from .wires import Scores, Sweep

_CATEGORY = f"{CATEGORY}/sweep"


class DeRaDiffLambdaSweep(io.ComfyNode):
    """DeRaDiffKSampler over a list of lambdas."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffLambdaSweep",
            display_name="Lambda Sweep (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["xy plot", "lambda grid", "strength sweep"],
            description="Sample the same noise at every lambda of a list, to choose one by eye (Sweep Grid, Sweep Viewer) or by a score "
            "(Pick Lambda). The images of a latent batch are repeated samples. Each lambda gives exactly what KSampler (DeRaDiff) gives.",
            inputs=[
                *pair_inputs(),
                io.String.Input(
                    "lambdas",
                    default="0, 0.25, 0.5, 0.75, 1",
                    tooltip="Values and ranges, separated by commas (decimals have a point): 0, 0.5, 1 or 0:1:0.25 (start:stop:step) or 0..1 x 5 (five values). "
                    f"At most {MOST}; 0 and 1 cost one model each, all others two.",
                ),
                seed_input("seed"),
                *steps_to_latent(),
                denoise_input(),
                evaluation_input(),
                io.Boolean.Input(
                    "baseline",
                    default=False,
                    tooltip="Also sample, at every lambda, a model with interpolated weights (as a merge or a LoRA slider gives), to compare with. "
                    "It costs one more model per lambda and patches the weights each time.",
                ),
                schedule_input(),
                tolerance_input(),
                io.Boolean.Input(
                    "measure_kl",
                    default=True,
                    optional=True,
                    tooltip="Also measure the KL where a run evaluates one model only (lambda 1, stochastic, the baseline), which costs the reference there. "
                    "The images do not change.",
                ),
            ],
            outputs=[
                latent_output("The latents: all samples of the first lambda, then of the second."),
                SweepType.Output(
                    "sweep",
                    display_name="sweep",
                    tooltip="What belongs to the latents: lambdas, seconds and KL of each sample.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, lambdas: str | None = None) -> bool | str:
        """When the prompt is queued, before anything is loaded. None: another node will give the list."""
        return lambdas is None or refusal(lambda: parse_lambdas(lambdas))

    @classmethod
    @checked
    def execute(
        cls,
        reference: ModelPatcher,
        aligned: ModelPatcher,
        lambdas: str,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: list,
        negative: list,
        latent_image: dict,
        denoise: float,
        evaluation: str,
        baseline: bool,
        schedule: LambdaSchedule | None = None,
        reuse_tolerance: float = TOLERANCE,
        measure_kl: bool = True,
    ) -> io.NodeOutput:
        settings = Settings(seed, steps, cfg, sampler_name, scheduler, denoise)
        weights = [Weight(value, schedule) for value in parse_lambdas(lambdas)]
        how = Evaluation(evaluation, reuse_tolerance)
        conds = (positive, negative)
        pair = Pair(reference, aligned)
        with warnings() as gathered:
            made = sweep(pair, weights, how, settings, *conds, latent_image, baseline, measure_kl, page.stage)
        return io.NodeOutput(*made, ui=page.of_run(gathered))


class DeRaDiffSweepGrid(io.ComfyNode):
    """A sweep's images in one labelled grid."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffSweepGrid",
            display_name="Sweep Grid (DeRaDiff)",
            category=_CATEGORY,
            description="Show the sweep's images in one labelled grid: a column for each lambda, a row for each sample.",
            inputs=[
                io.Image.Input("images", tooltip="The sweep's latent, decoded: one image for each lambda and sample."),
                SweepType.Input("sweep", tooltip="The sweep that the images belong to."),
                io.Float.Input(
                    "trained_beta",
                    default=0.0,
                    min=0.0,
                    max=1e9,
                    step=0.01,
                    tooltip="The beta that the aligned model was trained with, to show beta / lambda above the columns. 0: unknown.",
                ),
                io.Int.Input(
                    "cell_size",
                    default=384,
                    min=SMALLEST,
                    max=LARGEST,
                    step=STEP,
                    tooltip="The longer side of an image in the grid, in pixels.",
                ),
                ScoresType.Input(
                    "scores", optional=True, tooltip="Scores of the same images, written below each image."
                ),
            ],
            outputs=[io.Image.Output("grid", display_name="grid", tooltip="The grid as one image.")],
        )

    @classmethod
    @checked
    def execute(
        cls, images: torch.Tensor, sweep: Sweep, trained_beta: float, cell_size: int, scores: Scores | None = None
    ) -> io.NodeOutput:
        beta = checked_beta(trained_beta, "trained_beta") if trained_beta != 0 else None
        return io.NodeOutput(grid(images, sweep, beta, cell_size, scores))


NODES = [DeRaDiffLambdaSweep, DeRaDiffSweepGrid]
