"""Run the workflows of lambda over time and over the image on the demo pair, and lay out what they made: their thumbnails.
For development: python demo/show_fields.py [name ...].
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence

import comfyui
from assemble import assemble
from field_plans import PLANS
from graph import to_prompt
from PIL import Image
from run import OUTPUT, SHIPPED

_SIZE = (6.4, 3.6)  # inches, at 100 pixels each


def _rows(saved: Sequence[comfyui.SavedImage], workflow: dict) -> list[tuple[str, list[Image.Image]]]:
    """The batch of each SaveImage node under its title, in the order of the titles."""
    titles = {str(node["id"]): node["title"] for node in workflow["nodes"] if node["type"] == "SaveImage"}
    made: dict[str, list[Image.Image]] = {title: [] for title in sorted(titles.values())}
    for file in saved:
        made[titles[file.node]].append(Image.open(io.BytesIO(file.data)).convert("RGB"))
    return list(made.items())


def lay_out(rows: Sequence[tuple[str, list[Image.Image]]], name: str) -> None:
    """A row of images for each sampler of a workflow whose images are wide, else a column, with its title."""
    from matplotlib.figure import Figure  # takes a second to import

    wide = rows[0][1][0].width > rows[0][1][0].height
    count = len(rows[0][1])
    figure = Figure(figsize=_SIZE, dpi=100)
    axes = figure.subplots(*((len(rows), count) if wide else (count, len(rows))), squeeze=False)
    for place, (title, images) in enumerate(rows):
        for index, image in enumerate(images):
            axis = axes[place, index] if wide else axes[index, place]
            axis.imshow(image, interpolation="bicubic")
            axis.set_axis_off()
            if index == 0:
                axis.set_title(title.partition("  ")[2], fontsize=12, pad=6, loc="left" if wide else "center")
    figure.subplots_adjust(0.02, 0.02, 0.98, 0.91, wspace=0.04, hspace=0.3 if wide else 0.06)
    figure.savefig(OUTPUT / f"{name}.png")


def main(names: Sequence[str]) -> None:
    base = comfyui.base_directory()
    comfyui.prepare(base)
    assemble(base / "models")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with comfyui.Server(base, log=base / "comfyui.log") as server:
        for name in names:
            workflow = json.loads((SHIPPED / f"{name}.json").read_text("utf-8"))
            (saved,) = server.run([to_prompt(workflow, server.get("/object_info"))], name)
            lay_out(_rows(saved, workflow), name)
            sys.stdout.write(f"{OUTPUT / name}.png\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PLANS))
