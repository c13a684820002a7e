"""The curve of a search for lambda on its node: while the search runs, when it has ended, and after the page was loaded again."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from support import browser
from support.browser import comfyui
from support.curve_page import CurvePage

NODE = "DeRaDiffFindLambda"
FIND = 30
BUDGET = 40
HINT = "The curve appears here while the search runs."
SO_FAR, UNDECIDED = (
    "so far \u03bb = 0.50 (81 %), 12 of 96 images",
    "undecided: \u03bb = 0.50 (81 %), about 60 more images",
)
FOUND: dict[str, Any] = {
    "strengths": [0, 0.25, 0.5, 0.75, 1],
    "middle": [0, 0.1, 0.2, 0.15, 0.05],
    "low": [0, 0.05, 0.12, 0.02, -0.15],
    "high": [0, 0.15, 0.28, 0.28, 0.25],
    "held_out": None,
    "turn": None,
    "dots": [[0, 0.02], [0.5, 0.18], [0.5, 0.25], [1, 0.04]],
    "scorer": "PickScore",
    "confidence": 0.95,
    "images": 12,
    "budget": 96,
    "best": 0.5,
    "chance": 0.81,
    "settled": False,
    "alike": None,
    "more": 60,
}
SECOND = {
    "held_out": {"name": "VQAScore", "middle": [0, 5, 4, 3, 1], "low": [0, 4, 3, 1, -1], "high": [0, 6, 5, 5, 3]},
    "turn": 0.75,
}
SETTLED = {"settled": True, "chance": 0.97, "alike": [0.25, 0.75], "images": 64, "more": None}

RECORD = """() => {
  window.said = [];
  const line = document.querySelector(".deradiff-found .said");
  const dots = () => document.querySelectorAll(".deradiff-found .dots circle").length;
  const hear = () => requestAnimationFrame(() => window.said.push([line.textContent, dots()]));
  new MutationObserver(hear).observe(line, { childList: true });
}"""
SEND = """([node, found]) => {
  const detail = JSON.parse(JSON.stringify({ node, ...found }));
  window.app.api.dispatchEvent(new CustomEvent("deradiff_found", { detail }));
}"""
EXECUTED = """([id, found]) => {
  const output = { deradiff_found: [found] };
  window.app.nodeOutputs[id] = output;
  window.app.graph.getNodeById(id).onExecuted(output);
}"""
LIGHTNESS = """() => { // of the second judge's line, NaN while it is being drawn
  const line = [...document.querySelectorAll(".deradiff-found .held.line")].find((each) => each.checkVisibility());
  return Number(line && getComputedStyle(line).stroke.match(/^oklch\\(([\\d.]+)/)?.[1]);
}"""
CORNER = """id => {
  const box = document.querySelector(`[data-node-id="${id}"]`)?.getBoundingClientRect();
  if (box) return [box.right, box.bottom];
  const { pos, size } = window.app.graph.getNodeById(id);
  const { ds, canvas } = window.app.canvas;
  const { left, top } = canvas.getBoundingClientRect();
  return [left + (pos[0] + size[0] + ds.offset[0]) * ds.scale, top + (pos[1] + size[1] + ds.offset[1]) * ds.scale];
}"""


def _prompt(seed: int) -> dict[str, Any]:
    """A search over three prompts, with a second judge, whose answer is shown. seed: a new one, else the search is not run again."""
    find = {"reference": ["2", 0], "aligned": ["2", 1], "positive": ["4", 0], "negative": ["5", 0], "seed": seed}
    find |= {"steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "latent_image": ["6", 0]}
    find |= {"denoise": 1.0, "vae": ["1", 2], "scorer": ["7", 0], "held_out": ["8", 0], "prompt": ["3", 0]}
    find |= {"lowest": 0.0, "highest": 1.5, "budget": BUDGET, "evaluation": "exact"}
    typed = {"source": "typed below", "prompts": "a red circle\na blue square\na green ring", "n": 0, "seed": 0}
    nodes = {
        1: ("CheckpointLoaderSimple", {"ckpt_name": "deradiff_demo.safetensors"}),
        2: ("DeRaDiffLoadLoraPair", {"model": ["1", 0], "lora": "deradiff_demo_dpo.safetensors", "strength": 1.0}),
        3: ("DeRaDiffPromptSet", typed),
        4: ("CLIPTextEncode", {"clip": ["1", 1], "text": ["3", 0]}),
        5: ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
        6: ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        7: ("DeRaDiffLoadScorer", {"scorer": "warmth (built in)", "kind": "auto"}),
        8: ("DeRaDiffLoadScorer", {"scorer": "colourfulness (built in)", "kind": "auto"}),
        FIND: (NODE, find),
        31: ("PreviewAny", {"source": [str(FIND), 0]}),
    }
    return {str(id_): {"class_type": kind, "inputs": inputs} for id_, (kind, inputs) in nodes.items()}


class Found:
    """The node's curve in a page, by its parts."""

    def __init__(self, curve: CurvePage) -> None:
        self.curve, self.page = curve, curve.page

    def part(self, selector: str) -> Locator:
        return self.page.locator(".deradiff-found:visible").first.locator(selector)

    @property
    def line(self) -> Locator:
        return self.part(".said")

    def sent(self, id_: str = str(FIND), **changes: Any) -> None:
        """A message of a search that runs."""
        self.page.evaluate(SEND, [id_, FOUND | changes])

    def ended(self, **changes: Any) -> None:
        """The results of a search."""
        self.page.evaluate(EXECUTED, [FIND, FOUND | changes])

    def says(self, line: str) -> None:
        """In the line, and to those who do not see the drawing."""
        expect(self.line).to_have_text(line)
        expect(self.part("svg[role=img]")).to_have_attribute("aria-label", line)

    def see(self) -> None:
        """Move the canvas so that the end of the node is in the window, with room below."""
        browser.frame(self.page, FIND)
        _, bottom = self.page.evaluate(CORNER, FIND)
        move = "by => { window.app.canvas.ds.offset[1] += by; window.app.canvas.setDirty(true, true); }"
        self.page.evaluate(move, 600 - bottom)
        self.page.wait_for_timeout(400)

    def resize(self, right: float, down: float) -> None:
        """Drag the node's corner."""
        x, y = (place - 4 for place in self.page.evaluate(CORNER, FIND))
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for part in (0.5, 1):
            self.page.mouse.move(x + part * right, y + part * down, steps=4)
        self.page.mouse.up()
        self.page.mouse.move(5, 700)
        self.page.wait_for_timeout(400)

    def width(self) -> float:
        return self.part("svg").evaluate("svg => svg.viewBox.baseVal.width")

    def fits(self) -> bool:
        """Whether the drawing has its frame's size, with every number inside of it, and the line is not cut off."""
        measure = """(frame) => {
          const svg = frame.querySelector("svg");
          const { left, right, top, bottom } = frame.getBoundingClientRect();
          const { width, height } = svg.viewBox.baseVal;
          const line = frame.parentElement.querySelector(".said");
          const inside = [...svg.querySelectorAll("text")].map((each) => each.getBoundingClientRect())
            .every((box) => box.left >= left && box.right <= right && box.top >= top && box.bottom <= bottom);
          const holder = svg.parentElement;
          const fills = Math.abs(width - holder.clientWidth) < 2 && Math.abs(height - holder.clientHeight) < 2;
          return fills && inside && line.scrollWidth <= line.clientWidth + 1 && line.scrollHeight <= line.clientHeight + 1;
        }"""
        return self.part(".frame").evaluate(measure)

    def screenshot(self, name: str) -> None:
        self.page.screenshot(path=browser.SCREENSHOTS / f"{self.curve.mode}_found_{name}.png")


@pytest.fixture
def found(curve: CurvePage) -> Found:
    """The node alone, before its first run."""
    add = """([kind, id]) => {
      window.app.graph.clear();
      window.app.nodeOutputs = {}; // those of the node with this number before
      window.app.graph.add(Object.assign(window.LiteGraph.createNode(kind), { id, pos: [0, 0] }));
    }"""
    curve.page.evaluate(add, [NODE, FIND])
    made = Found(curve)
    made.see()
    expect(made.part(".message")).to_have_text(HINT)
    return made


@pytest.fixture
def light(found: Found) -> Iterator[Found]:
    choose = "name => window.app.extensionManager.setting.set('Comfy.ColorPalette', name)"
    found.page.evaluate(choose, "light")
    found.page.wait_for_timeout(300)
    yield found
    found.page.evaluate(choose, "dark")
    found.page.wait_for_timeout(300)


def _points(found: Found) -> list[float]:
    """The curve's points from left to right: how high each is, from its lowest, 0, to its highest, 1. The node's height says nothing."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", found.part(".score.line").get_attribute("d") or "")]
    down = numbers[1::2]
    return [(max(down) - each) / (max(down) - min(down)) for each in down]


def test_the_curve_of_a_search_grows_and_ends_with_its_answer(curve: CurvePage, server: comfyui.Server) -> None:
    browser.load(curve.page, _prompt(time.time_ns() % 2**32), "find")
    curve.load(curve.serialized() | {"id": str(uuid.uuid4())}, FIND)  # as workflows that people save have one
    found = Found(curve)
    found.see()
    expect(found.part(".message")).to_have_text(HINT)
    found.screenshot("empty")
    curve.page.evaluate(RECORD)
    browser.queue(curve.page)
    expect(found.line).to_have_text(re.compile("^(\u03bb = |undecided: \u03bb = )"))
    line = found.line.text_content()
    found.says(line)
    found.screenshot("run")
    curve.page.wait_for_function("line => window.said.at(-1)[0] === line", arg=line)
    *running, (_, drawn) = curve.page.evaluate("window.said")
    shown = re.compile(rf"(so far )?\u03bb = .*, (\d+) of {BUDGET} images")
    counts = [int(shown.fullmatch(text)[2]) for text, _ in running]
    assert running[0][0].startswith("so far") and len({*counts}) > 2
    assert [dots for _, dots in running] == counts == sorted(counts) and drawn >= counts[-1], "a dot for every image"
    expect(found.part(".name")).to_have_text([re.compile("^warmth"), re.compile("^colourfulness")])
    shape = _points(found)

    browser.queue(curve.page)  # from the cache
    found.says(line)
    saved = curve.serialized()
    browser.reload(curve.page)
    curve.load(saved, FIND)
    found.says(line)
    found.see()
    assert _points(found) == pytest.approx(shape, abs=0.01)
    assert found.part(".dots circle").count() == drawn
    assert browser.complaints(curve.page) == []


def test_a_second_search_takes_the_place_of_the_first_with_its_first_message(found: Found) -> None:
    found.ended()
    found.says(UNDECIDED)
    found.sent(images=30)
    found.says(SO_FAR.replace("12 of", "30 of"))
    found.page.evaluate("() => (window.app.nodeOutputs = { ...window.app.nodeOutputs })")  # as other nodes' results do
    found.page.wait_for_timeout(300)
    found.says(SO_FAR.replace("12 of", "30 of"))
    found.ended()
    found.says(UNDECIDED)


def test_a_settled_search_marks_what_is_alike_and_where_the_second_judge_turns(found: Found) -> None:
    found.sent(**SECOND)
    expect(found.part(".alike")).to_have_count(0)
    found.ended(**SECOND, **SETTLED)
    found.says("\u03bb = 0.50, 0.25 to 0.75 alike (95 %), 64 of 96 images")
    expect(found.part(".name")).to_have_text(
        ["PickScore, relative to \u03bb = 0.00", "VQAScore, turns at \u03bb = 0.75"]
    )
    place = (
        "element => { const box = element.getBoundingClientRect(); return [(box.left + box.right) / 2, box.width]; }"
    )
    alike, axis, turn, best = (found.part(name).evaluate(place) for name in (".alike", ".axis", ".turn", "circle.best"))
    assert abs(alike[0] - axis[0]) < 2 and abs(alike[1] - axis[1] / 2) < 8, "the middle half of 0 to 1"
    assert abs(best[0] - axis[0]) < 2 and abs(turn[0] - axis[0] - axis[1] / 4) < 2
    found.screenshot("settled")


def test_it_fits_a_wide_and_a_narrow_node(found: Found) -> None:
    found.ended(**SECOND, **SETTLED)
    found.says("\u03bb = 0.50, 0.25 to 0.75 alike (95 %), 64 of 96 images")
    first = found.width()
    assert found.fits()
    found.resize(350, 120)
    assert found.fits() and abs(found.width() - first - 350) < 20
    found.screenshot("wide")
    found.resize(-600, -300)
    assert found.fits() and found.width() < first - 100
    found.screenshot("narrow")


def test_the_second_judge_is_seen_in_both_themes(light: Found) -> None:
    light.ended(**SECOND, **SETTLED)
    light.says("\u03bb = 0.50, 0.25 to 0.75 alike (95 %), 64 of 96 images")
    light.page.wait_for_function(f"({LIGHTNESS})() < 0.55")
    light.screenshot("light")
    light.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    light.page.wait_for_function(f"({LIGHTNESS})() > 0.75")
    light.screenshot("dark")


def test_what_is_no_search_is_not_shown(found: Found) -> None:
    broken: list[dict[str, Any]] = [
        {"strengths": []},
        {"strengths": [0, 0, 1, 2, 3]},
        {"middle": [0, 1]},
        {"low": None},
        {"high": [0, 1, 2, 3, "4"]},
        {"best": None},
        {"images": "many"},
    ]
    for changes in broken:
        found.sent(**changes)
        found.ended(**changes)
    found.sent("999")
    found.page.evaluate("id => window.app.graph.getNodeById(id).onExecuted(null)", FIND)
    expect(found.part(".message")).to_have_text(HINT)
    found.sent(held_out={"name": "VQAScore"}, dots=[[0, 1], ["a"], None], alike=[1], turn="?", more="?")
    found.says(SO_FAR)
    expect(found.part(".held:visible")).to_have_count(0)
    expect(found.part(".dots circle")).to_have_count(1)
    assert browser.complaints(found.page) == []


def test_a_search_inside_a_subgraph_is_found(found: Found) -> None:
    wrap = """(id) => {
      const { canvas, graph } = window.app;
      const { subgraph, node } = graph.convertToSubgraph(new Set([graph.getNodeById(id)]));
      canvas.setGraph(subgraph);
      return `${node.id}:${subgraph.nodes[0].id}`;
    }"""
    path = found.page.evaluate(wrap, FIND)
    browser.frame(found.page, int(path.split(":")[1]))
    expect(found.part(".message")).to_have_text(HINT)
    found.sent(path)
    found.says(SO_FAR)


def test_a_removed_node_takes_its_curve_along(found: Found) -> None:
    found.sent()
    found.says(SO_FAR)
    found.curve.remove(FIND)
    expect(found.page.locator(".deradiff-found")).to_have_count(0)
    found.sent(images=50)
    assert browser.complaints(found.page) == []


def test_what_is_said_in_each_state_and_language(found: Found) -> None:
    """The pure modules, in the browser that runs them."""
    said = found.page.evaluate(
        """async ([pack, found, settled]) => {
          const { lineOf } = await import(`/extensions/${pack}/find/found.js`);
          const { findWords } = await import(`/extensions/${pack}/find/find_words.js`);
          const states = [[true, {}], [false, {}], [false, { more: null }], [false, settled], [true, { ...settled, alike: [0.5, 0.5] }]];
          const english = [...states, [true, { chance: 0.9999 }], [true, { chance: 0.0005 }], [false, { ...settled, confidence: 0.995 }]];
          const lines = (states, locale) => states.map(([runs, changes]) => lineOf({ ...found, ...changes }, runs, findWords(locale)));
          return [lines(english, "fr"), lines(states, "zh"), lines(states, "ja")];
        }""",
        [comfyui.PACK, FOUND, SETTLED],
    )
    english, *others = said
    assert english == [
        SO_FAR,
        UNDECIDED,
        "undecided: \u03bb = 0.50 (81 %), more images than are sensible",
        "\u03bb = 0.50, 0.25 to 0.75 alike (95 %), 64 of 96 images",
        "\u03bb = 0.50 (97 %), 64 of 96 images",
        "so far \u03bb = 0.50 (> 99.9 %), 12 of 96 images",
        "so far \u03bb = 0.50 (< 0.1 %), 12 of 96 images",
        "\u03bb = 0.50, 0.25 to 0.75 alike (99.5 %), 64 of 96 images",
    ]
    numbers = [["0.50", "81", "12", "96"], ["0.50", "81", "60"], ["0.50", "81"]]
    numbers += [["0.50", "0.25", "0.75", "95", "64", "96"], ["0.50", "97", "64", "96"]]
    for lines in others:
        assert [re.findall(r"[\d.]+", line) for line in lines] == numbers
        assert len({*lines}) == len(lines) and not re.search("[a-z]", "".join(lines))


def test_the_numbers_of_an_axis_are_round_and_few(found: Found) -> None:
    said = found.curve.module(
        "find/axis",
        """({ ticksBetween, rangeOf }) => ({
          ticks: [[0, 1.5, 6], [-0.13, 0.41, 3], [0.2, 0.9, 2], [0, 30, 4], [-2e-6, 3e-6, 2], [1, 1, 3]]
            .map((asked) => ticksBetween(...asked).map(({ text }) => text).join(" ")),
          ranges: [[[0, 1], []], [[0, 1], [0.5, 1.5]], [[0, 1], [-9, 9]], [[0, 0], []]].map((asked) => rangeOf(...asked)),
        })""",
    )
    assert said["ticks"] == [
        "0.00 0.25 0.50 0.75 1.00 1.25 1.50",
        "0.0 0.2 0.4",
        "0.25 0.50 0.75",
        "0 10 20 30",
        "0 2.5e-6",
        "",
    ]
    expected = [[-0.06, 1.06], [-0.09, 1.59], [-1.18, 2.18], [-0.06, 0.06]]
    assert said["ranges"] == [pytest.approx(pair) for pair in expected]
