"""`make demo`: sample the demo pair at five lambdas in a real ComfyUI, choose one by a sweep, and let one be found; all into demo/output/."""

from __future__ import annotations

import copy
import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import comfyui
from assemble import assemble
from graph import to_prompt
from PIL import Image

OUTPUT = comfyui.CHECKOUT / "demo" / "output"
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)

_SHOWN = 192  # pixels of an image's side in the files; the model draws 64


def _at(prompt: comfyui.Prompt, value: float) -> comfyui.Prompt:
    """The prompt with its lambda set."""
    changed = copy.deepcopy(prompt)
    for node in changed.values():
        if "lambda" in node["inputs"]:
            node["inputs"]["lambda"] = value
    return changed


def _enlarged(saved: comfyui.SavedImage) -> Image.Image:
    image = Image.open(io.BytesIO(saved.data)).convert("RGB")
    return image.resize((_SHOWN, _SHOWN), Image.Resampling.BICUBIC)


def _named(images: Sequence[comfyui.SavedImage], kind: str) -> comfyui.SavedImage:
    """The image that a SaveImage node with this word in its prefix saved."""
    return next(image for image in images if f"_{kind}_" in image.name)


def _answer(server: comfyui.Server) -> str:
    """What Find Lambda's table says above its lines, in the newest run."""
    newest = list(server.get("/history?max_items=1").values())[-1]
    texts = [text for output in newest["outputs"].values() for text in output.get("text", ())]
    return texts[0].splitlines()[0].strip("*")


def save_row(images: Sequence[Image.Image], path: Path) -> None:
    """The batch side by side."""
    row = Image.new("RGB", (_SHOWN * len(images), _SHOWN))
    for index, image in enumerate(images):
        row.paste(image, (_SHOWN * index, 0))
    row.save(path)


def save_strip(batches: Sequence[Sequence[Image.Image]], prompt: str, path: Path) -> None:
    """Columns are lambdas, rows the samples of the batch; the same row starts from the same noise everywhere."""
    from matplotlib.figure import Figure  # takes a second to import

    rows, dpi = len(batches[0]), 100
    inch = _SHOWN / dpi
    figure = Figure(figsize=(inch * 1.06 * len(batches), inch * 1.06 * rows + 1.0), dpi=dpi)
    axes = figure.subplots(rows, len(batches), squeeze=False)
    for column, (value, images) in enumerate(zip(LAMBDAS, batches, strict=True)):
        for row, image in enumerate(images):
            axes[row, column].imshow(image, interpolation="nearest")
            axes[row, column].set_axis_off()
        axes[0, column].set_title(f"\u03bb = {value:g}", fontsize=17, pad=8)
    figure.text(
        0.5,
        0.015,
        f"\u201c{prompt}\u201d    \u03bb = 0: the reference    \u03bb = 1: the aligned model",
        ha="center",
        fontsize=13,
    )
    height = figure.get_figheight()
    figure.subplots_adjust(0.01, 0.5 / height, 0.99, 1 - 0.5 / height, wspace=0.04, hspace=0.04)
    figure.savefig(path)


def main() -> None:
    started = time.monotonic()
    base = comfyui.base_directory()
    comfyui.prepare(base)
    sys.stdout.write("Preparing the demo's models and starting ComfyUI ...\n")
    assemble(base / "models")
    with comfyui.Server(base, log=base / "comfyui.log") as server:
        prompt, sweep, search = (
            to_prompt(
                json.loads((comfyui.DEMO / f"{name} (demo pair).json").read_text("utf-8")), server.get("/object_info")
            )
            for name in ("Lambda", "Choose lambda", "Find lambda")
        )
        results = server.run([_at(prompt, value) for value in LAMBDAS], "Sampling at five lambdas")
        (charts,) = server.run([sweep], "Choosing lambda from a sweep")
        (searched,) = server.run([search], "Finding lambda")
        answer = _answer(server)
    batches = [[_enlarged(image) for image in images] for images in results]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    paths = [OUTPUT / f"lambda_{value:.2f}.png" for value in LAMBDAS]
    for images, path in zip(batches, paths, strict=True):
        save_row(images, path)
    positive = next(node["inputs"]["positive"][0] for node in prompt.values() if "positive" in node["inputs"])
    save_strip(batches, prompt[positive]["inputs"]["text"], OUTPUT / "strip.png")
    chosen = {OUTPUT / f"{kind}.png": _named(charts, kind) for kind in ("grid", "plot")}
    chosen[OUTPUT / "found.png"] = _named(searched, "plot")
    for path, image in chosen.items():
        path.write_bytes(image.data)
    for path in (*paths, OUTPUT / "strip.png", *chosen):
        sys.stdout.write(f"{path}\n")
    sys.stdout.write(f"{time.monotonic() - started:.0f} seconds\nFind Lambda: {answer}\n")


if __name__ == "__main__":
    main()
