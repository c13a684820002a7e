"""The sweep viewer as people use it: ComfyUI's server and front end, a headless Chromium, LiteGraph and Nodes 2.0."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from support import browser
from support.browser import comfyui
from support.viewer_page import LAMBDAS, OTHER, SAMPLER, VIEWER, Viewer


def test_a_missing_chromium_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        browser.chromium()


def test_shows_the_run(viewer: Viewer) -> None:
    viewer.shows("0.50")
    expect(viewer.part(".thumbs span")).to_have_text(LAMBDAS)
    known = re.compile(r"^\u03bb = 0\.50 \u00b7 KL [\d.e+]+ nats \u00b7 \d+\.\d s \u00b7 score [\d.]+$")
    expect(viewer.part(".readout")).to_have_text(known)
    assert all(re.fullmatch(r"[\d.]+", score) for score in viewer.part(".thumbs small").all_text_contents())
    viewer.screenshot("run")


def test_drag_scrubs_and_leaves_the_node_where_it_is(viewer: Viewer) -> None:
    before = viewer.position()
    box = viewer.slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    viewer.page.mouse.move(box["x"] + box["width"] / 2, middle)
    viewer.page.mouse.down()
    seen = []
    for part in (0.98, 0.7, 0.3, 0.02):
        viewer.page.mouse.move(box["x"] + part * box["width"], middle, steps=4)
        seen.append(viewer.part(".shown-tag").text_content().removeprefix("\u03bb = "))
    viewer.page.mouse.up()
    assert seen == LAMBDAS[::-1]
    viewer.shows("0.00")
    assert viewer.position() == before


def test_keys_go_to_the_next_the_first_and_the_last(viewer: Viewer) -> None:
    for place in (viewer.slider, viewer.part(".stage"), viewer.part(".thumbs button").first, viewer.part(".use")):
        place.focus()
        for key, weight in (("Home", "0.00"), ("ArrowRight", "0.25"), ("ArrowUp", "0.50"), ("End", "1.00")):
            viewer.page.keyboard.press(key)
            viewer.shows(weight)
        for key, weight in (("ArrowRight", "1.00"), ("ArrowLeft", "0.50"), ("ArrowDown", "0.25")):
            viewer.page.keyboard.press(key)
            viewer.shows(weight)


def test_holding_compares_with_lambda_0(viewer: Viewer) -> None:
    before = viewer.position()
    viewer.choose("1.00")
    chosen, reference = viewer.image(), viewer.part(".thumbs img").first.get_attribute("src")
    viewer.part(".stage").hover()
    expect(viewer.part(".hint")).to_have_text("Click to enlarge, hold to compare with \u03bb = 0.00")
    viewer.page.mouse.down()
    viewer.page.mouse.move(5, 5)
    expect(viewer.part(".tag:visible").first).to_have_text("\u03bb = 0.00")
    expect(viewer.part(".readout")).to_contain_text("\u03bb = 0.00 \u00b7 KL 0 nats")
    assert viewer.image() == reference != chosen
    viewer.page.mouse.up()
    viewer.shows("1.00")
    viewer.part(".stage").focus()
    viewer.page.keyboard.down("Space")
    assert viewer.image() == reference
    viewer.page.keyboard.up("Space")
    viewer.shows("1.00")
    assert viewer.position() == before


def test_samples_are_switched(viewer: Viewer) -> None:
    viewer.choose("0.25")
    before, thumb = viewer.image(), viewer.part(".thumbs img").first.get_attribute("src")
    expect(viewer.part(".samples span")).to_have_text("1 / 2")
    viewer.part(".samples button").last.click()
    expect(viewer.part(".samples span")).to_have_text("2 / 2")
    viewer.shows("0.25")
    assert viewer.image() != before and viewer.part(".thumbs img").first.get_attribute("src") != thumb
    viewer.part(".samples button").first.click()
    assert viewer.image() == before


def test_interpolated_weights_are_a_second_row_of_images(viewer: Viewer) -> None:
    viewer.choose("0.50")
    before = viewer.image()
    viewer.part(".interpolated").click()
    viewer.shows("0.50")
    expect(viewer.part(".readout")).to_contain_text("\u03bb = 0.50 \u00b7 weights \u00b7 ")
    assert viewer.image() != before
    viewer.screenshot("weights")
    viewer.part(".interpolated").click()
    assert viewer.image() == before


def test_use_writes_into_the_only_sampler(viewer: Viewer) -> None:
    viewer.choose("0.25")
    expect(viewer.part(".target")).to_be_hidden()
    viewer.part(".use").click()
    expect(viewer.part(".status")).to_contain_text("\u03bb = 0.25 is set in KSampler (DeRaDiff)")
    assert viewer.widget(SAMPLER) == 0.25
    assert viewer.sent(SAMPLER) == 0.25
    viewer.screenshot("used")


def test_comfyui_s_keys_work_after_a_click_and_a_drag(viewer: Viewer) -> None:
    """Its shortcuts are those with Ctrl; all other keys stay here."""
    page, box = viewer.page, viewer.slider.bounding_box()
    page.evaluate("() => { window.queued = 0; window.app.queuePrompt = async () => (window.queued += 1); }")
    places = [
        lambda: viewer.choose("1.00"),
        lambda: viewer.part(".stage").click(delay=400),
        lambda: page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2),
    ]
    for place in places:
        viewer.choose("1.00")
        viewer.part(".use").click()
        assert viewer.widget(SAMPLER) == 1.0
        place()
        page.keyboard.press("Delete")
        page.keyboard.press("Control+Enter")
        page.wait_for_function("window.queued === 1")
        page.keyboard.press("Control+s")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        place()
        page.keyboard.press("Control+z")
        find = f"window.app.graph.getNodeById({SAMPLER}).widgets.find((widget) => widget.name === 'lambda')"
        page.wait_for_function(f"{find}.value === 0.25")
        viewer.shows("1.00")
        page.evaluate("() => (window.queued = 0)")
    page.evaluate("() => delete window.app.queuePrompt")


def test_use_writes_into_the_chosen_of_two(viewer: Viewer) -> None:
    viewer.add_sampler("Final")
    viewer.choose("1.00")
    viewer.part(".use").hover()
    expect(viewer.part(".target")).to_be_visible()
    assert viewer.part(".target option").count() == 2
    viewer.part(".target").select_option(label=f"Final (#{OTHER})")
    viewer.part(".use").click()
    expect(viewer.part(".status")).to_contain_text("\u03bb = 1 is set in Final")
    assert (viewer.widget(SAMPLER), viewer.widget(OTHER)) == (0.25, 1.0)
    viewer.screenshot("two")


def test_a_linked_lambda_is_reported(viewer: Viewer) -> None:
    viewer.link_number(OTHER, "lambda")
    viewer.choose("0.50")
    viewer.part(".use").click()
    expect(viewer.part(".status")).to_contain_text("connected to another node")
    assert viewer.widget(OTHER) == 1.0
    viewer.page.evaluate("id => window.app.graph.remove(window.app.graph.getNodeById(id))", OTHER)
    viewer.page.mouse.move(5, 700)
    viewer.slider.hover()
    expect(viewer.part(".target")).to_be_hidden()


def test_a_queue_from_the_cache_keeps_what_is_shown(viewer: Viewer) -> None:
    viewer.choose("0.25")
    before = viewer.image()
    browser.queue(viewer.page)
    viewer.shows("0.25")
    assert viewer.image() == before


def test_another_tab_and_back(viewer: Viewer) -> None:
    viewer.choose("1.00")
    before = viewer.image()
    viewer.command("Comfy.NewBlankWorkflow")
    expect(viewer.page.locator(".deradiff-sweep")).to_have_count(0)
    viewer.command("Workspace.PreviousOpenedWorkflow")
    viewer.shows("1.00")
    assert viewer.image() == before
    viewer.slider.press("Home")
    viewer.shows("0.00")


def test_inside_a_subgraph_a_sampler_is_found(viewer: Viewer) -> None:
    wrap = "id => { const { graph } = window.app; graph.convertToSubgraph(new Set([graph.getNodeById(id)])); }"
    viewer.page.evaluate(wrap, SAMPLER)
    viewer.choose("0.50")
    viewer.part(".use").click()
    expect(viewer.part(".status")).to_contain_text(
        re.compile(r"\u03bb = 0\.5 is set in .+ \u203a KSampler \(DeRaDiff\)")
    )
    inner = "id => [...window.app.graph.subgraphs.values()].flatMap(g => g.nodes).find(n => n.id == id)"
    assert viewer.page.evaluate(f"id => ({inner})(id).widgets.find(w => w.name === 'lambda').value", SAMPLER) == 0.5


def test_saved_and_loaded_again(viewer: Viewer) -> None:
    saved = viewer.saved()
    (node,) = (node for node in saved["nodes"] if node["id"] == VIEWER)
    assert not node.get("widgets_values") and not node.get("outputs")
    assert {slot["name"] for slot in node["inputs"] if slot["link"] is None} == {"chosen"}
    viewer.load(saved)
    browser.queue(viewer.page)
    viewer.shows("0.50")


def test_works_inside_a_subgraph(viewer: Viewer) -> None:
    saved = viewer.saved()
    viewer.wrap()
    browser.queue(viewer.page)
    viewer.choose("0.25")
    viewer.part(".use").click()
    expect(viewer.part(".status")).to_contain_text("\u03bb = 0.25 is set in ")
    viewer.screenshot("subgraph")
    viewer.load(saved)
    browser.queue(viewer.page)
    viewer.shows("0.50")


def test_images_that_were_deleted_are_missed_in_plain_words(viewer: Viewer) -> None:
    viewer.page.evaluate(
        """(id) => {
          const [sweep] = JSON.parse(JSON.stringify(window.app.nodeOutputs[id].deradiff_sweep));
          for (const { samples } of sweep.entries) samples.forEach(({ image }) => (image.filename = "gone.png"));
          window.app.graph.getNodeById(id).onExecuted({ deradiff_sweep: [sweep] });
        }""",
        VIEWER,
    )
    expect(viewer.part(".message")).to_contain_text("Queue the workflow again")
    expect(viewer.part(".readout")).to_contain_text("KL")
    expect(viewer.part("img.missing")).to_have_count(2 + len(LAMBDAS))
    viewer.screenshot("gone")
    viewer.page.evaluate("id => window.app.graph.getNodeById(id).onExecuted(null)", VIEWER)
    viewer.shows("0.50")
    expect(viewer.part("img.missing")).to_have_count(0)


def test_in_the_light_theme(viewer: Viewer) -> None:
    viewer.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'light')")
    viewer.page.wait_for_timeout(300)
    dark = "element => getComputedStyle(element).color.match(/[\\d.]+/g).slice(0, 3).every((part) => part < 90)"
    assert viewer.part(".readout").evaluate(dark), "dark letters on the light node"
    viewer.screenshot("light")
    viewer.page.evaluate("() => window.app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")


def test_the_console_complains_of_none_of_our_scripts(viewer: Viewer) -> None:
    """After all that the tests of this page have done: deprecated reads, errors, exceptions."""
    assert browser.complaints(viewer.page) == []


def test_a_removed_node_takes_its_element_along_and_listens_no_more(viewer: Viewer) -> None:
    remove = """(id) => {
      const element = document.querySelector(".deradiff-sweep");
      window.app.graph.remove(window.app.graph.getNodeById(id));
      const said = () => element.querySelector(".readout").textContent;
      const before = said();
      const slider = element.querySelector("input");
      for (const value of ["0", "3"]) {
        slider.value = value;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
      }
      return [before, said()];
    }"""
    before, after = viewer.page.evaluate(remove, VIEWER)
    assert before == after
    expect(viewer.page.locator(".deradiff-sweep")).to_have_count(0)


def test_what_the_model_says(viewer: Viewer) -> None:
    """The pure module, in the browser that runs it."""
    said = viewer.page.evaluate(
        """async (pack) => {
          const model = await import(`/extensions/${pack}/sweep/results.js`);
          const { baseline } = await import(`/extensions/${pack}/sweep/comparison.js`);
          const numbers = await import(`/extensions/${pack}/lib/numbers.js`);
          const entry = (lambda, method, kl) => ({ lambda, method, kl, seconds: 1.25, samples: [{ score: 0.3149 }, { score: null }] });
          const entries = [entry(1, "interpolated", null), entry(0.75, "realigned", 12.34), entry(0.25, "realigned", 0)];
          const errors = [0, 20, null, undefined].map((kl_error) => ({ ...entries[1], kl: 312, kl_error }));
          const sweep = model.readSweep({ deradiff_sweep: [{ entries }] });
          return {
            lambdas: [0, 0.5, 0.125, 1 / 3, 10].map(numbers.lambdaText),
            numbers: [0, 0.3149, -12.34, 1234.5, 1e-5, 2e7].map(numbers.shortNumber),
            lines: [model.readout(entries[1], 0), model.readout(entries[0], 1)],
            errors: errors.map((each) => model.readout(each, 1)),
            intervals: [[312.4, 18.3], [310, 9.96], [0.1234, 0.0123], [31247, 1830], [310, 1e-9], [5, 20]].map(([kl, error]) => numbers.withError(kl, error)),
            baseline: baseline(sweep).lambda,
            nearest: [0, 0.5, 0.6, 9].map((value) => model.nearest(model.entriesOf(sweep, "realigned"), value)),
            nothing: [null, {}, { images: [] }, { deradiff_sweep: [] }, { deradiff_sweep: [{ entries: [] }] }].map(model.readSweep),
          };
        }""",
        comfyui.PACK,
    )
    assert said == {
        "lambdas": ["0.00", "0.50", "0.125", "0.3333", "10.00"],
        "numbers": ["0", "0.315", "-12.3", "1235", "1.0e-5", "2.0e+7"],
        "lines": [
            "\u03bb = 0.75 \u00b7 KL 12.3 nats \u00b7 1.3 s \u00b7 score 0.315",
            "\u03bb = 1.00 \u00b7 weights \u00b7 1.3 s",
        ],
        "errors": [
            f"\u03bb = 0.75 \u00b7 KL {kl} nats \u00b7 1.3 s" for kl in ("312", "312 \u00b1 20", "312 \u00b1 ?", "312")
        ],
        "intervals": [
            "312 \u00b1 18",
            "310 \u00b1 10",
            "0.123 \u00b1 0.012",
            "31200 \u00b1 1800",
            "310 \u00b1 1e-9",
            "5 \u00b1 20",
        ],
        "baseline": 0.25,
        "nearest": [0, 0, 1, 1],
        "nothing": [None] * 5,
    }
