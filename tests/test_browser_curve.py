"""The curve editor and lambda's read-outs as people use them: ComfyUI's server and front end, LiteGraph and Nodes 2.0.
May import tests/browser.py, comfy and the pack's realign and runtime rings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import browser
import comfy.model_sampling
import comfy.samplers
import pytest
import torch
from browser import comfyui
from comfy.model_base import ModelType, model_sampling
from curve_page import BETA, HINT, SAMPLER, SCHEDULE, SECOND, SHOWN, START, CurvePage
from deradiff.nodes.realign.curve import parse_curve
from deradiff.nodes.runtime.progress import Progress
from playwright.sync_api import Browser, expect

TESTS = Path(__file__).parent
WORKFLOWS = sorted((TESTS.parent / "workflows").glob("*.json"))


MEANINGS = {
    0: "reference only",
    0.25: "0.25: 4 times as regularised as trained",
    0.5: "0.50: twice as regularised as trained",
    0.8: "0.80: 1.25 times as regularised as trained",
    1: "aligned as trained",
    1.4: "1.40: beyond training, expect artefacts",
}


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


def test_a_click_adds_a_point_and_leaves_the_node_where_it_is(curve: CurvePage) -> None:
    before = curve.position()
    curve.click(0.25, 1.5)
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5], [1, 0])
    curve.click(0.75, 0.9)
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5], [0.75, 0.9], [1, 0])
    assert re.fullmatch(r"\[(\[[\d.]{1,5}, [\d.]{1,5}\](, )?)+\]", curve.text())
    assert curve.position() == before


def test_dragging_moves_a_point_between_its_neighbours(curve: CurvePage) -> None:
    before = curve.position()
    curve.drag((0.5, 0.5), (0.6, 1.2), (0.7, 1.6))
    curve.has([0, 1], [0.7, 1.6], [1, 0])
    curve.drag((0.7, 1.6), (0.9, 1.9), (1.3, 3))
    x, y = json.loads(curve.text())[1]
    assert (x, y) == (0.999, 2)
    curve.drag((0, 1), (-0.5, -1))
    assert json.loads(curve.text())[0] == [0, 0]
    assert curve.position() == before
    parse_curve(curve.text())


def test_a_click_that_does_not_move_changes_nothing(curve: CurvePage) -> None:
    curve.click(0.5, 0.5)
    assert curve.text() == json.dumps(START)


def test_a_double_click_and_a_right_click_remove_a_point_but_not_the_last_two(curve: CurvePage) -> None:
    curve.page.mouse.dblclick(*curve.place(0.25, 1.5))  # adds one, and does not take it away again
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5], [1, 0])
    curve.page.mouse.dblclick(*curve.place(0.25, 1.5))
    curve.has(*START)
    curve.click(0.5, 0.5, button="right")
    curve.has([0, 1], [1, 0])
    expect(curve.page.locator(".litecontextmenu, .p-contextmenu")).to_have_count(0)
    curve.page.mouse.dblclick(*curve.place(1, 0))
    curve.has([0, 1], [1, 0])
    expect(curve.readout).to_have_text("A curve keeps at least two points.")


def test_escape_takes_a_drag_back(curve: CurvePage) -> None:
    curve.go(0.5, 0.5)
    curve.page.mouse.down()
    curve.go(0.6, 1.5, steps=3)
    expect(curve.points.nth(1)).to_have_attribute("aria-valuetext", re.compile(r"progress 0\.(6|59)"))
    assert curve.text() == json.dumps(START), "a drag is one change, made when it ends"
    curve.page.keyboard.press("Escape")
    curve.page.mouse.up()
    assert curve.text() == json.dumps(START)
    expect(curve.points.nth(1)).to_have_attribute("aria-valuetext", "progress 0.5, factor 0.5")


def test_a_finger_adds_and_moves(curve: CurvePage) -> None:
    touch = curve.page.context.new_cdp_session(curve.page)

    def send(kind: str, *at: float) -> None:
        points = [dict(zip("xy", curve.place(*at), strict=True))] if at else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", 0.25, 1.5)
    send("touchMove", 0.3, 1.6)
    send("touchMove", 0.35, 1.8)
    send("touchEnd")
    curve.has([0, 1], [0.35, 1.8], [0.5, 0.5], [1, 0])
    touch.detach()


def test_the_keyboard_does_everything(curve: CurvePage) -> None:
    press = curve.page.keyboard.press
    curve.points.first.focus()
    press("Tab")
    expect(curve.points.nth(1)).to_be_focused()
    expect(curve.points.nth(1)).to_have_attribute("aria-label", "Point 2 of 3")
    press("ArrowRight")
    press("ArrowUp")
    assert json.loads(curve.text())[1] == [0.51, 0.51]
    press("Shift+ArrowLeft")
    press("Shift+ArrowDown")
    assert json.loads(curve.text())[1] == [0.41, 0.41]
    curve.reads(r"progress 0\.41: lambda x 0\.41 = 0\.20")
    press("Enter")
    assert [x for x, _ in json.loads(curve.text())] == [0, 0.41, 0.705, 1]
    expect(curve.points.nth(2)).to_be_focused()
    press("Backspace")
    press("Home")
    expect(curve.points.first).to_be_focused()
    press("End")
    expect(curve.points.nth(2)).to_be_focused()
    press("Delete")
    assert json.loads(curve.text()) == [[0, 1], [0.41, 0.41]]
    expect(curve.points.nth(1)).to_be_focused()
    halo = "point => getComputedStyle(point.querySelector('.halo')).opacity"
    assert float(curve.points.nth(1).evaluate(halo)) > 0.3, "the focus is seen"
    assert curve.page.evaluate("id => Boolean(window.app.graph.getNodeById(id))", SCHEDULE), "Delete is the point's"


def test_presets(curve: CurvePage) -> None:
    presets = curve.module("curve_model", "(model) => model.PRESETS")
    expect(curve.part("select")).to_have_value("")
    for name, points in presets.items():
        curve.part("select").select_option(name)
        assert json.loads(curve.text()) == points
        assert parse_curve(curve.text()).points == tuple(map(tuple, points))
        expect(curve.points).to_have_count(len(points))
        expect(curve.part("select")).to_have_value(name)
    curve.click(0.45, 1.6)
    expect(curve.part("select")).to_have_value("")


def test_interpolation_and_the_ends_are_drawn(curve: CurvePage) -> None:
    straight = curve.part(".line").get_attribute("d")
    curve.set(SCHEDULE, "interpolation", "monotone_cubic")
    curve.part("select").select_option("window")
    smooth = curve.part(".line").get_attribute("d")
    curve.set(SCHEDULE, "interpolation", "linear")
    expect(curve.part(".line")).not_to_have_attribute("d", smooth)
    assert curve.part(".line").get_attribute("d") != straight
    expect(curve.part(".off")).to_have_count(0)
    curve.set(SCHEDULE, "start_percent", 0.1)
    curve.set(SCHEDULE, "end_percent", 0.6)
    expect(curve.part(".off")).to_have_count(2)
    curve.go(0.65, 1.5)
    curve.reads(r"progress 0\.6[45]: lambda x 0\.00 = 0\.00")


def test_the_readout_follows_the_pointer_and_the_sampler_s_lambda(curve: CurvePage) -> None:
    expect(curve.readout).to_have_text(HINT)
    curve.go(0.25, 1.8)
    curve.reads(r"progress 0\.25: lambda x 0\.75 = 0\.3[78]")
    curve.set(SAMPLER, "lambda", 1.0)
    curve.page.wait_for_timeout(100)
    curve.go(0.75, 1.8)
    curve.reads(r"progress 0\.7[45]: lambda x 0\.2[56] = 0\.2[56]")
    curve.remove(SAMPLER)
    curve.page.wait_for_timeout(100)
    curve.go(0.25, 1.8)
    curve.reads(r"progress 0\.25: lambda x 0\.75")


def test_ticks_show_the_sampler_s_steps_where_they_are_known(curve: CurvePage) -> None:
    ticks = curve.part("g:has(> .tick)")
    expect(ticks).to_have_count(5)
    titles = [title.text_content() for title in ticks.locator("title").all()]
    assert titles[1] == "Step 2 of 5 begins at about 0.20."
    curve.set(SAMPLER, "steps", 8)
    expect(ticks).to_have_count(8)
    curve.set(SAMPLER, "denoise", 0.5)
    expect(ticks.first.locator("title")).to_have_text("Step 1 of 8 begins at about 0.50.")
    curve.set(SAMPLER, "scheduler", "karras")
    expect(ticks).to_have_count(0)
    curve.set(SAMPLER, "scheduler", "normal")
    expect(ticks).to_have_count(8)
    curve.link("PrimitiveInt", SAMPLER, "steps")
    curve.set(SECOND, "value", 3)
    expect(ticks).to_have_count(3)
    curve.page.evaluate("id => (window.app.graph.getNodeById(id).mode = 4)", SECOND)
    expect(ticks).to_have_count(0)


def test_a_text_that_is_no_curve_is_reported_and_kept(curve: CurvePage) -> None:
    broken = "[[0, 1], [0.5, 3]]"
    curve.set(SCHEDULE, "curve", broken)
    expect(curve.part(".message")).to_contain_text("the y (factor) of point 2 must lie between 0 and 2.")
    expect(curve.part(".message")).to_contain_text(broken)
    curve.part(".frame").click()
    saved = curve.serialized()
    assert curve.text() == broken == curve.sent()[str(SCHEDULE)]["inputs"]["curve"]
    with pytest.raises(RuntimeError, match=r"point 2, \[0\.5, 3\.0\], must have its y"):
        browser.queue(curve.page)
    curve.page.keyboard.press("Escape")
    curve.load(saved)
    assert curve.text() == broken
    expect(curve.part(".message")).to_be_visible()
    curve.part("select").select_option("falling")
    expect(curve.part(".message")).to_be_hidden()
    assert curve.text() == "[[0, 1], [1, 0]]"
    assert curve.fills()


def test_the_same_reasons_in_python_and_in_the_editor(curve: CurvePage) -> None:
    texts = {
        "": "json", "[": "json", "{}": "json", "[]": "count", json.dumps([[0, 0]] * 65): "count", "[1]": "pair",
        "[[0, 1, 2]]": "pair", '[[0, "1"]]': "pair", "[[0, true]]": "pair", "[[-1, 1]]": "x", "[[0, 1], [2, 1]]": "x",
        "[[0, 2.1]]": "y", "[[0, 1], [0, 2]]": "order", " " * 10001: "long",
    }  # fmt: skip
    found = curve.module("curve_model", "(model, texts) => texts.map((text) => model.parse(text).problem[0])", [*texts])
    assert found == [*texts.values()]
    for text in texts:
        with pytest.raises(ValueError, match=r"^curve: "):
            parse_curve(text)


def test_undo_takes_back_one_edit_at_a_time(curve: CurvePage) -> None:
    curve.click(0.25, 1.5)
    added = curve.text()
    curve.drag((0.25, 1.5), (0.3, 1.0), (0.35, 0.2))
    curve.has([0, 1], [0.35, 0.2], [0.5, 0.5], [1, 0])
    curve.undo()
    assert curve.text() == added
    curve.undo()
    assert curve.text() == json.dumps(START)
    curve.points.nth(1).focus()
    for _ in range(4):  # held down
        curve.page.keyboard.down("ArrowUp")
    curve.page.keyboard.up("ArrowUp")
    assert json.loads(curve.text())[1] == [0.5, 0.54]
    curve.undo()
    assert curve.text() == json.dumps(START)
    curve.part("select").select_option("window")
    curve.undo()
    assert curve.text() == json.dumps(START)
    expect(curve.points).to_have_count(3)
    expect(curve.line(SAMPLER)).to_have_text(MEANINGS[0.5])


def test_saved_loaded_copied_and_pasted(curve: CurvePage) -> None:
    curve.click(0.25, 1.5)
    text, saved = curve.text(), curve.serialized()
    (node,) = (node for node in saved["nodes"] if node["id"] == SCHEDULE)
    assert node["widgets_values"] == [text, "linear", 0, 1]
    paste = """(id) => {
      const { canvas, graph } = window.app;
      canvas.copyToClipboard(new Set([graph.getNodeById(id)]));
      canvas.pasteFromClipboard();
      return graph.nodes.filter((node) => node.type === "DeRaDiffLambdaSchedule").map((node) => node.widgets[0].value);
    }"""
    assert curve.page.evaluate(paste, SCHEDULE) == [text, text]
    curve.reset()
    curve.load(saved)
    assert curve.text() == text
    expect(curve.points).to_have_count(4)


def test_another_tab_and_back(curve: CurvePage) -> None:
    curve.click(0.25, 1.5)
    text = curve.text()
    curve.command("Comfy.NewBlankWorkflow")
    expect(curve.page.locator(".deradiff-curve")).to_have_count(0)
    curve.command("Workspace.PreviousOpenedWorkflow")
    expect(curve.points).to_have_count(4)
    assert curve.text() == text
    browser.frame(curve.page, SCHEDULE)
    curve.click(0.75, 1.5)
    expect(curve.points).to_have_count(5)
    expect(curve.line(SAMPLER)).to_have_text("0.50: twice as regularised as trained")


def test_inside_a_subgraph(curve: CurvePage) -> None:
    wrap = """(ids) => {
      const { canvas, graph } = window.app;
      const { subgraph } = graph.convertToSubgraph(new Set(ids.map((id) => graph.getNodeById(id))));
      canvas.setGraph(subgraph);
    }"""
    curve.page.evaluate(wrap, [SCHEDULE, SAMPLER])
    browser.frame(curve.page, SCHEDULE)
    expect(curve.points).to_have_count(3)
    expect(curve.part("g:has(> .tick)")).to_have_count(5)
    curve.click(0.25, 1.5)
    expect(curve.points).to_have_count(4)
    (sent,) = (n["inputs"]["curve"] for n in curve.sent().values() if n["class_type"] == "DeRaDiffLambdaSchedule")
    assert sent == curve.text() and len(json.loads(sent)) == 4


def test_the_edited_curve_is_sent_and_read_by_the_server(curve: CurvePage) -> None:
    curve.click(0.25, 1.5)
    sent = curve.sent()
    assert sent[str(SCHEDULE)]["inputs"]["curve"] == curve.text()
    assert "lambda_meaning" not in sent[str(SAMPLER)]["inputs"]
    ran = browser.queue(curve.page)
    shown = curve.page.evaluate("id => window.app.nodeOutputs[id].text[0]", SHOWN)
    assert ran["type"] == "execution_success" and repr(parse_curve(curve.text()).points) in shown


def test_a_curve_from_its_input_cannot_be_edited_here(curve: CurvePage) -> None:
    curve.link("PrimitiveString", SCHEDULE, "curve")
    expect(curve.part(".message")).to_have_text("The curve comes from its input.")
    expect(curve.part("select")).to_be_disabled()
    curve.remove(SECOND)
    expect(curve.part(".message")).to_be_hidden()
    expect(curve.points).to_have_count(3)


def test_the_meaning_of_lambda_is_said_while_it_changes(curve: CurvePage) -> None:
    line = curve.line(SAMPLER)
    for weight, meaning in MEANINGS.items():
        curve.set(SAMPLER, "lambda", weight)
        expect(line).to_have_text(meaning)
    curve.link("PrimitiveFloat", SAMPLER, "lambda")
    curve.set(SECOND, "value", 0.2)
    expect(line).to_have_text("0.20: 5 times as regularised as trained")
    curve.remove(SECOND)
    curve.link("DeRaDiffLambdaFromBeta", SAMPLER, "lambda")
    curve.set(SECOND, "target_beta", 20000)
    expect(line).to_have_text(MEANINGS[0.25])
    curve.page.evaluate("id => (window.app.graph.getNodeById(id).mode = 4)", SECOND)
    expect(line).to_have_text("lambda comes from its input")


SAID = "async ({ meaning }, weight) => meaning(weight, (await import('/extensions/PACK/words.js')).wordsFor('en'))"
SAID = SAID.replace("PACK", comfyui.PACK)
LAMBDA_S_PLACE = """id => {
  const { canvas } = window.app;
  const node = canvas.graph.getNodeById(id);
  const { y } = node.widgets.find((widget) => widget.name === "lambda");
  const [left, top] = canvas.ds.convertOffsetToCanvas([node.pos[0] + node.size[0] / 2, node.pos[1] + y + 10]);
  const box = canvas.canvas.getBoundingClientRect();
  return [left + box.left, top + box.top];
}"""


def test_the_meaning_follows_a_drag_or_a_key_of_the_widget(curve: CurvePage) -> None:
    browser.frame(curve.page, SAMPLER)
    line = curve.line(SAMPLER)
    if curve.mode == "nodes2":
        curve.page.locator(f"[data-node-id='{SAMPLER}'] input").first.press("ArrowUp")
    else:
        x, y = curve.page.evaluate(LAMBDA_S_PLACE, SAMPLER)
        curve.page.mouse.move(x, y)
        curve.page.mouse.down()
        curve.page.mouse.move(x + 30, y, steps=6)
    expect(line).not_to_have_text(MEANINGS[0.5])
    weight = curve.value(SAMPLER, "lambda")
    assert line.text_content() == curve.module("lambda_meaning", SAID, weight)
    curve.page.mouse.up()


def test_lambda_from_beta_shows_its_sum(curve: CurvePage) -> None:
    line = curve.line(BETA)
    expect(line).to_have_text("lambda = 5000 / 10000 = 0.50")
    curve.set(BETA, "trained_beta", 2500)
    expect(line).to_have_text("lambda = 2500 / 10000 = 0.25")


def test_every_realigning_node_has_one_line_that_is_not_saved(curve: CurvePage) -> None:
    made = """() => ["DeRaDiffKSampler", "DeRaDiffKSamplerAdvanced", "DeRaDiffRealign", "DeRaDiffLambdaFromBeta"].map((kind) => {
      const node = window.LiteGraph.createNode(kind);
      window.app.graph.add(node);
      const saved = node.serialize().widgets_values;
      return [node.widgets.filter((each) => each.name === "lambda_meaning").length, node.widgets.at(-1).name, saved.length, node.widgets.length];
    })"""
    for count, last, saved, widgets in curve.page.evaluate(made):
        assert (count, last, saved) == (1, "lambda_meaning", widgets - 1)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_workflows_open_with_the_values_they_were_saved_with(opened: CurvePage, path: Path) -> None:
    workflow = json.loads(path.read_text(encoding="utf-8"))
    opened.page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    found = {node["id"]: node.get("widgets_values") for node in opened.serialized()["nodes"]}
    for node in workflow["nodes"]:
        if node["type"].startswith("DeRaDiff") and (values := node.get("widgets_values")):
            assert found[node["id"]][: len(values)] == values, node["type"]


def test_the_words_follow_the_front_end_s_language(curve: CurvePage) -> None:
    said = "({ wordsFor }) => ['zh', 'ja', 'en', 'fr'].map((locale) => wordsFor(locale).readout('0.42', '0.63'))"
    chinese, japanese, english, unknown = curve.module("words", said)
    assert (chinese[:2], japanese[:2], english) == ("进度", "進行", unknown)


def test_the_curves_are_those_of_python_bit_for_bit(curve: CurvePage) -> None:
    golden = json.loads((TESTS / "curves.json").read_text(encoding="utf-8"))
    compare = """(model, curves) => curves.map(({ points, interpolation, xs, ys }) => {
      const at = model.evaluator(points, interpolation);
      return xs.filter((x, index) => at(x) !== ys[index]).length;
    })"""
    assert curve.module("curve_model", compare, golden) == [0] * len(golden)


def test_points_keep_their_order_wherever_they_are_moved(curve: CurvePage) -> None:
    moves = """(model) => {
      let points = [[0, 1], [0.3333333333333333, 0.123456789], [0.5, 1], [0.500001, 1], [1, 2]];
      const made = [];
      for (let turn = 0; turn < 3000; turn++) {
        const [a, b, c] = [1, 2, 3].map((k) => { const s = Math.sin(turn * 12.9898 + k * 78.233) * 43758.5453; return s - Math.floor(s); });
        const index = Math.floor(a * points.length);
        if (turn % 3 === 0) points = model.added(points, b * 1.4 - 0.2, c * 3 - 0.5)?.points ?? points;
        else if (turn % 7 === 0) points = model.removed(points, index) ?? points;
        else points = model.moved(points, index, b * 1.4 - 0.2, c * 3 - 0.5);
        if (!model.parse(model.format(points)).points) return model.format(points);
        if (turn % 100 === 0) made.push(model.format(points));
      }
      return made;
    }"""
    made = curve.module("curve_model", moves)
    assert isinstance(made, list), made
    for text in made:
        parse_curve(text)


SD15, FLOW = SimpleNamespace(sampling_settings={}), SimpleNamespace(sampling_settings={"shift": 3.0})
SAMPLINGS = {"eps": (SD15, ModelType.EPS), "v": (SD15, ModelType.V_PREDICTION), "flow": (FLOW, ModelType.FLOW)}
SAMPLINGS |= {"flux": (SimpleNamespace(sampling_settings={"shift": 1.15}), ModelType.FLUX)}


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_ticks_are_where_comfyui_s_steps_begin(curve: CurvePage, kind: str) -> None:
    """ComfyUI's KSampler and the inverse of percent_to_sigma, within a hundredth."""
    sampling = model_sampling(*SAMPLINGS[kind])
    progress = Progress(SimpleNamespace(model_sampling=sampling))
    model = SimpleNamespace(get_model_object=lambda name: sampling)
    settings, expected = [], []
    for scheduler in ("normal", "simple", "sgm_uniform", "ddim_uniform"):
        for steps, denoise, sampler, start, end in (
            (20, 1.0, "euler", 0, 10000),
            (30, 1.0, "uni_pc", 0, 10000),
            (12, 0.45, "euler", 0, 10000),
            (7, 0.6, "dpm_2", 0, 10000),
            (20, 1.0, "euler", 4, 15),
        ):
            sigmas = comfy.samplers.KSampler(model, steps, "cpu", sampler, scheduler, denoise).sigmas[:-1]
            expected.append([progress.at(torch.stack([sigma])) for sigma in sigmas[start:end]])
            names = ("steps", "denoise", "sampler", "scheduler", "start", "end")
            settings.append(dict(zip(names, (steps, denoise, sampler, scheduler, start, end), strict=True)))
    found = curve.module("curve_ticks", "({ ticksOf }, all) => all.map(ticksOf)", settings)
    for setting, ticks, starts in zip(settings, found, expected, strict=True):
        assert ticks == pytest.approx(starts, abs=0.01), setting


def test_a_removed_node_listens_no_more(curve: CurvePage) -> None:
    remove = """(id) => {
      const element = document.querySelector(".deradiff-curve");
      const widget = window.app.graph.getNodeById(id).widgets[0];
      const before = widget.value;
      window.app.graph.remove(window.app.graph.getNodeById(id));
      const select = element.querySelector("select");
      select.value = "window";
      select.dispatchEvent(new Event("change", { bubbles: true }));
      return [before, widget.value];
    }"""
    before, after = curve.page.evaluate(remove, SCHEDULE)
    assert before == after
    expect(curve.page.locator(".deradiff-curve")).to_have_count(0)
