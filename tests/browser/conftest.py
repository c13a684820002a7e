"""ComfyUI's server in each front end and one Chromium, for all browser tests; the pages of the curve editor and of the sweep viewer,
LiteGraph and Nodes 2.0.
They end with this package: Playwright keeps an event loop running, in which nobody else may start another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support import browser, checkpoints
from support.browser import MODES, comfyui, environment
from support.curve_page import CurvePage
from support.viewer_page import VIEWER, Viewer, prompt

PACKAGE, NEWER = environment.NEWER_FRONT_END.split("==")
FRONT_ENDS = sorted({version(PACKAGE), NEWER})  # ComfyUI's own and the newer one, once if they are the same
# the renderer that `make test` leaves to `make test-pages`, by front end
AGAIN = dict(zip(FRONT_ENDS, reversed(MODES), strict=True)) if FRONT_ENDS[1:] else {}
HERE = Path(__file__).resolve().parent
EVERYWHERE = ("test_browser_run.py", "test_browser_front_end.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` tries every gesture in LiteGraph in the older front end and in Nodes 2.0 in the newer one, in both where there
    is one front end only; runs, undo and widgets, like all of `make test-pages`, in both renderers of both.
    """
    for item in items:
        if item.path.parent == HERE and item.path.name not in EVERYWHERE and isinstance(item, pytest.Function):
            values = item.callspec.params.values() if hasattr(item, "callspec") else ()
            if any(front_end in values and renderer in values for front_end, renderer in AGAIN.items()):
                item.add_marker(pytest.mark.again)


@pytest.fixture(scope="package")
def servers() -> Iterator[dict[str, comfyui.Server]]:
    """The servers that run, by front end: the tests come in an order that would start them again and again."""
    started: dict[str, comfyui.Server] = {}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(scope="package", params=FRONT_ENDS)
def server(request: pytest.FixtureRequest, servers: dict[str, comfyui.Server]) -> comfyui.Server:
    if request.param not in servers:
        base = checkpoints.installed()
        other = None if request.param == version(PACKAGE) else environment.front_end(sys.executable)
        own = base / f"browser-{request.param}"  # the other front end's tests may run beside these, in another language
        own.mkdir(exist_ok=True)
        started = comfyui.Server(base, log=own / "server.log", front_end=other, user=own)
        started.start()
        servers[request.param] = started
    return servers[request.param]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    browser.SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with browser.launched() as launched:
        yield launched


@pytest.fixture(scope="package", params=MODES)
def opened(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[CurvePage]:
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    yield CurvePage(page, request.param)
    page.context.close()


@pytest.fixture
def curve(opened: CurvePage) -> CurvePage:
    """The page with its graph as at first."""
    opened.reset()
    return opened


@pytest.fixture(scope="package", params=MODES)
def viewer(request: pytest.FixtureRequest, server: comfyui.Server, chromium: Browser) -> Iterator[Viewer]:
    """The viewer in the page after one run, whose graph has one sampler."""
    page = browser.opened(chromium, server, Comfy_VueNodes_Enabled=request.param == "nodes2")
    browser.load(page, prompt(1), "one")
    found = Viewer(page, request.param)
    browser.frame(page, VIEWER)
    expect(found.part(".message")).to_have_text("Queue the workflow to see the sweep here.")
    found.screenshot("empty")
    browser.queue(page)
    yield found
    page.context.close()
