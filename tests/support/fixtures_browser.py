"""ComfyUI's server in each front end and one Chromium, for all browser tests; the curve editor's page, LiteGraph and Nodes 2.0."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from playwright.sync_api import Browser

from support import browser, checkpoints
from support.browser import comfyui, environment
from support.curve_page import CurvePage

PACKAGE, NEWER = environment.NEWER_FRONT_END.split("==")
FRONT_ENDS = sorted({version(PACKAGE), NEWER})  # ComfyUI's own and the newer one, once if they are the same
MODES = ["litegraph", "nodes2"]


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, comfyui.Server]]:
    """The servers that run, by front end: the tests come in an order that would start them again and again."""
    started: dict[str, comfyui.Server] = {}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(scope="session", params=FRONT_ENDS)
def server(request: pytest.FixtureRequest, servers: dict[str, comfyui.Server]) -> comfyui.Server:
    if request.param not in servers:
        base = comfyui.base_directory("standins")
        comfyui.prepare(base)
        checkpoints.write_once(base / "models")
        other = None if request.param == version(PACKAGE) else environment.front_end(sys.executable)
        started = comfyui.Server(base, log=base / f"browser-{request.param}.log", front_end=other)
        started.start()
        servers[request.param] = started
    return servers[request.param]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    browser.SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with browser.launched() as launched:
        yield launched


@pytest.fixture(scope="session", params=MODES)
def opened(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[CurvePage]:
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield CurvePage(page, request.param)
    page.context.close()


@pytest.fixture
def curve(opened: CurvePage) -> CurvePage:
    """The page with its graph as at first."""
    opened.reset()
    return opened
