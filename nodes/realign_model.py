"""Nodes for lambda itself: the MODEL patch, and lambda from beta.
May import torch, comfy_api, nodes/runtime and nodes/realign.
"""

from __future__ import annotations

import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .realign import strength
from .realign.evaluation import TOLERANCE, Evaluation
from .realign.schedule import LambdaSchedule
from .realign.weights import weight
from .runtime.patch import realign
from .schema import CATEGORY, evaluation_input, lambda_input, mask_inputs, schedule_input, schema, tolerance_input

REFERENCE_TOOLTIP = (
    "The reference: the model before alignment. Guidance patches (RescaleCFG, PAG ...) belong on the realigned MODEL."
)
ALIGNED_TOOLTIP = "The aligned model: the same architecture, fine-tuned from the reference."


class DeRaDiffRealign(io.ComfyNode):
    """realign(reference, aligned, lambda) -> MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffRealign",
            display_name="Realign Model (DeRaDiff)",
            category=CATEGORY,
            search_aliases=["deradiff", "dpo strength", "alignment strength", "lambda"],
            description="One MODEL that predicts (1 - lambda) * reference + lambda * aligned at every step, for any sampler, scheduler and guider: "
            "an approximation of the model that would have been aligned at beta / lambda. For several rewards, connect the realigned MODEL to the "
            "reference input of another Realign. A LoRA loaded after this node reaches the reference only, unless the pair is a LoRA pair.",
            inputs=[
                io.Model.Input(
                    "reference",
                    tooltip=REFERENCE_TOOLTIP + " Or a realigned MODEL, to add another aligned model to it.",
                ),
                io.Model.Input("aligned", tooltip=ALIGNED_TOOLTIP),
                lambda_input(),
                evaluation_input(),
                schedule_input(),
                *mask_inputs(),
                tolerance_input(),
            ],
            outputs=[
                io.Model.Output(
                    "model",
                    display_name="model",
                    tooltip="The realigned MODEL. Put guidance patches and samplers behind it.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        reference: ModelPatcher,
        aligned: ModelPatcher,
        evaluation: str,
        schedule: LambdaSchedule | None = None,
        mask: torch.Tensor | None = None,
        mask_feather: int = 0,
        reuse_tolerance: float = TOLERANCE,
        **inputs: float,
    ) -> io.NodeOutput:
        asked = weight(inputs["lambda"], schedule, mask, mask_feather)
        return io.NodeOutput(realign(reference, aligned, asked, Evaluation(evaluation, reuse_tolerance)))


class DeRaDiffLambdaFromBeta(io.ComfyNode):
    """lambda = trained_beta / target_beta."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        def beta(name: str, tooltip: str) -> io.Float.Input:
            return io.Float.Input(name, default=5000.0, min=0.0001, max=1e9, step=0.0001, round=0.0001, tooltip=tooltip)

        return schema(
            node_id="DeRaDiffLambdaFromBeta",
            display_name="Lambda from Beta (DeRaDiff)",
            category=CATEGORY,
            search_aliases=["kl strength", "beta"],
            description="lambda = trained_beta / target_beta: the lambda that stands for a model aligned at target_beta.",
            inputs=[
                beta(
                    "trained_beta",
                    "The KL strength beta that the aligned model was trained with, from its page (Diffusion-DPO: 5000).",
                ),
                beta(
                    "target_beta",
                    "The beta you would like it to have been trained with. Larger stays closer to the reference.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    "lambda_", display_name="lambda", tooltip="Connect it to the lambda of a DeRaDiff node."
                )
            ],
        )

    @classmethod
    def execute(cls, trained_beta: float, target_beta: float) -> io.NodeOutput:
        return io.NodeOutput(strength.lambda_from_beta(trained_beta, target_beta))


NODES = [DeRaDiffRealign, DeRaDiffLambdaFromBeta]
