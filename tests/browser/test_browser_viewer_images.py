"""Comparing, enlarging and taking the images of the sweep viewer, many lambdas, the chosen one, and a page that is loaded again."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import expect
from support import browser
from support.browser import comfyui
from support.viewer_page import SAMPLER, VIEWER, Viewer, prompt

MANY = 50


@pytest.fixture(scope="module")
def fresh(viewer: Viewer) -> Viewer:
    """The page with the graph as at first, after a run."""
    browser.load_workflow(viewer.page, {"nodes": [], "links": [], "last_node_id": 0, "last_link_id": 0, "version": 0.4})
    browser.load(viewer.page, prompt(1), "images")
    viewer.load(viewer.saved() | {"id": str(uuid.uuid4())})  # as workflows that people save have one
    browser.queue(viewer.page)
    return viewer


@pytest.fixture
def images(fresh: Viewer) -> Viewer:
    """At the same lambda, with the mouse elsewhere and holding to compare, whatever the tests before have done."""
    fresh.page.mouse.move(5, 700)
    fresh.part(".modes .hold").click()
    fresh.choose("0.50")
    return fresh


def test_it_opens_on_the_chosen_lambda_and_marks_it(fresh: Viewer) -> None:
    expect(fresh.part(".thumbs .chosen")).to_have_count(0)
    fresh.choose("1.00")
    fresh.link_number(VIEWER, "chosen", 0.25)
    browser.queue(fresh.page)
    fresh.shows("0.25")
    expect(fresh.part(".thumbs .chosen span")).to_have_text("0.25")
    expect(fresh.part(".shown-tag")).to_have_text("\u03bb = 0.25 \u2605")
    fresh.choose("0.50")
    browser.queue(fresh.page)
    fresh.shows("0.50")
    expect(fresh.part(".thumbs .chosen span")).to_have_text("0.25")
    fresh.screenshot("chosen")


def test_a_divider_wipes_between_two_images(images: Viewer) -> None:
    page, before = images.page, images.position()
    images.part(".modes .wipe").click()
    images.part(".others").select_option(label="vs \u03bb = 1.00")
    box = images.part(".stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=3)
    page.mouse.up()
    expect(images.part(".divider")).to_have_attribute("aria-valuenow", "25")
    clips = [
        images.part(f".stage {name}").evaluate("image => getComputedStyle(image).clipPath")
        for name in (".other", ".shown")
    ]
    assert clips == ["inset(0px 75% 0px 0px)", "inset(0px 0px 0px 25%)"]
    images.part(".divider").press("ArrowRight")
    expect(images.part(".divider")).to_have_attribute("aria-valuenow", "30")
    expect(images.part(".compared")).to_contain_text("\u03bb = 1.00 \u00b7 KL")
    expect(images.part(".readout")).to_contain_text("\u03bb = 0.50 \u00b7 KL")
    images.part(".stage").press("ArrowLeft")
    expect(images.part(".readout")).to_contain_text("\u03bb = 0.25")
    expect(images.part(".tag:visible")).to_contain_text(["\u03bb = 1.00", "\u03bb = 0.25"])
    assert images.position() == before
    images.screenshot("wipe")


def test_side_by_side_with_the_merged_weights_of_the_same_lambda(images: Viewer) -> None:
    images.part(".modes .side").click()
    images.part(".others").select_option(label="vs merged weights, same \u03bb")
    for weight in ("0.50", "1.00"):
        images.part(f".thumbs button:has(span:text-is('{weight}'))").click()
        expect(images.part(".compared")).to_contain_text(f"\u03bb = {weight} \u00b7 weights")
        expect(images.part(".readout")).to_contain_text(f"\u03bb = {weight} \u00b7 KL")
    left, right = (images.part(f".stage {name}").bounding_box() for name in (".other", ".shown"))
    assert left["x"] + left["width"] <= right["x"] and left["width"] == pytest.approx(right["width"], abs=1)
    sources = [images.part(f".stage {name}").get_attribute("src") for name in (".other", ".shown")]
    assert len(set(sources)) == 2
    images.screenshot("side")
    images.part(".interpolated").click()
    expect(images.part(".compared")).not_to_contain_text("weights")
    expect(images.part(".others option").first).to_have_text("vs realigned, same \u03bb")
    images.part(".interpolated").click()
    images.part(".others").select_option(label="vs \u03bb = 0.00")


@pytest.mark.parametrize("way", ["click", "Enter", "button"])
def test_enlarging_and_back(images: Viewer, way: str) -> None:
    page, dialog = images.page, images.page.locator("dialog.deradiff-sweep")
    place = images.part(".enlarge" if way == "button" else ".stage")
    place.press("Enter") if way == "Enter" else place.click()
    expect(dialog).to_be_visible()
    width = dialog.locator(".stage").bounding_box()["width"]
    assert width > 0.85 * browser.WINDOW["width"]
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".readout")).to_contain_text("\u03bb = 1.00")
    page.keyboard.press("Delete")
    if way == "click":
        page.screenshot(path=browser.SCREENSHOTS / f"{images.mode}_enlarged.png")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    images.shows("1.00")
    expect(place).to_be_focused()
    assert page.evaluate("id => Boolean(window.app.graph.getNodeById(id))", VIEWER), "Delete stayed in the viewer"


def test_after_esc_the_next_click_is_no_second_one_of_a_double_click(images: Viewer) -> None:
    again = """async (button) => {
      button.click();
      const dialog = document.querySelector("dialog.deradiff-sweep");
      const closed = new Promise((done) => dialog.addEventListener("close", done, { once: true }));
      dialog.close();  // as the browser does at Esc
      await closed;
      button.click();
    }"""
    images.part(".enlarge").evaluate(again)
    expect(images.page.locator("dialog.deradiff-sweep")).to_be_visible()
    images.page.keyboard.press("Escape")
    expect(images.page.locator("dialog.deradiff-sweep")).to_have_count(0)


def test_comfyui_opens_saves_and_copies_the_image_that_is_clicked(images: Viewer) -> None:
    page = images.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown, third = images.image(), images.part(".thumbs img").nth(3).get_attribute("src")
    assert shown != third

    def entry(place: str, name: str) -> None:
        images.part(place).click(button="right")
        page.get_by_text(name, exact=True).click()

    with page.expect_popup() as popup:
        entry(".stage", "Open Image")
    assert popup.value.url.endswith(shown)
    popup.value.close()
    with page.expect_download() as download:
        entry(".thumbs button:nth-child(4)", "Save Image")
    assert download.value.url.endswith(third)
    page.bring_to_front()
    entry(".stage", "Copy Image")
    page.wait_for_function(
        "async () => (await navigator.clipboard.read()).some((item) => item.types.includes('image/png'))"
    )
    names = "id => window.app.graph.getNodeById(id).widgets.map((widget) => widget.name)"
    page.wait_for_timeout(200)
    assert page.evaluate(names, VIEWER) == ["sweep_viewer"], "ComfyUI draws no image of its own"


def test_fifty_lambdas_scroll_with_the_wheel(images: Viewer) -> None:
    page = images.page
    show = """([id, count]) => {
      const [sweep] = JSON.parse(JSON.stringify(window.app.nodeOutputs[id].deradiff_sweep));
      const first = sweep.entries.filter((entry) => entry.method === "realigned");
      sweep.entries = Array.from({ length: count }, (_, index) => ({ ...first[index % first.length], lambda: index / 20 }));
      window.app.graph.getNodeById(id).onExecuted({ deradiff_sweep: [sweep] });
    }"""
    page.evaluate(show, [VIEWER, MANY])
    thumbs = images.part(".thumbs")
    expect(images.part(".thumbs button")).to_have_count(MANY)
    look = "() => [window.app.canvas.ds.scale, ...window.app.canvas.ds.offset]"
    view, before = page.evaluate(look), thumbs.evaluate("strip => strip.scrollLeft")
    thumbs.hover()
    page.mouse.wheel(0, 400)
    page.wait_for_timeout(100)
    assert thumbs.evaluate("strip => strip.scrollLeft") == pytest.approx(before + 400, abs=1)
    assert page.evaluate(look) == view
    images.part(".stage").press("End")
    expect(images.part(".readout")).to_contain_text("\u03bb = 2.45")
    expect(images.part(".thumbs button").last).to_be_in_viewport(ratio=0.9)
    images.screenshot("fifty")
    images.part(".readout").hover()
    page.mouse.wheel(0, 100)
    page.wait_for_function("scale => window.app.canvas.ds.scale !== scale", arg=view[0])
    browser.frame(page, VIEWER)
    page.evaluate("id => window.app.graph.getNodeById(id).onExecuted(null)", VIEWER)
    images.shows("1.00")


def test_the_texts_of_all_languages_are_complete(images: Viewer) -> None:
    missing = images.page.evaluate(
        """async (pack) => {
          const { sweepWords } = await import(`/extensions/${pack}/sweep/sweep_words.js`);
          const shape = (words) => Object.entries(words).map(([key, word]) =>
            typeof word === "object" ? [key, shape(word)] : [key, typeof word, word !== ""]);
          const [english, ...others] = ["en", "zh", "ja"].map((locale) => sweepWords(locale));
          return others.filter((words) => words === english || JSON.stringify(shape(words)) !== JSON.stringify(shape(english))).length;
        }""",
        comfyui.PACK,
    )
    assert missing == 0


def test_the_console_complains_of_nothing(images: Viewer) -> None:
    assert browser.complaints(images.page) == []


def test_a_page_that_is_loaded_again_shows_the_last_run_in_chinese(images: Viewer, server: comfyui.Server) -> None:
    saved, page = images.saved(), images.page
    server.post("/api/settings/Comfy.Locale", "zh")
    try:
        browser.reload(page)
        images.load(saved)
        images.shows("0.25")
        expect(images.part(".status")).to_have_text(
            "\u6765\u81ea\u6b64\u5de5\u4f5c\u6d41\u7684\u4e0a\u4e00\u6b21\u8fd0\u884c\u3002"
        )
        expect(images.part(".use")).to_have_text("\u4f7f\u7528\u6b64 \u03bb")
        expect(images.part(".readout")).to_have_text(
            re.compile(r"^\u03bb = 0\.25 \u00b7 KL \S+ nats \u00b7 \S+ \u79d2 \u00b7 \u8bc4\u5206 \S+$")
        )
        images.part(".use").click()
        expect(images.part(".status")).to_contain_text("\u03bb = 0.25")
        assert images.widget(SAMPLER) == 0.25
        images.screenshot("chinese")
    finally:
        server.post("/api/settings/Comfy.Locale", "en")
