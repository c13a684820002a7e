"""The node that keeps a realigned MODEL near what its reference draws."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .checked import checked
from .engine.patch import guarded
from .inputs import refusal
from .method.cap import LARGEST, Guard
from .method.window import Window
from .schema import CATEGORY, schema


class DeRaDiffGuard(io.ComfyNode):
    """A realigned MODEL -> the same, its difference from the reference capped."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        def percent(name: str, default: float, tooltip: str) -> io.Float.Input:
            return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, tooltip=tooltip)

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
                percent("start_percent", 0.0, "Progress of sampling before which it does not act."),
                percent("end_percent", 1.0, "Progress of sampling after which it does not act."),
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
            Window(0.0 if start_percent is None else start_percent, 1.0 if end_percent is None else end_percent)

        return refusal(check)

    @classmethod
    @checked
    def execute(cls, model: ModelPatcher, cap: float, start_percent: float, end_percent: float) -> io.NodeOutput:
        return io.NodeOutput(guarded(model, Guard(cap, Window(start_percent, end_percent))))


NODES = [DeRaDiffGuard]
