"""What the page says of a run: warnings as toasts and on the node, its own lambda, how far a sweep is; and what new nodes start with."""

from __future__ import annotations

import re
import time
from typing import Any

from playwright.sync_api import Locator, Page, expect
from support import browser, viewer_page
from support.curve_page import SAMPLER, CurvePage

SWEEP, REALIGN, CORE = 6, 20, 21
SAME = "lambda changes nothing: the reference and the aligned model are the same model."


def _new_seed() -> int:
    """ComfyUI tells nothing of what it has cached."""
    return time.time_ns() % 2**32


def _toasts(page: Page, text: str) -> Locator:
    """The front end's own ones, before and since 1.58."""
    return page.locator(".p-toast-message, [data-testid=toast]").filter(has_text=text)


def _clear(page: Page) -> None:
    page.evaluate("(({ toast }) => (toast.dismissAll ?? toast.removeAll)())(window.app.extensionManager)")
    expect(_toasts(page, "")).to_have_count(0)


def _load(curve: CurvePage, prompt: dict[str, Any], shown: int) -> None:
    browser.load(curve.page, prompt, "run")
    browser.frame(curve.page, shown)
    _clear(curve.page)


def _one_run(**changes: Any) -> dict[str, Any]:
    prompt = viewer_page.one_run(_new_seed())
    prompt[str(viewer_page.SAMPLER)]["inputs"] |= {"steps": 3, "evaluation": "exact", **changes}
    return prompt


def test_one_model_on_both_inputs_is_said_on_the_node_and_once_in_a_toast(curve: CurvePage) -> None:
    node = viewer_page.SAMPLER
    _load(curve, _one_run(aligned=["2", 0]), node)
    browser.queue(curve.page)
    line = curve.line(node)
    expect(line).to_contain_text(f"\u26a0 {SAME}")
    expect(line).to_have_class(re.compile("warns"))
    expect(_toasts(curve.page, SAME)).to_have_count(1)
    curve.page.screenshot(path=browser.SCREENSHOTS / f"{curve.mode}_warned.png")
    _clear(curve.page)
    curve.set(node, "seed", _new_seed())
    browser.queue(curve.page)
    expect(line).to_contain_text(f"\u26a0 {SAME}")
    assert _toasts(curve.page, SAME).count() == 0, "it is no news"


def test_a_bypassed_pair_is_one_model(curve: CurvePage) -> None:
    node = viewer_page.SAMPLER
    _load(curve, _one_run(), node)
    curve.page.evaluate("() => (window.app.graph.getNodeById(2).mode = 4)")
    browser.queue(curve.page)
    expect(curve.line(node)).to_contain_text(SAME)
    _clear(curve.page)


def test_a_run_of_core_s_sampler_warns_in_a_toast_too(curve: CurvePage) -> None:
    prompt = _one_run()
    inputs = prompt.pop(str(viewer_page.SAMPLER))["inputs"]
    realign = {key: inputs.pop(key) for key in ("reference", "aligned", "evaluation", "lambda")} | {"lambda": 1.4}
    prompt[str(REALIGN)] = {"class_type": "DeRaDiffRealign", "inputs": realign}
    known = ("seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image", "denoise")
    core = {name: inputs[name] for name in known} | {"model": [str(REALIGN), 0]}
    prompt[str(CORE)] = {"class_type": "KSampler", "inputs": core}
    prompt["13"]["inputs"]["source"] = [str(CORE), 0]
    _load(curve, prompt, REALIGN)
    browser.queue(curve.page)
    expect(_toasts(curve.page, "lambda 1.4: less regularised")).to_have_count(1)
    _clear(curve.page)


def test_the_line_says_no_kl_of_another_lambda(curve: CurvePage) -> None:
    """Which was set while the run was under way."""
    node = viewer_page.SAMPLER
    _load(curve, _one_run(), node)
    change = """id => window.app.api.addEventListener("execution_start", () => {
      window.app.graph.getNodeById(id).widgets.find((each) => each.name === "lambda").value = 0.8;
    }, { once: true })"""
    curve.page.evaluate(change, node)
    browser.queue(curve.page)
    expect(curve.line(node)).to_have_text("0.80: 1.25 times as regularised as trained")
    curve.set(node, "lambda", 0.5)
    expect(curve.line(node)).to_have_text(re.compile(r"^KL [\d.]+ nats; 0\.50: twice as regularised as trained$"))


RECORD = """([id, sweep]) => {
  Object.assign(window, { said: [], shown: [] });
  const line = document.querySelector(`.deradiff-line[data-node='${id}']`);
  new MutationObserver(() => window.said.push(line.textContent)).observe(line, { childList: true });
  window.app.api.addEventListener("b_preview_with_metadata", ({ detail }) => window.shown.push(String(detail.displayNodeId)));
}"""


def test_a_sweep_shows_its_lambda_its_images_and_the_time_that_is_left(curve: CurvePage) -> None:
    prompt = viewer_page.prompt(0)
    prompt[str(SWEEP)]["inputs"] |= {"lambdas": "0.25, 0.5, 1", "baseline": False, "steps": 12, "seed": _new_seed()}
    _load(curve, prompt, SWEEP)
    expect(curve.line(SWEEP)).to_have_text("")
    curve.page.evaluate(RECORD, [SWEEP, SWEEP])
    curve.page.evaluate("() => void window.app.queuePrompt(0)")
    expect(curve.line(SWEEP)).to_have_text(re.compile(r"^\u03bb 0\.50: 2 of 3, \d+ s left$"))
    curve.page.screenshot(path=browser.SCREENSHOTS / f"{curve.mode}_sweep_runs.png")
    expect(curve.line(SWEEP)).to_have_text("", timeout=60_000)
    said = curve.page.evaluate("window.said")
    assert any(text.startswith("\u03bb 0.25: 1 of 3") for text in said) and any("3 of 3" in text for text in said)
    assert curve.page.evaluate("window.shown").count(str(SWEEP)) == 3, "one for each finished image"


def test_new_nodes_keep_their_seed_and_saved_ones_what_was_saved(curve: CurvePage) -> None:
    made = """() => ["DeRaDiffKSampler", "DeRaDiffKSamplerAdvanced", "DeRaDiffLambdaSweep"].map((kind) => {
      const node = window.LiteGraph.createNode(kind);
      window.app.graph.add(node);
      return node.widgets.find((each) => each.name === "control_after_generate").value;
    })"""
    assert curve.page.evaluate(made) == ["fixed"] * 3
    curve.reset()
    curve.set(SAMPLER, "control_after_generate", "increment")
    curve.load(curve.serialized(), SAMPLER)
    assert curve.value(SAMPLER, "control_after_generate") == "increment"


def test_every_wire_of_ours_has_its_colour(curve: CurvePage) -> None:
    types = ["LAMBDA_SCHEDULE", "LAMBDA_SWEEP", "SCORES", "SCORER", "TIME_PREDICTOR"]
    found = """(types) => types.map((type) => [
      window.app.canvas.default_connection_color_byType[type],
      window.app.canvas.constructor.link_type_colors[type],
      getComputedStyle(document.body).getPropertyValue(`--color-datatype-${type}`).trim(),
    ])"""
    expect(curve.points.first).to_be_visible()
    colours = curve.page.evaluate(found, types)
    assert all(len({*of_type}) == 1 and re.fullmatch("#[0-9a-f]{6}", of_type[0]) for of_type in colours), colours
    assert len({of_type[0] for of_type in colours}) == len(types)


def test_people_find_the_realigning_nodes_by_what_they_look_for(curve: CurvePage) -> None:
    """Before 1.58 their names in the list hold the words, as the search looks at nothing else."""
    page = curve.page
    for words in ("lambda", "alignment", "dpo", "kl"):
        page.evaluate("() => window.app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
        page.wait_for_function("document.activeElement.tagName === 'INPUT' && document.activeElement.value === ''")
        page.keyboard.type(words)
        found = page.locator(".p-autocomplete-list, [role=listbox]").last
        for name in (r"KSampler[^\n]*\(DeRaDiff\)", r"Realign Model[^\n]*\(DeRaDiff\)"):
            expect(found).to_contain_text(re.compile(name))
        page.keyboard.press("Escape")
        expect(found).to_be_hidden()
    title = "() => window.LiteGraph.createNode('DeRaDiffKSampler').title"
    assert page.evaluate(title) == "KSampler (DeRaDiff)"


def test_what_few_people_change_is_among_the_advanced_inputs(curve: CurvePage) -> None:
    flags = """id => window.app.graph.getNodeById(id).widgets.filter((each) => each.options?.advanced).map((each) => each.name)"""
    assert set(curve.page.evaluate(flags, SAMPLER)) == {"mask_feather", "reuse_tolerance"}
