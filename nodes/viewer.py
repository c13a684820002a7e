"""A sweep in the node itself: the images as temporary files, and what the front end's viewer (js/) shows with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from comfy_api.latest import io, ui

from .checked import checked
from .schema import CATEGORY, ScoresType, SweepType, schema
from .wires import Entry, Scores, Sweep

UI_KEY = "deradiff_sweep"


class DeRaDiffSweepViewer(io.ComfyNode):
    """A slider over the lambdas of a sweep."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffSweepViewer",
            display_name="Sweep Viewer (DeRaDiff)",
            category=f"{CATEGORY}/sweep",
            is_output_node=True,
            search_aliases=["lambda slider", "compare lambda", "lambda viewer"],
            description="Look at a sweep in the node: drag a slider over lambda, compare with any other lambda by holding, wiping or side by "
            "side, and write the lambda you choose into a realigning node.",
            inputs=[
                io.Image.Input("images", tooltip="The sweep's latent, decoded: one image for each lambda and sample."),
                SweepType.Input("sweep", tooltip="The sweep that the images belong to."),
                ScoresType.Input("scores", optional=True, tooltip="Scores of the same images, shown below each image."),
                io.Float.Input(
                    "chosen",
                    optional=True,
                    force_input=True,
                    tooltip="The lambda that Pick Lambda chose, or any other: the viewer opens on it and marks it.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    @checked
    def execute(
        cls, images: torch.Tensor, sweep: Sweep, scores: Scores | None = None, chosen: float | None = None
    ) -> io.NodeOutput:
        sweep.check(images)
        if scores is not None:
            scores.check(images)
        if chosen is not None and not math.isfinite(chosen):
            raise ValueError(f"chosen: expected a finite lambda, got {chosen}. Connect the lambda of Pick Lambda.")
        files = ui.PreviewImage(images[..., :3], cls=cls).values
        return io.NodeOutput(ui={UI_KEY: [payload(sweep, files, scores, chosen)]})


def payload(
    sweep: Sweep, files: Sequence[Mapping[str, str]], scores: Scores | None, chosen: float | None
) -> dict[str, Any]:
    """What js/sweep/results.js reads, as JSON:
    {scorer, chosen, entries: [{lambda, method, seconds, kl, kl_error, samples: [{image, score}]}]}.

    files: {filename, subfolder, type} of each image. chosen: the lambda to open on, None without one. kl: the mean over the samples in nats; kl_error: how far it may be off,
    0 where it was measured directly. Unknown values are None.
    """
    values = scores.values if scores else [math.nan] * len(files)
    samples = [{"image": dict(file), "score": _known(value)} for file, value in zip(files, values, strict=True)]
    return {
        "scorer": scores.name if scores else None,
        "chosen": chosen,
        "entries": [_entry(entry, part) for entry, part in zip(sweep.entries, sweep.parts(samples), strict=True)],
    }


def _entry(entry: Entry, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "lambda": entry.strength,
        "method": entry.method,
        "seconds": _known(entry.seconds),
        "kl": _known(entry.mean_kl),
        "kl_error": _known(entry.mean_kl_error),
        "samples": samples,
    }


def _known(value: float) -> float | None:
    """The number, or None where it is NaN or infinite, which JSON cannot represent."""
    return float(value) if math.isfinite(value) else None


NODES = [DeRaDiffSweepViewer]
