"""Draw the images of the help pages: every node of the pack as it stands in ComfyUI's page (Nodes 2.0, the newer front end).
For development: python demo/export_help_images.py [node id ...].
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import comfyui
import environment
import export_workflows
import public_names
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, sync_playwright
from workflow_files import DPO, SD15, SD15_UNET

FOLDER = comfyui.CHECKOUT / "js" / "docs" / "images"
SHOWN = {
    comfyui.DEMO / "Find lambda (demo pair).json": {"DeRaDiffFindLambda"},
    comfyui.DEMO / "Choose lambda (demo pair).json": set(),
}  # the workflow that a node is shown in; the last is that of all others
RESULTS = {"DeRaDiffSweepViewer", "DeRaDiffFindLambda"}  # nodes that are nothing without a run
VALUES = {
    "DeRaDiffLoadCheckpointPair": {"reference": SD15.name, "aligned": f"{DPO.directory}/{DPO.name}"},
    "DeRaDiffLoadDiffusionPair": {"reference": SD15_UNET.name, "aligned": DPO.name},
    "DeRaDiffLambdaFromBeta": {"target_beta": 10000},
    "DeRaDiffGuard": {},
    "DeRaDiffPromptSet": {"prompts": "a red fox in fresh snow\na glass bottle that holds a ship"},
    "DeRaDiffLambdaSchedule": {"curve": "[[0, 0.2], [0.35, 1], [1, 0.3]]"},
}  # of the nodes that their workflow does not have

_WIDTH, _COLOURS, _MARGIN = 400, 128, 8
_SETTINGS = {"Comfy.VueNodes.Enabled": True, "Comfy.VueNodes.ShowBanner": False, "Comfy.Locale": "en"}
_FRAME = """async ([kind, values]) => {
  const { app, LiteGraph } = window, { canvas, graph } = app;
  let node = graph.nodes.find((each) => each.type === kind);
  if (!node) {
    graph.nodes.filter(({ flags }) => flags.made).forEach((each) => graph.remove(each));
    node = LiteGraph.createNode(kind);
    node.pos = [-3000, 0];
    node.flags.made = true;
    graph.add(node);
    node.setSize([WIDTH, node.computeSize()[1]]);
    for (const widget of node.widgets) {
      if (!(widget.name in values)) continue;
      widget.value = values[widget.name];
      widget.callback?.(widget.value);
    }
  }
  node.title = LiteGraph.registered_node_types[kind].title;
  canvas.deselectAll();
  canvas.ds.scale = 1;
  canvas.ds.offset = [150 - node.pos[0], 150 - node.pos[1]];
  canvas.setDirty(true, true);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return String(node.id);
}""".replace("WIDTH", str(_WIDTH))
_QUEUE = """async () => {
  const { api } = window.app;
  const ended = new Promise((resolve, reject) => {
    api.addEventListener("execution_success", resolve);
    api.addEventListener("execution_error", ({ detail }) => reject(new Error(JSON.stringify(detail))));
  });
  await window.app.queuePrompt(0);
  await ended;
}"""


def _opened(page: Page, server: comfyui.Server) -> None:
    page.set_default_timeout(900_000)
    page.goto(server.url)
    page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph")
    page.add_style_tag(content="[data-testid='node-badge'], [data-testid='toast'], .p-toast-message { display: none; }")


def _around(node: Locator) -> FloatRect:
    """Its box with a margin, in which its sockets lie."""
    box = node.bounding_box()
    assert box is not None
    return {
        "x": box["x"] - _MARGIN,
        "y": box["y"] - _MARGIN,
        "width": box["width"] + 2 * _MARGIN,
        "height": box["height"] + 2 * _MARGIN,
    }


def _saved(drawn: bytes, kind: str) -> None:
    """As a PNG of few colours."""
    image = Image.open(io.BytesIO(drawn)).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{kind}.png", optimize=True)
    sys.stdout.write(f"{FOLDER / kind}.png\n")


def _kinds(nodes: dict[str, Any], wanted: list[str]) -> dict[Path, list[str]]:
    """The nodes that are wanted, all without any, by the workflow that they are shown in."""
    kinds = [kind for kind in nodes if kind.startswith("DeRaDiff") and (not wanted or kind in wanted)]
    own = set().union(*SHOWN.values())
    return {
        path: [kind for kind in kinds if kind in theirs or not (theirs or kind in own)]
        for path, theirs in SHOWN.items()
    }


def _draw(page: Page, path: Path, kinds: list[str]) -> None:
    page.evaluate("workflow => window.app.loadGraphData(workflow)", json.loads(path.read_text("utf-8")))
    has_run = False
    for kind in sorted(kinds, key=RESULTS.__contains__):
        if kind in RESULTS and not has_run:
            page.evaluate(_QUEUE)  # after it, other nodes show previews and warnings too
            has_run = True
        number = page.evaluate(_FRAME, [kind, VALUES.get(kind, {})])
        _saved(page.screenshot(clip=_around(page.locator(f'[data-node-id="{number}"]'))), kind)


def main(wanted: list[str]) -> None:
    base = comfyui.base_directory("export")
    comfyui.prepare(base)
    public_names.prepare(base / "models")
    FOLDER.mkdir(exist_ok=True)
    other = environment.front_end(sys.executable)
    with comfyui.Server(base, log=base / "comfyui.log", front_end=other) as server, sync_playwright() as browsers:
        for name, value in {**export_workflows.SETTINGS, **_SETTINGS}.items():
            server.post(f"/api/settings/{name}", value)
        chromium = export_workflows.launched(browsers)
        page = chromium.new_page(viewport={"width": 900, "height": 1300})
        _opened(page, server)
        for path, kinds in _kinds(server.get("/object_info"), wanted).items():
            if kinds:
                _draw(page, path, kinds)
        chromium.close()


if __name__ == "__main__":
    main(sys.argv[1:])
