"""The curve editor as people use it: its gestures, what it shows, and where its value goes."""

from __future__ import annotations

import json
import re

import pytest
from deradiff.nodes.method.curve import parse_curve
from playwright.sync_api import expect
from support import browser
from support.curve_page import HINT, SAMPLER, SCHEDULE, SECOND, SHOWN, START, CurvePage


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


def test_a_double_click_removes_a_point_but_not_the_last_two(curve: CurvePage) -> None:
    curve.page.mouse.dblclick(*curve.place(0.25, 1.5))  # adds one, and does not take it away again
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5], [1, 0])
    curve.page.mouse.dblclick(*curve.place(0.25, 1.5))
    curve.has(*START)
    curve.page.mouse.dblclick(*curve.place(0.5, 0.5))
    curve.page.mouse.dblclick(*curve.place(1, 0))
    curve.has([0, 1], [1, 0])
    expect(curve.readout).to_have_text("A curve needs at least two points.")


def test_a_double_click_of_an_unsteady_hand_adds_one_point(curve: CurvePage) -> None:
    x, y = curve.place(0.25, 1.5)
    curve.page.mouse.click(x, y)
    curve.page.mouse.move(x + 25, y)
    curve.page.mouse.down(click_count=2)
    curve.page.mouse.up(click_count=2)
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5], [1, 0])


def test_a_right_click_opens_a_menu(curve: CurvePage) -> None:
    curve.click(0.25, 1.5, button="right")
    items = curve.menu.get_by_role("menuitem")
    expect(items).to_have_text(["Add a point here", "Reset the curve"])
    expect(curve.page.locator(".litecontextmenu, .p-contextmenu")).to_have_count(0)
    curve.page.keyboard.press("Escape")
    expect(curve.menu).to_be_hidden()
    curve.click(0.25, 1.5, button="right")
    items.first.click()
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5], [1, 0])
    curve.click(1, 0, button="right")
    curve.page.screenshot(path=browser.SCREENSHOTS / f"{curve.mode}_curve_menu.png")
    curve.page.keyboard.press("ArrowDown")
    curve.page.keyboard.press("Enter")
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5])
    curve.click(0.5, 1.2, button="right")
    curve.click(0.75, 1.9)
    expect(curve.menu).to_be_hidden()
    curve.has([0, 1], [0.25, 1.5], [0.5, 0.5])
    curve.click(0.5, 1.0, button="right")
    items.last.click()
    assert json.loads(curve.text()) == [[0, 1], [1, 1]]
    curve.click(0, 1, button="right")
    expect(items.nth(1)).to_be_disabled()
    curve.page.keyboard.press("Escape")


def test_coordinates_are_typed(curve: CurvePage) -> None:
    expect(curve.fields).to_have_count(2)
    expect(curve.fields.first).to_be_hidden()
    curve.click(0.5, 0.5)
    expect(curve.fields.first).to_have_value("0.5")
    curve.fields.nth(1).fill("1.237")
    curve.page.keyboard.press("Enter")
    assert json.loads(curve.text()) == [[0, 1], [0.5, 1.237], [1, 0]]
    curve.reads(r"-> lambda 0\.62")
    curve.fields.first.fill("7")  # beyond its neighbour
    curve.page.keyboard.press("Tab")
    assert json.loads(curve.text()) == [[0, 1], [0.999, 1.237], [1, 0]]
    expect(curve.fields.first).to_have_value("0.999")
    curve.click(1, 0, button="right")
    curve.menu.get_by_text("Type its coordinates").click()
    expect(curve.fields.first).to_be_focused()
    curve.page.keyboard.press("Tab")
    curve.page.keyboard.type("0.4")
    curve.page.keyboard.press("Enter")
    assert json.loads(curve.text())[-1] == [1, 0.4]


def test_a_dragged_point_tells_its_own_place_and_shift_snaps_it(curve: CurvePage) -> None:
    curve.go(0.5, 0.5)
    curve.page.mouse.down()
    curve.go(0.613, 1.237, steps=3)
    x, y = (float(field.input_value()) for field in curve.fields.all())
    assert (x, y) == pytest.approx((0.613, 1.237), abs=0.03)
    curve.reads(rf"-> lambda {y / 2:.2f}".replace(".", r"\."))
    curve.page.screenshot(path=browser.SCREENSHOTS / f"{curve.mode}_curve_drag.png")
    curve.page.keyboard.down("Shift")
    curve.go(0.62, 1.22, steps=3)
    curve.page.mouse.up()
    curve.page.keyboard.up("Shift")
    assert json.loads(curve.text())[1] == [0.6, 1.2]


def test_the_row_and_the_axes_fit_a_narrow_node(curve: CurvePage) -> None:
    curve.page.evaluate("id => window.app.graph.getNodeById(id).setSize([300, 400])", SCHEDULE)
    curve.page.wait_for_timeout(400)
    curve.click(0.5, 0.5)
    overflow = "row => [...row.children].filter((each) => each.checkVisibility()).some((each) => each.scrollWidth > each.clientWidth + 1)"
    assert not curve.part(".row").evaluate(overflow)
    curve.go(0.713, 1.8)
    assert not curve.part(".row").evaluate(overflow)
    texts = curve.part("svg text").all_text_contents()
    assert "progress" in texts and "\N{MULTIPLICATION SIGN} lambda" in texts
    curve.page.screenshot(path=browser.SCREENSHOTS / f"{curve.mode}_curve_narrow.png")


def test_ends_the_wrong_way_round_are_said(curve: CurvePage) -> None:
    curve.set(SCHEDULE, "start_percent", 0.8)
    curve.set(SCHEDULE, "end_percent", 0.3)
    expect(curve.part("text.wrong")).to_have_text("start_percent lies after end_percent.")
    curve.set(SCHEDULE, "end_percent", 0.9)
    expect(curve.part("text.wrong")).to_have_count(0)


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
    curve.reads(r"-> lambda 0\.20")
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
    presets = curve.module("curve/model", "(model) => model.PRESETS")
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
    line, constant = curve.part(".line"), curve.part(".line").get_attribute("d")
    curve.part("select").select_option("window")
    expect(line).not_to_have_attribute("d", constant)
    straight = line.get_attribute("d")
    curve.set(SCHEDULE, "interpolation", "monotone_cubic")
    expect(line).not_to_have_attribute("d", straight)
    curve.set(SCHEDULE, "interpolation", "linear")
    expect(line).to_have_attribute("d", straight)
    expect(curve.part(".off")).to_have_count(0)
    curve.set(SCHEDULE, "start_percent", 0.1)
    curve.set(SCHEDULE, "end_percent", 0.6)
    expect(curve.part(".off")).to_have_count(2)
    curve.go(0.65, 1.5)
    curve.reads(r"0\.6[45] -> lambda 0\.00")


def test_the_readout_follows_the_pointer_and_the_sampler_s_lambda(curve: CurvePage) -> None:
    expect(curve.readout).to_have_text(HINT)
    curve.go(0.25, 1.8)
    curve.reads(r"0\.25 -> lambda 0\.3[78]")
    curve.set(SAMPLER, "lambda", 1.0)
    curve.page.wait_for_timeout(300)  # until the editor has seen it: ten looks a second
    curve.go(0.75, 1.8)
    curve.reads(r"0\.7[45] -> lambda 0\.2[56]")
    curve.remove(SAMPLER)
    curve.page.wait_for_timeout(300)  # until the editor has seen it: ten looks a second
    curve.go(0.25, 1.8)
    curve.reads(r"0\.25 -> x 0\.75")


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
    found = curve.module("curve/model", "(model, texts) => texts.map((text) => model.parse(text).problem[0])", [*texts])
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
    expect(curve.line(SAMPLER)).to_have_text("0.50: twice as regularised as trained (\u00d7 schedule)")


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
    browser.frame(curve.page, SAMPLER)  # front ends since 1.49 keep no element of a node that is out of sight
    expect(curve.line(SAMPLER)).to_have_text("0.50: twice as regularised as trained (\u00d7 schedule)")


def test_inside_a_subgraph(curve: CurvePage) -> None:
    curve.wrap(SCHEDULE, SAMPLER)
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
