"""The node that keeps a realigned MODEL near what its reference draws."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .checked import checked
from .engine.patch import guarded
from .inputs import refusal, window_inputs, window_of
from .method.cap import LARGEST, Guard
from .schema import CATEGORY, schema


class DeRaDiffGuard(io.ComfyNode):
    """A realigned MODEL -> the same, its difference from the reference capped."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffGuard",
            display_name="Guard (DeRaDiff)",
            category=CATEGORY,
            search_aliases=["lambda above 1", "overcooked", "norm threshold", "clamp", "cap"],
            description="For a lambda above 1, where images lose detail: caps how far each prediction may move from the reference's. "
            "Connect it after Realign Model; of a chain it caps the sum.",
            inputs=[
                io.Model.Input("model", tooltip="A realigned MODEL, from Realign Model."),
                io.Float.Input(
                    "cap",
                    default=1.0,
                    min=0.0,
                    max=LARGEST,
                    step=0.05,
                    tooltip="The largest distance from the reference's prediction, as a part of that prediction's size. Smaller stays closer to the "
                    "reference; 0 is no guard.",
                ),
                *window_inputs(
                    "Progress of sampling before which it does not act.",
                    "Progress of sampling after which it does not act.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    "guarded",
                    display_name="model",
                    tooltip="The realigned MODEL with the guard. Connect samplers to it.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, cap: float | None = None, start_percent: float | None = None, end_percent: float | None = None
    ) -> bool | str:
        """When the prompt is queued. None: another node will give the value."""

        def check() -> None:
            Guard(0.0 if cap is None else cap)
            window_of(start_percent, end_percent)

        return refusal(check)

    @classmethod
    @checked
    def execute(cls, model: ModelPatcher, cap: float, start_percent: float, end_percent: float) -> io.NodeOutput:
        return io.NodeOutput(guarded(model, Guard(cap, window_of(start_percent, end_percent))))


NODES = [DeRaDiffGuard]
