"""Draw the images of the help pages: every node of the pack as it stands in ComfyUI's page (Nodes 2.0, the newer front end).
For development: python demo/export_help_images.py [node id ...].
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import comfyui
import environment
import export_workflows
import public_names
from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = comfyui.CHECKOUT / "js" / "docs" / "images"
SHOWN = comfyui.DEMO / "Choose lambda (demo pair).json"  # whose nodes are shown with what they made

_WIDTH, _COLOURS = 400, 64
_SETTINGS = {"Comfy.VueNodes.Enabled": True, "Comfy.VueNodes.ShowBanner": False, "Comfy.Locale": "en"}
_FRAME = """async (kind) => {
  const { app, LiteGraph } = window, { canvas, graph } = app;
  let node = graph.nodes.find((each) => each.type === kind);
  if (!node) {
    node = LiteGraph.createNode(kind);
    node.pos = [-3000, 0];
    graph.add(node);
    node.setSize([WIDTH, node.computeSize()[1]]);
  }
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
    page.add_style_tag(content="[data-testid='node-badge'] { display: none; }")
    page.evaluate("workflow => window.app.loadGraphData(workflow)", json.loads(SHOWN.read_text("utf-8")))


def _saved(drawn: bytes, kind: str) -> None:
    """As a PNG of few colours."""
    image = Image.open(io.BytesIO(drawn)).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{kind}.png", optimize=True)
    sys.stdout.write(f"{FOLDER / kind}.png\n")


def _kinds(nodes: dict[str, Any], wanted: list[str]) -> list[str]:
    return [kind for kind in nodes if kind.startswith("DeRaDiff") and (not wanted or kind in wanted)]


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
        page.evaluate(_QUEUE)
        for kind in _kinds(server.get("/object_info"), wanted):
            number = page.evaluate(_FRAME, kind)
            _saved(page.locator(f'[data-node-id="{number}"]').screenshot(), kind)
        chromium.close()


if __name__ == "__main__":
    main(sys.argv[1:])
