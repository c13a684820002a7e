"""ComfyUI's own front end in a headless Chromium: open it, build a graph from an API prompt, queue it, wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

import browser_setup  # noqa: E402
import comfyui  # noqa: E402
import environment  # noqa: E402, F401 (for the fixtures)

WINDOW = {"width": 1500, "height": 1000}
SCREENSHOTS = ROOT / "demo" / "output" / "viewer"
ARGUMENTS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
SETTINGS = {
    "Comfy.Locale": "en",
    "Comfy.TutorialCompleted": True,
    "Comfy.VueNodes.ShowBanner": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Workflow.Persist": False,
    "Comfy.Pointer.DoubleClickTime": 1000,  # milliseconds: a busy machine's two clicks are to count as a double click
}
SCRIPTS = f"/extensions/{comfyui.PACK}/"
MODES = ["litegraph", "nodes2"]
LIMIT = 60_000  # milliseconds, on a busy machine
LOADING = 120_000  # the page for the first time, on a busy machine


def chromium() -> str:
    """The browser's path, found as demo/browser_setup.py does. Raises SetUpError that says what to install."""
    return browser_setup.found(sys.executable)


@contextmanager
def launched() -> Iterator[Browser]:
    expect.set_options(timeout=LIMIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS.split())
        yield browser
        browser.close()


_said: WeakKeyDictionary[Page, list[str]] = WeakKeyDictionary()


def _listen(page: Page) -> None:
    """Collect the page's warnings, errors and exceptions that have one of the pack's scripts among their callers."""
    said = _said[page] = []
    session = page.context.new_cdp_session(page)

    def hear(text: str, trace: dict[str, Any] | None) -> None:
        callers = [frame["url"] for frame in (trace or {}).get("callFrames", [])]
        if any(SCRIPTS in url for url in callers):
            said.append(text)

    def printed(event: dict[str, Any]) -> None:
        if event["type"] in ("warning", "error", "assert"):
            parts = [str(part.get("value") or part.get("description")) for part in event["args"]]
            hear(" ".join(parts), event.get("stackTrace"))

    def thrown(event: dict[str, Any]) -> None:
        details = event["exceptionDetails"]
        hear(details.get("exception", {}).get("description") or details["text"], details.get("stackTrace"))

    session.on("Runtime.consoleAPICalled", printed)
    session.on("Runtime.exceptionThrown", thrown)
    session.send("Runtime.enable")


def complaints(page: Page) -> list[str]:
    """What the page's console has said of the pack's scripts since this was asked last."""
    page.evaluate("() => null")  # the messages that are on their way come before its answer
    found, _said[page][:] = [*_said[page]], []
    return found


def version(page: Page) -> tuple[int, ...]:
    """The front end's."""
    return tuple(map(int, page.evaluate("window.__COMFYUI_FRONTEND_VERSION__").split(".")))


def alive(page: Page, script: str, name: str) -> int:
    """How many objects of a class of the pack's are in the page's memory, after a collection of what nothing holds."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    find = f"import('{SCRIPTS}{script}.js').then((module) => module.{name}.prototype)"
    prototype = session.send("Runtime.evaluate", {"expression": find, "awaitPromise": True})["result"]["objectId"]
    objects = session.send("Runtime.queryObjects", {"prototypeObjectId": prototype})["objects"]["objectId"]
    count = "function () { return this.length; }"
    asked = {"functionDeclaration": count, "objectId": objects, "returnByValue": True}
    found = session.send("Runtime.callFunctionOn", asked)["result"]["value"]
    session.detach()
    return found


def opened(browser: Browser, server: comfyui.Server, **settings: Any) -> Page:
    """ComfyUI's page in a context of its own, with these settings (their names with _ for .), empty and ready."""
    for name, value in {**SETTINGS, **{key.replace("_", "."): value for key, value in settings.items()}}.items():
        server.post(f"/api/settings/{name}", value)
    page = browser.new_context(viewport=WINDOW).new_page()
    page.set_default_timeout(LIMIT)
    _listen(page)
    page.goto(server.url, timeout=LOADING)
    _wait(page)
    return page


def reload(page: Page) -> None:
    """The page anew, as its reader does it."""
    page.reload(timeout=LOADING)
    _wait(page)


def _wait(page: Page) -> None:
    page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph", timeout=LOADING)
    page.evaluate(
        "() => (window.LiteGraph.alwaysRepeatWarnings = true)"
    )  # otherwise ComfyUI's own use is warned of, not ours
    page.wait_for_timeout(500)


def load(page: Page, prompt: dict[str, Any], name: str) -> None:
    """The graph of an API prompt in the current tab, its nodes well apart and its seeds fixed."""
    build = """async ([prompt, name]) => {
      await window.app.loadApiJson(prompt, name);
      window.app.graph.nodes.forEach((node, i) => (node.pos = [700 * (i % 4), 900 * Math.floor(i / 4)]));
      const widgets = window.app.graph.nodes.flatMap((node) => node.widgets ?? []);
      widgets.filter((widget) => widget.name === "control_after_generate").forEach((widget) => (widget.value = "fixed"));
      await window.app.loadGraphData(JSON.parse(JSON.stringify(window.app.graph.serialize())));
    }"""
    page.evaluate(build, [prompt, name])


def load_workflow(page: Page, workflow: dict[str, Any]) -> None:
    """A saved workflow in place of the one in the current tab: with every further tab the page becomes slower."""
    page.evaluate(
        """async (workflow) => {
          const tab = window.app.extensionManager.workflow.activeWorkflow;
          await window.app.loadGraphData(workflow, true, true, tab);
        }""",
        workflow,
    )


def queue(page: Page) -> dict[str, Any]:
    """Queue the graph for real and wait for its end: the server's history of it. Raises RuntimeError if it fails."""
    run = """async () => {
      const { api } = window.app;
      const ended = new Promise((resolve) => {
        const types = ["execution_success", "execution_error", "execution_interrupted"];
        const hear = (event) => {
          types.forEach((type) => api.removeEventListener(type, hear));
          resolve({ type: event.type, ...event.detail });
        };
        types.forEach((type) => api.addEventListener(type, hear));
      });
      await window.app.queuePrompt(0);
      const errors = window.app.lastNodeErrors ?? {};
      if (Object.keys(errors).length) return { type: "refused", errors };
      return JSON.parse(JSON.stringify(await ended));
    }"""
    result = page.evaluate(run)
    if result["type"] != "execution_success":
        raise RuntimeError(f"The run ended with {result}")
    return result


def frame(page: Page, node: int, zoom: float = 1.0) -> None:
    """Move the canvas so that the node, in the graph that is open or else in the outermost, lies at the upper left."""
    page.evaluate(
        """([id, zoom]) => {
          const { canvas } = window.app;
          if (!canvas.graph.getNodeById(id)) canvas.setGraph(window.app.rootGraph ?? window.app.graph);
          const node = canvas.graph.getNodeById(id);
          canvas.ds.scale = zoom;
          canvas.ds.offset = [120 / zoom - node.pos[0], 190 / zoom - node.pos[1]];
          canvas.setDirty(true, true);
        }""",
        [node, zoom],
    )
    page.wait_for_timeout(400)
