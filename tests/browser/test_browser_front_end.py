"""What the front ends do to a node: subgraphs, promoted and linked widgets, watching, and what the console says of it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect
from support import browser
from support.curve_page import SAMPLER, SCHEDULE, SECOND, SHOWN, START, CurvePage


def _sent(curve: CurvePage) -> str:
    """The curve that the front end would queue."""
    (sent,) = (n["inputs"]["curve"] for n in curve.sent().values() if n["class_type"] == "DeRaDiffLambdaSchedule")
    return sent


def test_a_curve_from_its_input_cannot_be_edited_here(curve: CurvePage) -> None:
    expect(curve.linked).to_have_count(0)
    curve.link("PrimitiveString", SCHEDULE, "curve")
    expect(curve.linked).to_be_visible()
    assert curve.page.locator(".deradiff-curve select:enabled:visible").count() == 0
    saved = curve.serialized()
    curve.load(saved)
    expect(curve.linked).to_be_visible()
    curve.remove(SECOND)
    expect(curve.linked).to_have_count(0)
    expect(curve.points).to_have_count(3)
    curve.click(0.25, 1.5)
    expect(curve.points).to_have_count(4)
    (node,) = (node for node in curve.serialized()["nodes"] if node["id"] == SCHEDULE)
    assert node["widgets_values"] == [curve.text(), "linear", 0, 1], "the line is not saved"


def test_a_core_curve_is_said_in_the_editor(curve: CurvePage) -> None:
    add = """([id, second]) => {
      const { graph } = window.app;
      const node = graph.getNodeById(id);
      const reroute = Object.assign(window.LiteGraph.createNode("Reroute"), { id: second, pos: [0, -600] });
      graph.add(reroute);
      if (!node.inputs.some((slot) => slot.name === "core_curve")) node.addInput("core_curve", "CURVE"); // before ComfyUI had curves
      reroute.connect(0, node, node.inputs.findIndex((slot) => slot.name === "core_curve"));
    }"""
    curve.page.evaluate(add, [SCHEDULE, SECOND])
    expect(curve.part(".message")).to_contain_text("core_curve is connected")
    expect(curve.part("select")).to_be_disabled()


def test_a_curve_promoted_to_its_subgraph_is_edited_there(curve: CurvePage) -> None:
    curve.wrap(SCHEDULE, SAMPLER)
    host = curve.promote(SCHEDULE, "curve")
    browser.frame(curve.page, host)
    expect(curve.points).to_have_count(len(START))
    expect(curve.part("g:has(> .tick)")).to_have_count(5)
    assert json.loads(_sent(curve)) == START
    curve.click(0.25, 1.5)
    expect(curve.points).to_have_count(4)
    sent = _sent(curve)
    assert [point[0] for point in json.loads(sent)] == pytest.approx([0, 0.25, 0.5, 1], abs=0.02)
    assert browser.queue(curve.page)["type"] == "execution_success"
    assert "0.25" in curve.page.evaluate("id => window.app.nodeOutputs[id].text[0]", SHOWN)
    if curve.mode == "nodes2" and browser.version(curve.page) < (1, 58):
        curve.enter(host)
        return  # after a return from a subgraph, undo and loading leave an empty page there, whatever the nodes
    saved = curve.serialized()
    curve.undo()
    expect(curve.points).to_have_count(len(START))
    assert json.loads(_sent(curve)) == START
    curve.load(saved, host)
    expect(curve.points).to_have_count(4)
    assert _sent(curve) == sent
    (node,) = (node for node in curve.serialized()["nodes"] if node["id"] == host)
    assert "" not in node.get("widgets_values", []), "the editor has no value of its own"


def test_a_promoted_curve_follows_its_inner_node(curve: CurvePage) -> None:
    curve.wrap(SCHEDULE, SAMPLER)
    host = curve.promote(SCHEDULE, "curve")
    browser.frame(curve.page, host)
    expect(curve.part(".off")).to_have_count(0)
    write = """([id, name, value]) => {
      const inner = [...window.app.rootGraph.subgraphs.values()].map((graph) => graph.getNodeById(id)).find(Boolean);
      inner.widgets.find((widget) => widget.name === name).value = value;
    }"""
    curve.page.evaluate(write, [SCHEDULE, "start_percent", 0.2])
    expect(curve.part(".off")).to_have_count(1)
    if browser.version(curve.page) < (1, 58):
        curve.enter(host)
        return  # there the node shows the inner node's own editor, which the front end puts up and takes away
    unlink = """(id) => {
      const inner = [...window.app.rootGraph.subgraphs.values()].map((graph) => graph.getNodeById(id)).find(Boolean);
      inner.disconnectInput(inner.inputs.findIndex((slot) => slot.name === "curve"));
    }"""
    curve.page.evaluate(unlink, SCHEDULE)
    expect(curve.page.locator(".deradiff-curve:visible")).to_have_count(0)
    names = "id => window.app.rootGraph.getNodeById(id).widgets.map((widget) => widget.name)"
    assert not [name for name in curve.page.evaluate(names, host) if "curve" in name]


COUNT = """async ([url, seconds]) => {
  const { watch } = await import(url);
  let [bad, good] = [0, 0];
  const stops = [
    watch(() => { bad += 1; throw new Error("read fails"); }, () => {}),
    watch(() => (good += 1), () => {}),
    watch(() => 1, () => { throw new Error("show fails"); }),
  ];
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  stops.forEach((stop) => stop());
  const counted = [bad, good];
  await new Promise((resolve) => setTimeout(resolve, 300));
  return [...counted, bad - counted[0], good - counted[1]];
}"""


def test_a_watcher_that_throws_starves_no_other_and_ten_looks_a_second_are_enough(curve: CurvePage) -> None:
    browser.complaints(curve.page)
    bad, good, *later = curve.page.evaluate(COUNT, [f"{browser.SCRIPTS}lib/watch.js", 2])
    assert 5 <= good <= 21 and abs(bad - good) <= 1
    assert later == [0, 0]
    said = browser.complaints(curve.page)
    assert sorted(text.split("Error: ")[1].splitlines()[0] for text in said) == ["read fails", "show fails"], (
        "once each"
    )


def test_undo_leaves_nothing_behind(curve: CurvePage) -> None:
    """What the front end keeps by itself: one of the replaced nodes, before 1.58 one for each time."""
    expect(curve.points.first).to_be_visible()
    before = browser.alive(curve.page, "curve/editor", "CurveEditor")
    for _ in range(3):
        curve.click(0.25, 1.5)
        expect(curve.points).to_have_count(4)
        curve.undo()
    curve.page.mouse.move(5, 700)
    kept = browser.alive(curve.page, "curve/editor", "CurveEditor") - before
    assert kept <= (1 if browser.version(curve.page) >= (1, 58) else 3)


READS = """(ids) => {
  const graphs = [window.app.rootGraph, ...window.app.rootGraph.subgraphs.values()];
  window.reads = 0;
  for (const node of graphs.flatMap((graph) => ids.map((id) => graph.getNodeById(id)).filter(Boolean))) {
    for (const widget of node.widgets.filter((each) => ["interpolation", "lambda"].includes(each.name))) {
      const { value } = widget;
      Object.defineProperty(widget, "value", { get: () => ((window.reads += 1), value), set: () => {}, configurable: true });
    }
  }
}"""


@pytest.mark.parametrize("inside", [False, True], ids=["open", "subgraph"])
def test_nodes_that_undo_has_replaced_are_read_no_more(curve: CurvePage, inside: bool) -> None:
    if inside:
        curve.wrap(SCHEDULE, SAMPLER)
    curve.page.evaluate(READS, [SCHEDULE, SAMPLER])
    curve.page.wait_for_function("window.reads > 4")
    browser.load_workflow(curve.page, curve.serialized())
    curve.page.wait_for_timeout(300)  # in which the watchers find out
    curve.page.evaluate("() => (window.reads = 0)")
    curve.page.wait_for_timeout(500)
    assert curve.page.evaluate("window.reads") == 0


def test_the_console_complains_of_none_of_our_scripts(curve: CurvePage) -> None:
    """After all that the tests of this page have done: deprecated reads, errors, exceptions."""
    curve.click(0.25, 1.5)
    assert browser.complaints(curve.page) == []
