"""The node that makes one MODEL of a reference and an aligned model."""

from __future__ import annotations

from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from . import page
from .checked import checked
from .engine.patch import telling
from .engine.warned import warnings
from .inputs import how_inputs, lambda_input, pair_inputs, realigned
from .schema import CATEGORY, schema


class DeRaDiffRealign(io.ComfyNode):
    """realign(reference, aligned, lambda) -> MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffRealign",
            display_name="Realign Model (DeRaDiff)",
            category=CATEGORY,
            search_aliases=["deradiff", "dpo strength", "alignment strength", "lambda", "alignment", "dpo", "kl"],
            description="One MODEL that predicts (1 - lambda) * reference + lambda * aligned at every step, for any sampler, scheduler and guider: "
            "an approximation of the model that training at beta / lambda would give. For several rewards, connect the realigned MODEL to the "
            "reference input of another Realign Model. A LoRA loaded after this node reaches the reference only, unless the pair is a LoRA pair.",
            inputs=[
                *pair_inputs(", or a realigned MODEL to add another aligned model to"),
                lambda_input(),
                *how_inputs(),
            ],
            outputs=[
                io.Model.Output(
                    "model",
                    display_name="model",
                    tooltip="The realigned MODEL. Connect guidance patches and samplers to it.",
                )
            ],
        )

    @classmethod
    @checked
    def execute(cls, reference: ModelPatcher, aligned: ModelPatcher, **inputs: Any) -> io.NodeOutput:
        with warnings() as gathered:
            model = telling(realigned(reference, aligned, **inputs), page.warn)
        return io.NodeOutput(model, ui=page.of_run(gathered, **{"lambda": inputs["lambda"]}))


NODES = [DeRaDiffRealign]
