"""The workflows' thumbnails: each workflow is run by a real ComfyUI on the demo pair, small, and shown by what it made."""

from __future__ import annotations

import copy
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import collage
import comfyui
import numpy as np
from graph import to_prompt
from PIL import Image

Changes = dict[str, dict[str, Any]]  # the title of a node, "" for every node -> values

_SIDE = 64  # pixels of an image that the demo pair draws


@dataclass(frozen=True)
class _Look:
    """What a workflow is asked for. runs: the title of each run, and what it changes. inputs: drawings of these seeds to start from."""

    caption: str
    batch: int = 3
    runs: dict[str, Changes] = field(default_factory=lambda: {"": {}})
    inputs: tuple[int, ...] = ()


def _at(*values: float, title: str = "", sign: str = "\u03bb") -> dict[str, Changes]:
    return {f"{sign} = {value:g}": {title: {"lambda": value}} for value in values}


def _with(values: dict[str, Any], runs: dict[str, Changes]) -> dict[str, Changes]:
    """The runs, each with these values too, of whatever node has them."""
    return {title: {**changes, "": {**changes.get("", {}), **values}} for title, changes in runs.items()}


_REALIGNED = {"baseline": False}
_WARM = {
    **_REALIGNED,
    "scorer": "warmth (built in)",
    "kind": "auto",
    "rule": "highest mean within KL budget",
    "kl_budget": 200.0,
}
_CAPTIONS = ("a red circle", "a purple triangle", "a green square")
_SET = {"prompts": "\n".join(f"{caption} on a white background" for caption in _CAPTIONS), "n": 0, "negative": ""}
_FOUND = {
    "": {
        **_SET,
        "source": "typed below",
        "prompts": f"{_SET['prompts']}\na yellow star on a black background",
        "budget": 48,
        "kind": "auto",
    },
    "The scorer that chooses": {"scorer": "colourfulness (built in)"},
    "The held-out scorer": {"scorer": "warmth (built in)"},
}
_LOOKS = {
    "Lambda (SD1.5, DPO model)": _Look("a green circle on a white background", runs=_at(0, 0.5, 1)),
    "Lambda (SDXL, DPO LoRA)": _Look("a blue square on a white background", runs=_at(0, 0.5, 1)),
    "Lambda (demo pair)": _Look("a purple triangle on a white background", runs=_at(0, 0.5, 1)),
    "Custom sampling (SD1.5, DPO model)": _Look("a purple square on a grey background", runs=_at(0, 0.5, 1)),
    "Two rewards (SD1.5, DPO and SPO)": _Look(
        "a yellow circle on a white background", runs=_at(0, 0.25, 0.5, title="Realign: SPO", sign="\u03bb\u2082")
    ),
    "Contrastive (SD1.5, DPO against SPO)": _Look(
        "a red square on a white background",
        runs={
            f"w = {w:g}": {"Realign: wanted": {"lambda": w}, "Realign: unwanted": {"lambda": -w}}
            for w in (0, 0.25, 0.5)
        },
    ),
    "Prompt set (SD1.5, DPO model)": _Look("", 1, _with(_SET, _at(0, 0.5, 1))),
    "Image to image (SD1.5, DPO model)": _Look("a red circle on a white background", 1, inputs=(3, 8)),
    "Choose lambda (SDXL, DPO LoRA)": _Look("a blue circle on a white background", 2, {"": {"": _WARM}}),
    "Choose lambda (demo pair)": _Look("a purple triangle on a white background", 2, {"": {"": _REALIGNED}}),
    "Find lambda (SDXL, DPO LoRA)": _Look("a blue circle on a white background", 1, {"": _FOUND}),
    "Find lambda (demo pair)": _Look("a purple triangle on a white background", 1),
    "Lambda over time (SDXL, DPO LoRA)": _Look("a green square on a white background"),
    "Above 1 (SDXL, DPO LoRA)": _Look("a blue triangle on a white background"),
    "Beyond training (demo pair)": _Look("a purple triangle on a white background"),
    "Lambda over time (demo pair)": _Look("a purple triangle on a white background"),
    "Lambda over the image (SDXL, DPO LoRA)": _Look("a blue circle on a white background", 2),
    "Lambda over the image (demo pair)": _Look("a purple triangle on a white background", 1),
}
_CHEAP = {"steps": 20, "cfg": 3.0, "sampler_name": "euler", "start_at_step": 10, "mask_feather": 1, "cell_size": 128}
_PLOTS = ("Its time gap",)  # too small to be read in a thumbnail
_LENGTHS = ("width", "height", "x")


def _changed(workflow: dict[str, Any], prompt: comfyui.Prompt, look: _Look, changes: Changes) -> comfyui.Prompt:
    """The prompt for the demo pair: its captions, sizes and settings."""
    titles = {str(node["id"]): node.get("title", "") for node in workflow["nodes"]}
    tall = max(node["inputs"].get("height", _SIDE) for node in prompt.values())
    result = copy.deepcopy(prompt)
    for key, node in result.items():
        inputs, kind = node["inputs"], node["class_type"]
        said = "" if titles[key] == "Negative prompt" else look.caption
        own = inputs.get("height", tall) if kind == "EmptyLatentImage" else tall  # final runs may be larger than sweeps
        scaled = {name: inputs[name] * _SIDE // own for name in _LENGTHS if name in inputs}
        wanted = {**_CHEAP, **scaled, "text": said, "prompt": said, "batch_size": look.batch}
        wanted |= changes.get("", {}) | changes.get(titles[key], {})
        inputs.update({name: value for name, value in wanted.items() if _may_set(inputs, name)})
    return result


def _may_set(inputs: dict[str, Any], name: str) -> bool:
    return name in inputs and not isinstance(inputs[name], list)  # not where it is linked


def _named(saved: Sequence[comfyui.SavedImage], workflow: dict[str, Any]) -> collage.Made:
    """The images of each node that saves some, under its title."""
    titles = {str(node["id"]): node.get("title", "").partition("  ")[2] for node in workflow["nodes"]}
    full = {str(node["id"]): node.get("title") or node["type"] for node in workflow["nodes"]}
    made: collage.Made = {}
    for file in saved:
        image = Image.open(io.BytesIO(file.data)).convert("RGB")
        made.setdefault(titles[file.node] or full[file.node], []).append(image)
    return made


def _drawing(seed: int) -> Image.Image:
    """One of the drawings that the demo pair was trained on."""
    sys.path.insert(0, str(comfyui.CHECKOUT / "demo" / "training"))
    import drawings

    rng = np.random.RandomState(seed)
    return Image.fromarray(drawings.draw(drawings.CAPTIONS[rng.randint(len(drawings.CAPTIONS))], 0.0, rng))


def draw(server: comfyui.Server, workflow: dict[str, Any], path: Path) -> None:
    """Run the workflow and write its thumbnail beside it, path.jpg."""
    look, prompt = _LOOKS[path.name], to_prompt(workflow, server.get("/object_info"))

    def run(changes: Changes) -> collage.Made:
        (saved,) = server.run([_changed(workflow, prompt, look, changes)], path.name)
        return _named(saved, workflow)

    collage.write(_shown(look, run, server.base / "input"), path)


def _shown(look: _Look, run: Callable[[Changes], collage.Made], folder: Path) -> Image.Image:
    """folder: where Load Image finds its files."""
    if look.inputs:
        return collage.columns(_repainted(look, run, folder))
    runs = {title: run(changes) for title, changes in look.runs.items()}
    made = {title: images for title, images in next(iter(runs.values())).items() if title not in _PLOTS}
    if "The plot" in made:
        return collage.choice(made) if "The grid" in made else collage.found(made)
    if len(runs) > 1:
        made = {title: next(iter(images.values())) for title, images in runs.items()}
    first = next(iter(made.values()))[0]
    return collage.rows(made) if first.width > first.height else collage.columns(made)


def _repainted(look: _Look, run: Callable[[Changes], collage.Made], folder: Path) -> collage.Made:
    made: collage.Made = {"input": [], "result": []}
    for seed in look.inputs:
        image = _drawing(seed)
        image.save(folder / f"drawing_{seed}.png")
        made["input"].append(image)
        made["result"] += next(iter(run({"": {"image": f"drawing_{seed}.png"}}).values()))
    return made
