"""The workflows in the page: titles and thumbnails in the template browser, room around every node, and the choice of lambda."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, expect
from support import boxes, browser
from support.browser import MODES, comfyui
from support.curve_page import CurvePage

SHIPPED = sorted(comfyui.SHIPPED.glob("*.json"))
CHOOSING = comfyui.DEMO / "Choose lambda (demo pair).json"
WORKFLOWS = [*SHIPPED, *sorted(comfyui.DEMO.glob("*.json"))]

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def _workflow(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


@every_workflow
def test_no_node_covers_another_or_leaves_its_group(opened: CurvePage, path: Path) -> None:
    browser.load_workflow(opened.page, _workflow(path))
    boxes.show_all(opened.page)
    found = boxes.measured(opened.page)
    opened.page.screenshot(
        path=browser.SCREENSHOTS / f"template-{browser.label(opened.page)}-{opened.mode}-{path.name}.png"
    )
    assert len(found["nodes"]) == len(_workflow(path)["nodes"])
    assert list(boxes.overlaps(found["nodes"])) == []
    for node in found["nodes"]:
        frames = [frame for frame in found["groups"] if boxes.inside(node["box"], frame)]
        assert len(frames) == (node["kind"] != "MarkdownNote"), node["name"]


@pytest.fixture(scope="module", params=MODES)
def page(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator:
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield page
    page.context.close()


def test_the_template_browser_shows_titles_and_thumbnails_and_opens_one(page) -> None:  # noqa: ANN001
    page.evaluate("window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_role("button", name=comfyui.PACK).or_(page.get_by_text(comfyui.PACK, exact=True)).first.click()
    for path in SHIPPED:
        expect(page.get_by_text(path.stem, exact=True).first).to_be_visible()
        image = page.locator("img").filter(has=page.locator(f"xpath=self::*[contains(@src, '{path.stem[:8]}')]")).first
        expect(image).to_be_attached()
    loaded = "() => [...document.images].filter((each) => each.src.includes('workflow_templates/')).map((each) => [each.src, each.naturalWidth, each.naturalHeight])"
    page.wait_for_function(
        f"() => ({loaded})().length >= {len(SHIPPED)} && ({loaded})().every(([, width]) => width > 0)"
    )
    found = page.evaluate(loaded)
    assert {unquote(src).rpartition("/")[2] for src, _, _ in found} == {f"{path.stem}.jpg" for path in SHIPPED}
    assert all(width == height for _, width, height in found)
    page.screenshot(path=browser.SCREENSHOTS / "templates.png")
    page.get_by_text(SHIPPED[0].stem, exact=True).first.click()
    page.wait_for_function(f"() => window.app.graph.nodes.length === {len(_workflow(SHIPPED[0])['nodes'])}")
