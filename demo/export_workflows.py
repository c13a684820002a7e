"""Write workflows/*.json and their thumbnails: each plan is built in ComfyUI's own front end, in a headless Chromium.
For development: python demo/export_workflows.py [name ...].
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import comfyui
from field_plans import PLANS as FIELDS
from graph import to_prompt
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sweep_plans import PLANS as SWEEPS
from workflow_nodes import Plan
from workflow_plans import PLANS as REALIGNED

PLANS = {**REALIGNED, **SWEEPS, **FIELDS}

WORKFLOWS = comfyui.CHECKOUT / "workflows"
SCREENSHOTS = comfyui.CHECKOUT / "demo" / "output" / "workflows"
SHOWN = {
    "demo": "strip.png",
    "choose_lambda_demo": "plot.png",
    "lambda_schedule": "lambda_schedule.png",
    "lambda_mask": "lambda_mask.png",
}  # workflows whose thumbnail is what `make demo` and demo/show_fields.py made of them; it stays as it is until they made another
BUILD = Path(__file__).with_suffix(".js").read_text("utf-8")

_WINDOW = (1920, 1080)
_THUMBNAIL, _LARGEST = (640, 360), 60_000  # pixels, bytes
_BACKGROUND = (33, 33, 33)
_CHROMIUM = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
_SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.VueNodes.Enabled": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasMenu": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
}


def _empty_files(models: Path) -> None:
    """A file of every name that the workflows load, so that the page lists them. Nothing is loaded here."""
    demo = [("checkpoints", "deradiff_demo.safetensors"), ("loras", "deradiff_demo_dpo.safetensors")]
    named = [(file.directory, file.name) for plan in PLANS.values() for node in plan.nodes() for file in node.files]
    for directory, name in [*demo, *named]:
        (models / directory).mkdir(parents=True, exist_ok=True)
        (models / directory / name).touch()
    (models / "deradiff_scorers" / "PickScore_v1").mkdir(parents=True)


def _for_the_page(name: str, plan: Plan) -> dict[str, Any]:
    version = re.findall(r'^version = "(.+)"', (comfyui.CHECKOUT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[
        0
    ]
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"deradiff/{name}")),
        "text": plan.text(),
        "version": version,
        "stacks": dataclasses.asdict(plan)["stacks"],
    }


def _open(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph")
    page.add_style_tag(content=".side-tool-bar-container, .comfyui-body-top, .comfyui-body-bottom { display: none; }")
    page.wait_for_timeout(1500)


def _thumbnail(image: Image.Image, path: Path) -> None:
    """JPEG of at most 60 kB, letterboxed."""
    scaled = image.convert("RGB")
    scaled.thumbnail(_THUMBNAIL, Image.Resampling.LANCZOS)
    framed = Image.new("RGB", _THUMBNAIL, scaled.getpixel((0, 0)) if path.stem in SHOWN else _BACKGROUND)
    framed.paste(scaled, ((_THUMBNAIL[0] - scaled.width) // 2, (_THUMBNAIL[1] - scaled.height) // 2))
    for quality in range(90, 30, -10):
        encoded = io.BytesIO()
        framed.save(encoded, "JPEG", quality=quality, optimize=True)
        if encoded.tell() < _LARGEST:
            break
    path.write_bytes(encoded.getvalue())


def _screenshot(page: Page, name: str, screen: list[float]) -> Image.Image:
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    left, top, right, bottom = screen
    margin = 12
    image = Image.open(SCREENSHOTS / f"{name}.png")
    return image.crop(
        (
            max(0, round(left) - margin),
            max(0, round(top) - margin),
            min(_WINDOW[0], round(right) + margin),
            min(_WINDOW[1], round(bottom) + margin),
        )
    )


def _export(page: Page, name: str, nodes: dict[str, Any]) -> None:
    built = json.loads(page.evaluate(BUILD, _for_the_page(name, PLANS[name])))
    workflow, prompt = built["workflow"], built["prompt"]
    theirs = {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in prompt.items()}
    if (ours := to_prompt(workflow, nodes)) != theirs:
        raise RuntimeError(f"{name}: demo/graph.py makes another prompt of it than the front end.\n{ours}\n{theirs}")
    text = json.dumps(workflow, indent=2, ensure_ascii=False)
    (WORKFLOWS / f"{name}.json").write_text(text + "\n", "utf-8")
    image = _screenshot(page, name, built["screen"])
    thumbnail, made = WORKFLOWS / f"{name}.jpg", comfyui.CHECKOUT / "demo" / "output" / SHOWN.get(name, "")
    if made.is_file():
        _thumbnail(Image.open(made), thumbnail)
    elif name not in SHOWN or not thumbnail.exists():
        _thumbnail(image, thumbnail)
    sys.stdout.write(f"workflows/{name}.json\n")


def main(names: list[str]) -> None:
    base = Path(tempfile.mkdtemp(prefix="deradiff-export-"))
    comfyui.prepare(base)
    _empty_files(base / "models")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        with comfyui.Server(base, log=base / "comfyui.log") as server, sync_playwright() as browsers:
            for name, value in _SETTINGS.items():
                server.post(f"/api/settings/{name}", value)
            nodes = server.get("/object_info")
            browser = browsers.chromium.launch(executable_path=chromium, args=_CHROMIUM.split())
            for name in names or PLANS:
                page = browser.new_page(viewport={"width": _WINDOW[0], "height": _WINDOW[1]})
                _open(page, server.url)
                _export(page, name, nodes)
                page.close()
            browser.close()
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
