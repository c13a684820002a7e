"""A graph with a sweep viewer in it, and the viewer in the page by its parts."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from support import browser

LAMBDAS = ["0.00", "0.25", "0.50", "1.00"]
VIEWER, SAMPLER, OTHER = 10, 12, 13
SEED = 3


def _sampler(weight: float) -> dict[str, Any]:
    inputs = {"reference": ["2", 0], "aligned": ["2", 1], "lambda": weight, "seed": SEED, "steps": 1, "cfg": 2.0}
    inputs |= {"sampler_name": "euler", "scheduler": "normal", "positive": ["3", 0], "negative": ["4", 0]}
    inputs |= {"latent_image": ["5", 0], "denoise": 1.0, "evaluation": "exact"}
    return {"class_type": "DeRaDiffKSampler", "inputs": inputs}


def prompt(samplers: int) -> dict[str, Any]:
    """A sweep of four lambdas and two samples, scored and shown, and realigning samplers that lead nowhere."""
    sweep = {key: value for key, value in _sampler(0)["inputs"].items() if key != "lambda"}
    sweep |= {"lambdas": "0.5, 0, 0.25, 1", "steps": 2, "baseline": True}
    nodes: dict[str, tuple[str, dict[str, Any]]] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "deradiff_demo.safetensors"}),
        "2": (
            "DeRaDiffLoadLoraPair",
            {"model": ["1", 0], "lora": "deradiff_demo_dpo.safetensors", "strength": 1.0},
        ),
        "3": ("CLIPTextEncode", {"clip": ["1", 1], "text": "a red circle"}),
        "4": ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
        "5": ("EmptyLatentImage", {"width": 96, "height": 64, "batch_size": 2}),
        "6": ("DeRaDiffLambdaSweep", sweep),
        "7": ("VAEDecode", {"samples": ["6", 0], "vae": ["1", 2]}),
        "8": ("DeRaDiffLoadScorer", {"scorer": "colourfulness (built in)", "kind": "auto"}),
        "9": (
            "DeRaDiffScoreImages",
            {"images": ["7", 0], "prompt": "", "scorer": ["8", 0], "weight": 1.0, "scale": "raw"},
        ),
        "10": ("DeRaDiffSweepViewer", {"images": ["7", 0], "sweep": ["6", 1], "scores": ["9", 0]}),
    }
    made = {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}
    return made | {str(SAMPLER + index): _sampler(0.5) for index in range(samplers)}


def one_run(seed: int) -> dict[str, Any]:
    """A realigning sampler whose KL is shown, so that it can be queued. seed: a new one, as ComfyUI tells nothing of what it has cached."""
    kept = {key: node for key, node in prompt(1).items() if key in ("1", "2", "3", "4", "5", str(SAMPLER))}
    kept[str(SAMPLER)]["inputs"] |= {"steps": 4, "seed": seed, "evaluation": "reuse", "reuse_tolerance": 10.0}
    return kept | {"13": {"class_type": "PreviewAny", "inputs": {"source": [str(SAMPLER), 1]}}}


class Viewer:
    """The viewer of a page, by its parts."""

    def __init__(self, page: Page, mode: str) -> None:
        self.page, self.mode = page, mode
        self.root = page.locator(".deradiff-sweep").first

    def part(self, selector: str) -> Locator:
        return self.root.locator(selector)

    @property
    def slider(self) -> Locator:
        return self.part("input[type=range]")

    def shows(self, weight: str) -> None:
        """Everything says that this lambda is shown, and its image is there."""
        expect(self.part(".readout")).to_contain_text(f"λ = {weight}")
        expect(self.part(".shown-tag")).to_contain_text(f"λ = {weight}")
        expect(self.slider).to_have_attribute("aria-valuetext", f"λ = {weight}")
        expect(self.part(".thumbs [aria-current=true] span")).to_have_text(weight)
        assert self.image() == self.part(".thumbs [aria-current=true] img").get_attribute("src")
        expect(self.part(".message")).to_be_hidden()

    def image(self) -> str | None:
        """The path of the only image that is seen."""
        return self.part(".stage img:visible").get_attribute("src")

    def widget(self, node: int) -> float:
        found = "id => window.app.graph.getNodeById(id).widgets.find(w => w.name === 'lambda').value"
        return self.page.evaluate(found, node)

    def sent(self, node: int) -> float:
        """The node's lambda in the prompt that the front end would queue; nodes that lead nowhere are in it too."""
        find = "async id => (await window.app.graphToPrompt()).output[id].inputs.lambda"
        return self.page.evaluate(find, str(node))

    def position(self) -> list[float]:
        return self.page.evaluate(f"[...window.app.graph.getNodeById({VIEWER}).pos]")

    def choose(self, weight: str) -> None:
        self.part(f".thumbs button:has(span:text-is('{weight}'))").click()
        self.shows(weight)

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.app.extensionManager.command.execute(name)", name)

    def add_sampler(self, title: str) -> None:
        """A second realigning node: number OTHER, not connected to anything."""
        add = """([id, title]) => {
          const node = window.LiteGraph.createNode("DeRaDiffKSamplerAdvanced");
          Object.assign(node, { id, title, pos: [0, -1500] });
          window.app.graph.add(node);
        }"""
        self.page.evaluate(add, [OTHER, title])

    def link_number(self, node: int, name: str, value: float = 0.0) -> None:
        """Connect a new node that holds this number to an input."""
        link = """([id, name, value]) => {
          const { graph } = window.app;
          const node = graph.getNodeById(id);
          const number = window.LiteGraph.createNode("PrimitiveFloat");
          graph.add(number);
          number.pos = [0, -900];
          number.widgets[0].value = value;
          number.connect(0, node, node.inputs.findIndex((slot) => slot.name === name));
        }"""
        self.page.evaluate(link, [node, name, value])

    def saved(self) -> dict[str, Any]:
        return self.page.evaluate("() => JSON.parse(JSON.stringify(window.app.graph.serialize()))")

    def load(self, workflow: dict[str, Any]) -> None:
        browser.load_workflow(self.page, workflow)
        browser.frame(self.page, VIEWER)

    def wrap(self) -> None:
        """Put the viewer into a subgraph, and open that."""
        wrap = """(id) => {
          const { canvas, graph } = window.app;
          const { subgraph } = graph.convertToSubgraph(new Set([graph.getNodeById(id)]));
          canvas.setGraph(subgraph);
          return Number(subgraph.nodes[0].id);
        }"""
        browser.frame(self.page, self.page.evaluate(wrap, VIEWER))

    def screenshot(self, name: str) -> None:
        self.page.mouse.move(5, 700)
        self.page.screenshot(path=browser.SCREENSHOTS / f"{self.mode}_{name}.png")
