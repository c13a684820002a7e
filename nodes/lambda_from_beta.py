"""The node that turns two betas into lambda."""

from __future__ import annotations

from comfy_api.latest import io

from .method import strength
from .schema import CATEGORY, schema


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
            description="Compute lambda = trained_beta / target_beta: the lambda that approximates a model trained at target_beta.",
            inputs=[
                beta(
                    "trained_beta",
                    "The KL strength beta that the aligned model was trained with; see its model card (Diffusion-DPO: 5000).",
                ),
                beta(
                    "target_beta",
                    "The beta to approximate. A larger one stays closer to the reference.",
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


NODES = [DeRaDiffLambdaFromBeta]
