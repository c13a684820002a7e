"""Lambda over time: the schedule with its curve editor."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .inputs import refusal, window_inputs, window_of
from .method.curve import INTERPOLATIONS, Curve, parse_curve
from .method.schedule import LambdaSchedule
from .schema import CATEGORY, ScheduleType, schema

FLAT = "[[0, 1], [1, 1]]"
_NO_CURVE = object()  # nothing is connected; None stands for what another node will give


class DeRaDiffLambdaSchedule(io.ComfyNode):
    """A curve -> LAMBDA_SCHEDULE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            io.Custom("STRING").Input(
                "curve",
                tooltip="The factor of lambda (0 to 2, upwards) over the progress of sampling (0 to 1, to the right); 1 leaves lambda as it is. "
                "Click to add a point, drag to move it, double click or press Delete to remove it.",
                extra_dict={"default": FLAT, "widgetType": "DERADIFF_CURVE"},
            ),
            io.Combo.Input(
                "interpolation",
                options=list(INTERPOLATIONS),
                default=INTERPOLATIONS[0],
                tooltip="How the curve runs between its points: smoothly without overshooting, or straight.",
            ),
            *window_inputs(
                "Progress before which lambda is 0: the reference alone.",
                "Progress after which lambda is 0: the reference alone.",
            ),
        ]
        if hasattr(io, "Curve"):
            inputs.append(
                io.Custom("CURVE").Input(
                    "core_curve",
                    optional=True,
                    tooltip="A curve of ComfyUI's own editor, used instead of the one on this node.",
                    extra_dict={"forceInput": True},
                )
            )
        return schema(
            node_id="DeRaDiffLambdaSchedule",
            display_name="Lambda Schedule (DeRaDiff)",
            category=CATEGORY,
            search_aliases=["lambda curve", "strength schedule", "timestep range"],
            description="Lambda over the progress of sampling: at each step lambda is multiplied by this curve. Progress is ComfyUI's percent, "
            "so it means the same at any number of steps. Outside start_percent to end_percent only the reference runs, at the cost of one model.",
            inputs=inputs,
            outputs=[
                ScheduleType.Output(
                    "schedule",
                    display_name="schedule",
                    tooltip="Connect it to the schedule of a DeRaDiff node.",
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        curve: str | None = None,
        start_percent: float | None = None,
        end_percent: float | None = None,
        core_curve: Any = _NO_CURVE,
    ) -> bool | str:
        """When the prompt is queued, before anything is loaded. None: another node will give the value."""

        def check() -> None:
            if curve is not None and core_curve is _NO_CURVE:
                parse_curve(curve)
            window_of(start_percent, end_percent)

        return refusal(check)

    @classmethod
    def execute(
        cls, curve: str, interpolation: str, start_percent: float, end_percent: float, core_curve: Any = None
    ) -> io.NodeOutput:
        drawn = parse_curve(curve, interpolation) if core_curve is None else _from_core(core_curve)
        return io.NodeOutput(LambdaSchedule(drawn, window_of(start_percent, end_percent)))


def _from_core(core_curve: Any) -> Curve:
    """core_curve: core's CurveInput, which holds its points; its class says how they are interpolated."""
    linear = type(core_curve).__name__ == "LinearCurve"
    try:
        return Curve(tuple(core_curve.points), INTERPOLATIONS[1 if linear else 0])
    except AttributeError:
        raise ValueError(f"core_curve: expected a CURVE of ComfyUI's own curve node, got {core_curve!r}.") from None
    except ValueError as error:
        raise ValueError(f"core_{error}") from None


NODES = [DeRaDiffLambdaSchedule]
