"""Nodes for lambda itself: the MODEL patch, and lambda from beta."""

from __future__ import annotations

from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .method import strength
from .pair import how_inputs, lambda_input, pair_inputs, realigned
from .schema import CATEGORY, schema


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
                *pair_inputs(" Or a realigned MODEL, to add another aligned model to it."),
                lambda_input(),
                *how_inputs(),
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
    def execute(cls, reference: ModelPatcher, aligned: ModelPatcher, **pair: Any) -> io.NodeOutput:
        return io.NodeOutput(realigned(reference, aligned, **pair))


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
