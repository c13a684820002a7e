"""Lambda's read-outs on the nodes, and that the editor computes what ComfyUI and Python compute."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import comfy.model_sampling
import comfy.samplers
import pytest
import torch
from comfy.model_base import ModelType, model_sampling
from deradiff.nodes.engine.progress import Progress
from deradiff.nodes.method.curve import parse_curve
from playwright.sync_api import expect
from support import browser, viewer_page
from support.browser import comfyui
from support.curve_page import BETA, SAMPLER, SCHEDULE, SECOND, CurvePage

TESTS = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted([*comfyui.SHIPPED.glob("*.json"), *comfyui.DEMO.glob("*.json")])
MEANINGS = {
    0: "reference only",
    0.25: "0.25: 4 times as regularised as trained",
    0.5: "0.50: twice as regularised as trained",
    0.8: "0.80: 1.25 times as regularised as trained",
    1: "aligned as trained",
    -0.5: "-0.50: away from the alignment",
    1.4: "1.40: beyond training, expect artefacts",
}
SCHEDULED = " (\u00d7 schedule)"  # the page's sampler has one


def test_the_meaning_of_lambda_is_said_while_it_changes(curve: CurvePage) -> None:
    browser.frame(curve.page, SAMPLER)
    line = curve.line(SAMPLER)
    for weight, meaning in MEANINGS.items():
        curve.set(SAMPLER, "lambda", weight)
        expect(line).to_have_text(meaning + SCHEDULED)
    curve.link("SolidMask", SAMPLER, "mask")
    expect(line).to_have_text(MEANINGS[1.4] + SCHEDULED[:-1] + " \u00d7 mask)")
    curve.remove(SECOND)
    curve.remove(SCHEDULE)
    expect(line).to_have_text(MEANINGS[1.4])
    curve.link("PrimitiveFloat", SAMPLER, "lambda")
    curve.set(SECOND, "value", 0.2)
    expect(line).to_have_text("0.20: 5 times as regularised as trained")
    curve.remove(SECOND)
    curve.link("DeRaDiffLambdaFromBeta", SAMPLER, "lambda")
    curve.set(SECOND, "target_beta", 20000)
    expect(line).to_have_text(MEANINGS[0.25])
    curve.page.evaluate("id => (window.app.graph.getNodeById(id).mode = 4)", SECOND)
    expect(line).to_have_text("lambda comes from its input")


SAID = "async ({ meaning }, weight) => meaning(weight, (await import('/extensions/PACK/lib/words.js')).wordsFor('en'))"
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
    expect(line).not_to_have_text(MEANINGS[0.5] + SCHEDULED)
    weight = curve.value(SAMPLER, "lambda")
    expect(line).to_have_text(curve.module("lambda/meaning", SAID, weight) + SCHEDULED)
    curve.page.mouse.up()


def test_after_a_run_the_line_says_its_kl_and_what_reuse_cost(curve: CurvePage) -> None:
    """Until a value is changed that the line speaks of: the run was not that of the new one."""
    browser.load(curve.page, viewer_page.one_run(time.time_ns() % 2**32), "run")
    node = viewer_page.SAMPLER
    browser.frame(curve.page, node)
    line = curve.line(node)
    expect(line).to_have_text(MEANINGS[0.5])
    browser.queue(curve.page)
    ran = r"KL [\d.]+ nats; 1\.[\d]+ models, error \u2248 0?\.[\d]+; "
    expect(line).to_have_text(re.compile(f"^{ran}{MEANINGS[0.5]}$"))
    curve.page.screenshot(path=browser.SCREENSHOTS / f"{curve.mode}_run_line.png")
    curve.set(node, "lambda", 0.8)
    expect(line).to_have_text(MEANINGS[0.8])


def test_lambda_from_beta_shows_its_sum(curve: CurvePage) -> None:
    browser.frame(curve.page, BETA)
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
    browser.load_workflow(opened.page, workflow)
    found = {node["id"]: node.get("widgets_values") for node in opened.serialized()["nodes"]}
    for node in workflow["nodes"]:
        if node["type"].startswith("DeRaDiff") and (values := node.get("widgets_values")):
            assert found[node["id"]][: len(values)] == values, node["type"]


def test_the_words_follow_the_front_end_s_language(curve: CurvePage) -> None:
    said = "({ wordsFor }) => ['zh', 'ja', 'en', 'fr'].map((locale) => wordsFor(locale).progress)"
    assert curve.module("lib/words", said) == ["\u8fdb\u5ea6", "\u9032\u884c", "progress", "progress"]


def test_the_curves_are_those_of_python_bit_for_bit(curve: CurvePage) -> None:
    golden = json.loads((TESTS / "method" / "curves.json").read_text(encoding="utf-8"))
    compare = """(model, curves) => curves.map(({ points, interpolation, xs, ys }) => {
      const at = model.evaluator(points, interpolation);
      return xs.filter((x, index) => at(x) !== ys[index]).length;
    })"""
    assert curve.module("curve/model", compare, golden) == [0] * len(golden)


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
    made = curve.module("curve/model", moves)
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
    progress = Progress(sampling, [1.0])
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
    found = curve.module("curve/ticks", "({ ticksOf }, all) => all.map(ticksOf)", settings)
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
