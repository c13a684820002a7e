"""The shipped workflows where lambda changes over time and over the image, both on the demo pair.
Standard library only; demo/export_workflows.py turns these into workflows/*.json."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workflow_nodes import NARROW, WIDE, Node, Plan, checkpoint, empty_latent, prompts, settings, sockets, stack

_CAPTION = "a purple triangle on a white background"
_FLAT = "[[0, 1], [1, 1]]"
_PAIR = (
    checkpoint(None, "deradiff_demo.safetensors"),
    Node(
        "pair",
        "DeRaDiffLoadLoraPair",
        values={"lora": "deradiff_demo_dpo.safetensors", "strength": 1.0},
        inputs={"model": "checkpoint.MODEL"},
        size=WIDE,
    ),
)


def _sampled(
    name: str, title: str, more: dict[str, str], seed: int, values: Mapping[str, object] = MappingProxyType({})
) -> Node:
    values = {**settings(seed, 20, 3.0, "euler"), "lambda": 1.0, **values}
    return Node(name, "DeRaDiffKSampler", title, values, {**sockets("pair.reference", "pair.aligned"), **more})


def _seen(name: str, title: str, prefix: str) -> tuple[Node, Node]:
    decode = {"samples": f"{name}.latent", "vae": "checkpoint.VAE"}
    saved = {"images": f"decode_{name}.IMAGE"}
    return (
        Node(f"decode_{name}", "VAEDecode", inputs=decode, size=NARROW),
        Node(f"save_{name}", "SaveImage", title, {"filename_prefix": prefix}, saved, size=(300, 330)),
    )


def _schedule(name: str, title: str, start: float, end: float) -> Node:
    values = {"curve": _FLAT, "interpolation": "monotone_cubic", "start_percent": start, "end_percent": end}
    return Node(name, "DeRaDiffLambdaSchedule", title, values, size=(300, 0))


def _over_time() -> Plan:
    note = (
        "### When does the alignment act?\n\n"
        "Three samples of the same noise at **lambda 1**. **Lambda Schedule** multiplies lambda at each step; progress runs from 0 "
        "(noise) to 1 (picture).\n\n"
        "- **Throughout**: no schedule. The demo pair was aligned on warm light, so far that the caption suffers.\n"
        "- **Second half only** (start_percent 0.5): the reference lays the picture out, the aligned model finishes it. Shape and "
        "background stay, and the colours turn a little warmer.\n"
        "- **First half only** (end_percent 0.5): most of the warmth is decided early and stays.\n\n"
        "At a step where lambda times the schedule is 0 or 1, one model is evaluated: all three cost what one model costs. Draw "
        "the curve itself for anything between, for example [[0, 0], [0.5, 1], [1, 0.5]]."
    )
    none, late, early = "1  Throughout", "2  Second half only", "3  First half only"
    return Plan(
        note,
        (
            stack("1  The pair", _PAIR),
            stack("2  The prompt", (*prompts(_CAPTION, "", "checkpoint.CLIP"), empty_latent(64, 64, 2))),
            stack("3  Lambda over time", (_schedule("late", late, 0.5, 1.0), _schedule("early", early, 0.0, 0.5))),
            stack(
                "4  Sample: the same seed, three schedules",
                (_sampled("sample_constant", none, {}, 0), *_seen("sample_constant", none, "deradiff_schedule_1")),
                (
                    _sampled("sample_late", late, {"schedule": "late.schedule"}, 0),
                    *_seen("sample_late", late, "deradiff_schedule_2"),
                ),
                (
                    _sampled("sample_early", early, {"schedule": "early.schedule"}, 0),
                    *_seen("sample_early", early, "deradiff_schedule_3"),
                ),
            ),
        ),
    )


def _half() -> tuple[Node, ...]:
    """A mask of 128 x 64 pixels, black on the left and white on the right."""
    black, white = {"value": 0.0, "width": 128, "height": 64}, {"value": 1.0, "width": 64, "height": 64}
    pasted = {"destination": "black.MASK", "source": "white.MASK"}
    return (
        Node("black", "SolidMask", "Black: the reference", black, size=NARROW),
        Node("white", "SolidMask", "White: the whole lambda", white, size=NARROW),
        Node("mask", "MaskComposite", "The right half", {"x": 64, "y": 0, "operation": "add"}, pasted, size=NARROW),
    )


def _over_the_image() -> Plan:
    note = (
        "### Where does the alignment act?\n\n"
        "Two runs of the same noise at **lambda 1**: over the whole picture, and over its right half by a **mask**. Lambda at a place "
        "is lambda times the mask: black keeps the reference, white takes the whole lambda; **mask_feather** fades the edge.\n\n"
        "The mask does not cut the picture: each half sees the other through the model's attention. This very small model spreads one colour "
        "over its whole background, so here **Lambda Schedule** lets the reference lay the picture out alone (start_percent 0.4). Large "
        "models keep regions apart better; disconnect the schedule there to begin with.\n\n"
        "**With your own models**: right click a *Load Image* > *Open in MaskEditor* and connect its MASK, or connect the mask of any "
        "segmentation node (SAM, for example). It is resized to the latent. For inpainting, also put a mask on the latent with *Set Latent Noise "
        "Mask*: that one says where the picture may change, this one how strongly the alignment acts. A mask costs two models per step."
    )
    whole, right = "1  The whole picture", "2  The right half"
    over = {"schedule": "late.schedule"}
    half = _sampled("sample_right", right, {**over, "mask": "mask.MASK"}, 1, {"mask_feather": 1})
    return Plan(
        note,
        (
            stack("1  The pair", _PAIR),
            stack("2  The prompt", (*prompts(_CAPTION, "", "checkpoint.CLIP"), empty_latent(128, 64, 2))),
            (
                ("3  The mask", (_half(),)),
                ("4  The reference begins alone", ((_schedule("late", "From 0.4 on", 0.4, 1.0),),)),
            ),
            stack(
                "5  Sample: the same seed, without and with the mask",
                (_sampled("sample_whole", whole, over, 1), *_seen("sample_whole", whole, "deradiff_mask_1")),
                (half, *_seen("sample_right", right, "deradiff_mask_2")),
            ),
        ),
    )


PLANS = {"lambda_schedule": _over_time(), "lambda_mask": _over_the_image()}
