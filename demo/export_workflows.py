"""Write the workflows, their thumbnails and the blueprint: each is built in ComfyUI's own front end, in a headless Chromium.
For development: python demo/export_workflows.py [name ...].
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

import beyond_plans
import browser_setup
import chain_plans
import comfyui
import field_plans
import find_plans
import public_names
import sweep_plans
import thumbnails
import workflow_plans
from graph import to_prompt
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from workflow_files import DPO_LORA
from workflow_nodes import Group, Plan

_MODULES = (workflow_plans, chain_plans, sweep_plans, find_plans, field_plans, beyond_plans)
PLANS: dict[Path, dict[str, Plan]] = {
    comfyui.SHIPPED: {name: plan for module in _MODULES for name, plan in module.PLANS.items()},
    comfyui.DEMO: {name: plan for module in _MODULES for name, plan in module.DEMO_PLANS.items()},
}  # by the folder that they are written into
BUILD = Path(__file__).with_suffix(".js").read_text("utf-8")
BLUEPRINT = "DPO KSampler"
BUILD_BLUEPRINT = Path(__file__).with_name("export_blueprint.js").read_text("utf-8")

_WINDOW = {"width": 1920, "height": 1080}
_CHROMIUM = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.VueNodes.Enabled": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
}


def _described(group: Group) -> dict[str, Any]:
    return {**dataclasses.asdict(group), "colour": group.colour}


def _identified(name: str) -> dict[str, str]:
    """An id that stays the same, and the pack's version."""
    settings = (comfyui.CHECKOUT / "pyproject.toml").read_text("utf-8")
    version = re.findall(r'^version = "(.+)"', settings, re.MULTILINE)[0]
    return {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"deradiff/{name}")), "version": version}


def _for_the_page(name: str, plan: Plan) -> dict[str, Any]:
    stacks = [[_described(group) for group in stack] for stack in plan.stacks]
    return {**_identified(name), "text": plan.text(), "stacks": stacks}


def _export_blueprint(page: Page) -> None:
    """Write subgraphs/: a pair and its sampler as one node, which ComfyUI lists among its blueprints."""
    description = (
        "Samples with a model and an alignment LoRA (DPO, SPO, KTO ...) at the strength lambda: 0 is the model alone, 1 the "
        "LoRA as it was trained. Needs ComfyUI-DeRaDiff."
    )
    plan = {
        **_identified(BLUEPRINT),
        "subgraph": _identified(f"{BLUEPRINT}/subgraph")["id"],
        "name": BLUEPRINT,
        "description": description,
        "lora": dataclasses.asdict(DPO_LORA),
    }
    saved = json.loads(page.evaluate(BUILD_BLUEPRINT, plan))
    folder = comfyui.CHECKOUT / "subgraphs"
    folder.mkdir(exist_ok=True)
    (folder / f"{BLUEPRINT}.json").write_text(json.dumps(saved, indent=2) + "\n", "utf-8")


def _declared(node: dict[str, Any], nodes: dict[str, Any]) -> dict[str, Any]:
    """A node of a prompt without the widgets that the page adds by itself, such as the text that Preview as Text shows."""
    known = {name for part in nodes[node["class_type"]]["input"].values() for name in part}
    inputs = {name: value for name, value in node["inputs"].items() if name in known}
    return {"class_type": node["class_type"], "inputs": inputs}


def _export(page: Page, folder: Path, name: str, nodes: dict[str, Any]) -> dict[str, Any]:
    """Build a plan in the page and write it down: the workflow as the page saves it."""
    built = json.loads(page.evaluate(BUILD, _for_the_page(name, PLANS[folder][name])))
    workflow, prompt = built["workflow"], built["prompt"]
    theirs = {key: _declared(node, nodes) for key, node in prompt.items()}
    if (ours := to_prompt(workflow, nodes)) != theirs:
        raise RuntimeError(f"{name}: demo/graph.py makes another prompt of it than the front end.\n{ours}\n{theirs}")
    text = json.dumps(workflow, indent=2, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", "utf-8")
    return workflow


def launched(browsers: Playwright) -> Browser:
    """A Chromium, with time to start on a busy machine."""
    found = browser_setup.found(sys.executable)
    return browsers.chromium.launch(executable_path=found, args=_CHROMIUM.split(), timeout=600_000)


def _build_all(server: comfyui.Server, wanted: list[str]) -> dict[Path, dict[str, Any]]:
    """The workflows with these names, all without one, by the path without suffix that they are written to."""
    for name, value in SETTINGS.items():
        server.post(f"/api/settings/{name}", value)
    nodes, built = server.get("/object_info"), {}
    with sync_playwright() as browsers:
        chromium = launched(browsers)
        page = chromium.new_page(viewport=_WINDOW)
        page.set_default_timeout(600_000)
        page.goto(server.url)
        page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph")
        page.wait_for_timeout(1500)
        for folder, plans in PLANS.items():
            for name in plans:
                if not wanted or name in wanted:
                    built[folder / name] = _export(page, folder, name, nodes)
                    sys.stdout.write(f"{folder / name}.json\n")
        if not wanted or BLUEPRINT in wanted:
            _export_blueprint(page)
        chromium.close()
    return built


def main(wanted: list[str]) -> None:
    base = comfyui.base_directory("export")
    comfyui.prepare(base)
    public_names.prepare(base / "models")
    for folder in PLANS:
        folder.mkdir(parents=True, exist_ok=True)
    with comfyui.Server(base, log=base / "comfyui.log") as server:
        built = _build_all(server, wanted)
        for path, workflow in built.items():
            thumbnails.draw(server, workflow, path)
            sys.stdout.write(f"{path}.jpg\n")


if __name__ == "__main__":
    main(sys.argv[1:])
