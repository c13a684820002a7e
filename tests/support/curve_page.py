"""A graph with a lambda schedule in it, and its curve editor in the page by its parts."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from support import browser

SCHEDULE, SHOWN, SAMPLER, BETA, SECOND = 10, 11, 12, 14, 15
START = [[0, 1], [0.5, 0.5], [1, 0]]
HINT = "Click to add a point."

STANDS = """() => {
  const shown = [...document.querySelectorAll(".deradiff-curve")].find((each) => each.checkVisibility());
  const place = JSON.stringify(shown?.getBoundingClientRect());
  const stands = shown && place === window.placeBefore;
  window.placeBefore = place;
  return stands;
}"""


def prompt() -> dict[str, Any]:
    """A schedule that is shown (so that it can be queued without a model), and a sampler that leads nowhere."""
    sampler = {"lambda": 0.5, "seed": 3, "steps": 5, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple"}
    sampler |= {"denoise": 1.0, "evaluation": "exact", "schedule": [str(SCHEDULE), 0]}
    curve = {"curve": json.dumps(START), "interpolation": "linear", "start_percent": 0.0, "end_percent": 1.0}
    nodes = {
        SCHEDULE: ("DeRaDiffLambdaSchedule", curve),
        SHOWN: ("PreviewAny", {"source": [str(SCHEDULE), 0]}),
        SAMPLER: ("DeRaDiffKSampler", sampler),
        BETA: ("DeRaDiffLambdaFromBeta", {"trained_beta": 5000.0, "target_beta": 10000.0}),
    }
    return {str(id_): {"class_type": kind, "inputs": inputs} for id_, (kind, inputs) in nodes.items()}


class CurvePage:
    """The graph above in a page, and the editor by its parts."""

    def __init__(self, page: Page, mode: str) -> None:
        self.page, self.mode = page, mode
        browser.load(page, prompt(), "curve")
        self.saved = self.serialized()

    def reset(self) -> None:
        """The graph as it was at first."""
        self.load(self.saved)
        self.page.mouse.move(5, 700)
        expect(self.points).to_have_count(len(START))

    def load(self, workflow: dict[str, Any], shown: int = SCHEDULE) -> None:
        browser.load_workflow(self.page, workflow)
        browser.frame(self.page, shown)

    def part(self, selector: str) -> Locator:
        return self.page.locator(".deradiff-curve:visible").first.locator(selector)

    @property
    def points(self) -> Locator:
        return self.part(".point")

    @property
    def readout(self) -> Locator:
        return self.part(".readout")

    def reads(self, pattern: str) -> None:
        """The read-out below the plot is this, in ASCII."""
        signs = {
            "->": "\N{RIGHTWARDS ARROW}",
            " x ": " \N{MULTIPLICATION SIGN} ",
            "lambda": "\N{GREEK SMALL LETTER LAMDA}",
        }
        text = pattern
        for ascii_, sign in signs.items():
            text = text.replace(ascii_, sign)
        expect(self.readout).to_have_text(re.compile(f"^{text}$"))

    def line(self, node: int) -> Locator:
        """The read-out of a node: in Nodes 2.0 inside of its element, in LiteGraph in the widget's."""
        mark = """id => {
          const { element } = window.app.canvas.graph.getNodeById(id).widgets.find((each) => each.name === "lambda_meaning");
          element.dataset.node = id;
        }"""
        self.page.evaluate(mark, node)
        return self.page.locator(f".deradiff-line[data-node='{node}']")

    @property
    def linked(self) -> Locator:
        """What says that the curve is connected: a line, or the editor where the front end goes on showing it."""
        said = self.page.locator(".deradiff-line, .deradiff-curve .message")
        return said.filter(has_text="The curve comes from its input.", visible=True)

    @property
    def fields(self) -> Locator:
        """Where the chosen point's coordinates can be typed."""
        return self.part(".row input")

    @property
    def menu(self) -> Locator:
        return self.part(".menu")

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where in the window a progress and a factor are."""
        while not (edges := self._edges()):
            pass
        left, top, right, bottom = edges
        return left + x * (right - left), bottom - y / 2 * (bottom - top)

    def _edges(self) -> list[float] | None:
        """Of the grid, once it stands still; None where it was drawn anew meanwhile."""
        expect(self.part(".grid")).to_be_visible()
        return self.part(".grid").evaluate(
            """async (grid) => {
              const edges = () => (({ left, top, right, bottom }) => [left, top, right, bottom])(grid.getBoundingClientRect());
              let found = edges();
              for (let still = 0; still < 3; ) { // the page may yet be moving it
                await new Promise(requestAnimationFrame);
                const now = edges();
                still = String(now) === String(found) ? still + 1 : 0;
                found = now;
              }
              return grid.checkVisibility() ? found : null;
            }"""
        )

    def go(self, x: float, y: float, steps: int = 1) -> None:
        self.page.mouse.move(*self.place(x, y), steps=steps)

    def fills(self) -> bool:
        """Whether the drawing has the frame's size."""
        measure = """() => {
          const frame = document.querySelector(".deradiff-curve .frame");
          const { width, height } = frame.querySelector("svg").viewBox.baseVal;
          return Math.abs(width - frame.clientWidth) < 2 && Math.abs(height - frame.clientHeight) < 2;
        }"""
        return self.page.evaluate(measure)

    def click(self, x: float, y: float, **options: Any) -> None:
        self.page.mouse.click(*self.place(x, y), **options)

    def drag(self, start: tuple[float, float], *stops: tuple[float, float]) -> None:
        self.go(*start)
        self.page.mouse.down()
        for stop in stops:
            self.go(*stop, steps=3)
        self.page.mouse.up()

    def text(self, node: int = SCHEDULE) -> str:
        return self.value(node, "curve")

    def value(self, node: int, name: str) -> Any:
        find = """([id, name]) => {
          const all = [window.app.rootGraph ?? window.app.graph, ...window.app.graph.subgraphs?.values() ?? []];
          const node = all.map((graph) => graph.getNodeById(id)).find(Boolean);
          return node.widgets.find((widget) => widget.name === name).value;
        }"""
        return self.page.evaluate(find, [node, name])

    def set(self, node: int, name: str, value: Any) -> None:
        """As the node's own widget does it."""
        write = """([id, name, value]) => {
          const node = window.app.canvas.graph.getNodeById(id);
          const widget = node.widgets.find((each) => each.name === name);
          widget.value = value;
          widget.callback?.(value, window.app.canvas, node);
        }"""
        self.page.evaluate(write, [node, name, value])

    def has(self, *points: list[float]) -> None:
        """The widget has these points, about, and they are drawn."""
        expect(self.points).to_have_count(len(points))
        found = json.loads(self.text())
        assert len(found) == len(points)
        for (x, y), (fx, fy) in zip(points, found, strict=True):
            assert abs(x - fx) < 0.02 and abs(y - fy) < 0.03, (points, found)

    def sent(self) -> dict[str, Any]:
        """The prompt that the front end would queue."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def serialized(self) -> dict[str, Any]:
        return self.page.evaluate("() => JSON.parse(JSON.stringify(window.app.graph.serialize()))")

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.app.extensionManager.command.execute(name)", name)

    def undo(self) -> None:
        self.page.evaluate(
            "() => document.querySelectorAll('.deradiff-curve').forEach((each) => (each.dataset.undone = true))"
        )
        self.page.keyboard.press("Control+z")
        expect(self.page.locator(".deradiff-curve[data-undone]")).to_have_count(0)  # nodes are made anew
        expect(self.points.first).to_be_visible()
        self.page.wait_for_function(STANDS, polling=100)  # LiteGraph has yet to move it to its place

    def position(self, node: int = SCHEDULE) -> list[float]:
        return self.page.evaluate("id => [...window.app.canvas.graph.getNodeById(id).pos]", node)

    def link(self, kind: str, node: int, name: str) -> None:
        """A new node of this kind (number SECOND), whose first output goes to the input."""
        add = """([kind, id, name, second]) => {
          const { graph } = window.app;
          const node = graph.getNodeById(id);
          const made = Object.assign(window.LiteGraph.createNode(kind), { id: second, pos: [0, -600] });
          graph.add(made);
          made.connect(0, node, node.inputs.findIndex((slot) => slot.name === name));
        }"""
        self.page.evaluate(add, [kind, node, name, SECOND])

    def wrap(self, *nodes: int) -> None:
        """Put the nodes into a subgraph, and open that."""
        wrap = """(ids) => {
          const { canvas, graph } = window.app;
          const { subgraph } = graph.convertToSubgraph(new Set(ids.map((id) => graph.getNodeById(id))));
          canvas.setGraph(subgraph);
        }"""
        self.page.evaluate(wrap, [*nodes])

    def promote(self, node: int, name: str) -> int:
        """Make a widget of the open subgraph an input of it, and open the graph around: the subgraph's node in there."""
        promote = """([id, name]) => {
          const { canvas } = window.app;
          const subgraph = canvas.graph;
          const node = subgraph.getNodeById(id);
          subgraph.addInput(name, "STRING").connect(node.inputs.find((slot) => slot.name === name), node);
          canvas.setGraph(window.app.rootGraph);
          const history = window.app.extensionManager.workflow.activeWorkflow.changeTracker;
          (history.captureCanvasState ?? history.checkState).call(history); // so that undo comes back to here
          return Number(window.app.rootGraph.nodes.find((each) => each.subgraph === subgraph).id);
        }"""
        return self.page.evaluate(promote, [node, name])

    def enter(self, host: int) -> None:
        """Open the subgraph of this node."""
        self.page.evaluate("id => window.app.canvas.setGraph(window.app.rootGraph.getNodeById(id).subgraph)", host)

    def remove(self, node: int) -> None:
        self.page.evaluate("id => window.app.graph.remove(window.app.graph.getNodeById(id))", node)

    def module(self, name: str, body: str, argument: Any = None) -> Any:
        """What a function of (module, argument) returns, given one of the pack's pure modules in this browser."""
        run = "async ([url, argument]) => (" + body + ")(await import(url), argument)"
        return self.page.evaluate(run, [f"/extensions/{browser.comfyui.PACK}/{name}.js", argument])
