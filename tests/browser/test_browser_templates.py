"""The workflows in the page: titles and thumbnails in the template browser, room around every node, the choice of lambda, the blueprint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support import boxes, browser
from support.browser import MODES, comfyui
from support.curve_page import CurvePage
from support.viewer_page import Viewer

SHIPPED = sorted(comfyui.SHIPPED.glob("*.json"))
WORKFLOWS = sorted(
    [*SHIPPED, *comfyui.DEMO.glob("*.json")],
    key=lambda path: ("LoadImage" in path.read_text("utf-8"), path.parent.name, path.stem),
)  # what loads an image last: ComfyUI shows it on the next workflow's node of that number
CHOOSING = comfyui.DEMO / "Choose lambda (demo pair).json"
BLUEPRINT = next((comfyui.CHECKOUT / "subgraphs").glob("*.json"))
SMALL = {"steps": 2, "batch_size": 1, "lambdas": "0, 0.5, 1", "baseline": False}

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def _workflow(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module", params=MODES)
def untouched(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[CurvePage]:
    """A page in which nothing ran: a node shows the images of the one that had its number before."""
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield CurvePage(page, request.param)
    page.context.close()


_NOT_OFFERED = """() => window.app.graph.nodes.flatMap((node) => (node.widgets ?? [])
  .filter(({ value, options }) => Array.isArray(options?.values) && !options.values.includes(value))
  .map(({ name, value }) => `${node.type}.${name}: ${value}`))"""


@every_workflow
def test_an_opened_workflow_has_room_around_every_node_and_knows_every_value(untouched: CurvePage, path: Path) -> None:
    """A value that its list lacks would make the page say that a model is missing which is there."""
    page = untouched.page
    page.evaluate("window.app.clean()")
    browser.load_workflow(page, _workflow(path))
    assert page.evaluate(_NOT_OFFERED) == []
    boxes.show_all(page)
    found = boxes.measured(page)
    front_end = ".".join(map(str, browser.version(page)))
    page.screenshot(path=browser.SCREENSHOTS / f"template-{path.stem}-{front_end}-{untouched.mode}.png")
    assert len(found["nodes"]) == len(_workflow(path)["nodes"])
    assert list(boxes.overlaps(found["nodes"])) == []
    for node in found["nodes"]:
        frames = [frame for frame in found["groups"] if boxes.inside(node["box"], frame)]
        assert len(frames) == (node["kind"] != "MarkdownNote"), (node["name"], node["box"], found["groups"])


@pytest.fixture(params=MODES)
def page(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[Page]:
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield page
    page.context.close()


def test_the_template_browser_shows_titles_and_thumbnails_and_opens_one(page: Page) -> None:
    page.evaluate("window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text(comfyui.PACK, exact=True).first.click()
    shown = """(name) => [...document.images].filter(({ alt, naturalWidth }) => alt === name && naturalWidth)
      .map(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])[0] ?? null"""
    found = []
    for path in SHIPPED:
        title = page.get_by_text(path.stem, exact=True).first
        expect(title).to_be_visible()
        title.scroll_into_view_if_needed()  # thumbnails are loaded when they are seen
        found.append(page.wait_for_function(shown, arg=path.stem).json_value())
    page.screenshot(path=browser.SCREENSHOTS / f"templates-{browser.version(page)[1]}.png")
    assert all(width == height for width, height in found)
    page.get_by_text(SHIPPED[-1].stem, exact=True).first.click()
    page.wait_for_function(f"() => window.app.graph.nodes.length === {len(_workflow(SHIPPED[-1])['nodes'])}")


def _small(page: Page) -> None:
    """Every widget of the graph that makes a run long, set to less."""
    page.evaluate(
        """(small) => window.app.graph.nodes.flatMap((node) => node.widgets ?? [])
          .filter(({ name }) => name in small).forEach((widget) => (widget.value = small[widget.name]))""",
        SMALL,
    )


def test_use_this_lambda_sets_the_final_run_which_alone_is_repeated(page: Page, request: pytest.FixtureRequest) -> None:
    browser.load_workflow(page, _workflow(CHOOSING))
    _small(page)
    browser.queue(page)
    numbers = """() => Object.fromEntries(window.app.graph.nodes.filter(({ type }) => type.startsWith("DeRaDiff"))
      .map((node) => [node.title, Number(node.id)]))"""
    nodes = page.evaluate(numbers)
    viewer = Viewer(page, request.node.callspec.params["page"])
    browser.frame(page, nodes["Sweep Viewer (DeRaDiff)"])
    viewer.choose("1.00")
    viewer.part(".use").click()
    expect(viewer.part(".status")).to_contain_text("is set in Your choice")
    value = "id => window.app.graph.getNodeById(id).widgets.find(({ name }) => name === 'lambda').value"
    assert page.evaluate(value, nodes["Your choice"]) == 1
    page.evaluate("window.app.api.addEventListener('execution_cached', ({ detail }) => (window.kept = detail.nodes))")
    browser.queue(page)
    kept = set(page.evaluate("window.kept.map(Number)"))
    assert {nodes["Lambda Sweep (DeRaDiff)"], nodes["The rule's choice"]} <= kept
    assert nodes["Your choice"] not in kept


_AROUND = """(settings) => {
  const { graph } = window.app, host = graph.nodes[0];
  const made = (kind, values = {}) => {
    const node = window.LiteGraph.createNode(kind);
    graph.add(node);
    (node.widgets ?? []).forEach((widget) => { if (widget.name in values) widget.value = values[widget.name]; });
    return node;
  };
  const link = (from, output, to, input) =>
    from.connect(from.outputs.findIndex(({ name }) => name === output), to, to.inputs.findIndex(({ name }) => name === input));
  const model = made("CheckpointLoaderSimple", { ckpt_name: "deradiff_demo.safetensors" });
  const [positive, negative] = ["a red circle", ""].map((text) => made("CLIPTextEncode", { text }));
  const latent = made("EmptyLatentImage", { width: 64, height: 64 });
  const decode = made("VAEDecode"), shown = made("PreviewImage"), drift = made("PreviewAny");
  link(model, "MODEL", host, "model");
  [[positive, "positive"], [negative, "negative"]].forEach(([node, input]) => {
    link(model, "CLIP", node, "clip");
    link(node, "CONDITIONING", host, input);
  });
  link(latent, "LATENT", host, "latent_image");
  link(host, "latent", decode, "samples");
  link(model, "VAE", decode, "vae");
  link(decode, "IMAGE", shown, "images");
  link(host, "KL (nats)", drift, "source");
  const set = (name, value) => { host.widgets.find((widget) => widget.name.endsWith(name)).value = value; };
  set("lora", "deradiff_demo_dpo.safetensors");
  set("steps", 2);
  return [shown.id, drift.id].map(String);
}"""


def test_the_blueprint_is_found_placed_and_run(page: Page) -> None:
    page.evaluate("window.app.graph.clear()")
    page.evaluate("window.app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.wait_for_function("() => document.activeElement?.tagName === 'INPUT'")  # else the letters are shortcuts
    page.keyboard.type(BLUEPRINT.stem, delay=30)
    chosen = ".p-autocomplete-option.p-focus, [role=option][aria-selected=true]"  # older front ends, newer ones
    expect(page.locator(chosen)).to_contain_text(BLUEPRINT.stem)  # the list follows the typing a little later
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.app.graph.nodes.length === 1")
    page.mouse.click(500, 400)  # newer front ends carry a new node on the pointer until then
    host = "() => { const [node] = window.app.graph.nodes; return [node.title, node.widgets.map(({ name }) => name.replace(/^\\d+: /, ''))]; }"
    title, widgets = page.evaluate(host)
    assert title == BLUEPRINT.stem
    assert {"lora", "lambda", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"} <= set(widgets)
    image, drift = page.evaluate(_AROUND)
    browser.queue(page)
    assert len(page.evaluate("id => window.app.nodeOutputs[id].images", image)) == 1
    assert float(page.evaluate("id => window.app.nodeOutputs[id].text[0]", drift)) > 0
