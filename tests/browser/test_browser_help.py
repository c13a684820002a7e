"""A node's help in the page, in its language and with its image, and the labels of packs in that language."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from support import browser
from support.browser import MODES, comfyui

KIND = "DeRaDiffKSampler"
PAGES = comfyui.CHECKOUT / "js" / "docs"
LANGUAGES = ["en", "fr", "ja", "zh"]  # fr has no page of its own
MERGED = (1, 34, 8)  # since then the front end keeps the labels of packs when it loads a language


def _heading(language: str) -> str:
    own = PAGES / KIND / f"{language}.md"
    text = (own if own.exists() else PAGES / f"{KIND}.md").read_text("utf-8")
    return text.partition("\n## ")[2].partition("\n")[0]


_TITLE = (600, 285)  # a place on the node's title, in pixels of the page


def _alone(page: Page) -> list[str]:
    """One node of the kind alone in the graph: its inputs as they are labelled."""
    return page.evaluate(
        """(kind) => {
          const { app, LiteGraph } = window, { canvas, graph } = app;
          graph.clear();
          const node = LiteGraph.createNode(kind);
          graph.add(node);
          node.pos = [0, 0];
          canvas.ds.scale = 1;
          const { left, top } = canvas.canvas.getBoundingClientRect();
          canvas.ds.offset = [500 - left, 300 - top];
          canvas.setDirty(true, true);
          return node.inputs.map(({ label, localized_name, name }) => label ?? localized_name ?? name);
        }""",
        KIND,
    )


@pytest.fixture(scope="module", params=MODES)
def english(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[Page]:
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield page
    page.context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_info_button_shows_the_help_page_and_its_image(
    english: Page, server: comfyui.Server, language: str, request: pytest.FixtureRequest
) -> None:
    page = english
    server.post("/api/settings/Comfy.Locale", language)
    browser.reload(page)
    labels = _alone(page)
    page.wait_for_timeout(500)  # until the node is drawn
    page.mouse.click(*_TITLE)
    page.get_by_test_id("info-button").first.click()
    content = page.locator(".node-help-content").first
    expect(content.get_by_role("heading", name=_heading(language), exact=True)).to_be_visible()
    expect(content.locator("img").first).to_be_attached()
    page.wait_for_function("() => document.querySelector('.node-help-content img').naturalWidth > 250")
    mode = request.node.callspec.params["english"]
    page.screenshot(path=browser.SCREENSHOTS / f"help-{browser.version(page)[1]}-{mode}-{language}.png")
    if language in ("ja", "zh") and browser.version(page) >= MERGED:
        words = (comfyui.CHECKOUT / "locales" / language / "nodeDefs.json").read_text("utf-8")
        assert json.loads(words)[KIND]["inputs"]["reference"]["name"] in labels
