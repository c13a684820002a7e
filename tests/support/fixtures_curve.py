"""ComfyUI's server and front end with the curve editor in it, started once for a file; LiteGraph and Nodes 2.0."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support import browser
from support.browser import comfyui
from support.curve_page import CurvePage


@pytest.fixture(scope="module")
def server() -> Iterator[comfyui.Server]:
    base = comfyui.base_directory("curve")
    comfyui.prepare(base)
    with comfyui.Server(base, log=base / "curve.log") as started:
        yield started


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.launched() as launched:
        yield launched


@pytest.fixture(scope="module", params=["litegraph", "nodes2"])
def opened(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[CurvePage]:
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield CurvePage(page, request.param)
    page.context.close()


@pytest.fixture
def curve(opened: CurvePage) -> CurvePage:
    """The page with its graph as at first."""
    opened.reset()
    return opened
