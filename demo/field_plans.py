"""The workflows where lambda changes over time and over the image, on SDXL with a DPO LoRA and on the demo pair.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    Column,
    Group,
    Node,
    Plan,
    demo_pair,
    empty_latent,
    prompts,
    sdxl_pair,
    seen,
    settings,
    sockets,
    stack,
)

_FLAT = "[[0, 1], [1, 1]]"


@dataclass(frozen=True)
class _Subject:
    """A pair, what it is asked for, and how it is sampled. side: of its images, in pixels."""

    pair: Column
    positive: str
    negative: str
    side: int
    batch: int
    steps: int
    cfg: float
    sampler: str
    prefix: str

    def prompt(self, width: int = 1) -> Column:
        """width: in sides."""
        latent = empty_latent(width * self.side, self.side, self.batch)
        return (*prompts(self.positive, self.negative, "checkpoint.CLIP"), latent)

    def sampled(
        self,
        name: str,
        title: str,
        seed: int,
        more: Mapping[str, str],
        values: Mapping[str, object] = MappingProxyType({}),
    ) -> Column:
        """A sampler at lambda 1, its image decoded and saved."""
        values = {**settings(seed, self.steps, self.cfg, self.sampler), "lambda": 1.0, **values}
        inputs = {**sockets("pair.reference", "pair.aligned"), **more}
        sampler = Node(f"sample_{name}", "DeRaDiffKSampler", title, values, inputs)
        return (sampler, *seen(name, title, f"sample_{name}.latent", "checkpoint.VAE", f"{self.prefix}_{name}"))


_SDXL = _Subject(sdxl_pair(), PAINTING, UNWANTED, 1024, 1, 30, 5.0, "euler_ancestral", "deradiff_sdxl")
_DEMO = _Subject(demo_pair(), "a purple triangle on a white background", "", 64, 2, 20, 3.0, "euler", "deradiff_demo")


def _schedule(name: str, title: str, start: float, end: float) -> Node:
    values = {"curve": _FLAT, "interpolation": "monotone_cubic", "start_percent": start, "end_percent": end}
    return Node(name, "DeRaDiffLambdaSchedule", title, values, size=(300, 0))


_OVER_TIME = (
    "### When does the alignment act?\n\n"
    "Three samples of the same noise at **lambda 1**. **Lambda Schedule** multiplies lambda at each step; progress runs from 0 "
    "(noise) to 1 (image).\n\n"
    "- **Throughout**: no schedule.{throughout}\n"
    "- **Second half only** (start_percent 0.5): the reference lays the image out, the aligned model finishes it.{late}\n"
    "- **First half only** (end_percent 0.5): the aligned model lays the image out, the reference finishes it.{early}\n\n"
    "At a step where lambda times the schedule is 0 or 1, one model is evaluated: all three cost what one model costs. Draw "
    "the curve itself for anything between, for example [[0, 0], [0.5, 1], [1, 0.5]]."
)
_OVER_TIME_DEMO = {
    "throughout": " The demo pair was aligned on warm light, so far that the caption suffers.",
    "late": " Shape and background stay, and the colours turn a little warmer.",
    "early": " Most of the warmth is decided early and stays.",
}
_OVER_TIME_SDXL = {"throughout": " The aligned model, as it was trained.", "late": "", "early": ""}


def _over_time(subject: _Subject, note: str) -> Plan:
    none, late, early = "1  Throughout", "2  Second half only", "3  First half only"
    return Plan(
        note,
        (
            stack("models", "1  The pair", subject.pair),
            stack("prompt", "2  The prompt", subject.prompt()),
            stack(
                "lambda",
                "3  Lambda over time",
                (_schedule("late", late, 0.5, 1.0), _schedule("early", early, 0.0, 0.5)),
            ),
            stack(
                "sample",
                "4  Sample: the same seed, three schedules",
                subject.sampled("schedule_1", none, 0, {}),
                subject.sampled("schedule_2", late, 0, {"schedule": "late.schedule"}),
                subject.sampled("schedule_3", early, 0, {"schedule": "early.schedule"}),
            ),
        ),
    )


def _right_half(width: int, height: int) -> Column:
    """A mask of width x height pixels, black on the left and white on the right."""
    half = width // 2
    black, white = {"value": 0.0, "width": width, "height": height}, {"value": 1.0, "width": half, "height": height}
    pasted = {"destination": "black.MASK", "source": "white.MASK"}
    return (
        Node("black", "SolidMask", "Black: the reference", black, size=NARROW),
        Node("white", "SolidMask", "White: the whole lambda", white, size=NARROW),
        Node("mask", "MaskComposite", "The right half", {"x": half, "y": 0, "operation": "add"}, pasted, size=NARROW),
    )


_OVER_THE_IMAGE = (
    "### Where does the alignment act?\n\n"
    "Two runs of the same noise at **lambda 1**: over the whole image, and over its right half by a **mask**. Lambda at a place "
    "is lambda times the mask: black keeps the reference, white takes the whole lambda; **mask_feather** fades the edge, in latent "
    "pixels.\n\n"
    "The mask does not cut the image: each half sees the other through the model's attention. {attention}\n\n"
    "**Your own mask**: right click a *Load Image* > *Open in MaskEditor* and connect its MASK, or connect the mask of any "
    "segmentation node (SAM, for example). It is resized to the latent. For inpainting, also put a mask on the latent with *Set Latent Noise "
    "Mask*: that one says where the image may change, this one how strongly the alignment acts. A mask costs two models per step."
)
_ATTENTION_DEMO = (
    "This very small model spreads one colour over its whole background, so here **Lambda Schedule** lets the reference lay the "
    "image out alone (start_percent 0.4)."
)
_ATTENTION_SDXL = (
    "So the black half is close to the reference's image, not equal to it. To keep its composition too, connect a **Lambda "
    "Schedule** with start_percent 0.3: the reference then lays the image out alone."
)
_WHOLE, _RIGHT = "1  The whole image", "2  The right half"


def _over_the_image(
    subject: _Subject, width: int, note: str, feather: int, begins: tuple[Group, ...], over: dict[str, str]
) -> Plan:
    """width: of the image, in sides. begins: what stands below the mask. over: the samplers' further inputs."""
    masked = {**over, "mask": "mask.MASK"}
    mask = stack("lambda", "3  The mask", _right_half(width * subject.side, subject.side))
    return Plan(
        note,
        (
            stack("models", "1  The pair", subject.pair),
            stack("prompt", "2  The prompt", subject.prompt(width)),
            (*mask, *begins),
            stack(
                "sample",
                f"{4 + len(begins)}  Sample: the same seed, without and with the mask",
                subject.sampled("mask_1", _WHOLE, 1, over),
                subject.sampled("mask_2", _RIGHT, 1, masked, {"mask_feather": feather}),
            ),
        ),
    )


_LATER = stack("lambda", "4  The reference begins alone", (_schedule("late", "From 0.4 on", 0.4, 1.0),))

PLANS = {
    "Lambda over time (SDXL, DPO LoRA)": _over_time(_SDXL, _OVER_TIME.format(**_OVER_TIME_SDXL)),
    "Lambda over the image (SDXL, DPO LoRA)": _over_the_image(
        _SDXL, 1, _OVER_THE_IMAGE.format(attention=_ATTENTION_SDXL), 8, (), {}
    ),
}
DEMO_PLANS = {
    "Lambda over time (demo pair)": _over_time(_DEMO, _OVER_TIME.format(**_OVER_TIME_DEMO)),
    "Lambda over the image (demo pair)": _over_the_image(
        _DEMO, 2, _OVER_THE_IMAGE.format(attention=_ATTENTION_DEMO), 1, _LATER, {"schedule": "late.schedule"}
    ),
}
