// The sweep viewer's element: an image, a slider over lambda, thumbnails, and the button that uses a lambda.
// DOM only: what it needs of ComfyUI comes in through `Host`.

import { button, keep, keepKey, listener, make } from "../lib/dom.js";
import { lambdaText } from "../lib/numbers.js";
import { INTERPOLATED, baseline, entriesOf, imagePath, methodsOf, nearest, readout } from "./results.js";
import { Thumbs } from "./thumbs.js";

/**
 * @typedef {import("./results.js").Sweep} Sweep
 * @typedef {import("./results.js").Entry} Entry
 * @typedef {{lambda: number | null, sample: number, method: string | null, target: string | null}} State
 * @typedef {{
 *   url: (path: string) => string,
 *   targets: () => {key: string, label: string}[],
 *   use: (key: string, lambda: number) => string,
 *   wheel: (event: WheelEvent) => void,
 * }} Host
 */

export const HEIGHT = 430; // pixels, the least
const EMPTY = "Queue the workflow to see the sweep here.";
const GONE = "ComfyUI has deleted these temporary images. Queue the workflow again.";
const NO_TARGET = "There is no KSampler (DeRaDiff) or Realign Model in this workflow.";
const HOLD_KEYS = [" ", "Enter"];

export class SweepView {
  /** @type {Sweep | null} */ #sweep = null;
  /** @type {AbortController | null} */ #listening = null;
  #holding = false;

  /**
   * @param {Host} host
   * @param {State} state kept outside, so that it survives when the node is recreated
   */
  constructor(host, state) {
    this.host = host;
    this.state = state;
    this.#build();
    this.show(null);
  }

  #build() {
    this.image = make("img", "", { alt: "", draggable: false });
    this.shown = make("span", "tag shown");
    this.hint = make("span", "tag hint");
    this.message = make("div", "message", { role: "status" });
    this.stage = make("div", "stage", { tabIndex: 0, role: "button" }, [this.image, this.shown, this.hint, this.message]);
    this.readout = make("div", "readout", { "aria-live": "polite" });
    this.previous = button("", { textContent: "‹", "aria-label": "Previous sample" });
    this.next = button("", { textContent: "›", "aria-label": "Next sample" });
    this.sample = make("span");
    this.samples = make("div", "row samples", {}, [this.previous, this.sample, this.next]);
    this.interpolated = button("interpolated", {
      textContent: "Merged weights",
      title: "Show the models with interpolated weights instead of the realigned ones",
    });
    this.slider = make("input", "", { type: "range", min: "0", step: "1", "aria-label": "lambda" });
    this.thumbs = new Thumbs();
    this.select = make("select", "", { "aria-label": "The node to write lambda into" });
    this.status = make("div", "status", { role: "status" });
    this.use = button("use", { textContent: "Use this λ" });
    this.bar = make("div", "row", {}, [this.readout, this.interpolated]);
    this.track = make("div", "row", {}, [this.slider, this.samples]);
    this.foot = make("div", "row foot", {}, [this.status, this.select, this.use]);
    this.element = make("div", "deradiff-sweep widget-expands", {}, [this.stage, this.bar, this.track, this.thumbs.element, this.foot]);
    this.element.style.setProperty("--deradiff-height", `${HEIGHT}px`);
  }

  /** Start listening; possible again after stop(). */
  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = listener(signal);
    on(this.element, "pointerdown pointermove pointerup dblclick contextmenu", keep);
    on(this.element, "keydown keyup", keepKey);
    on(this.element, "wheel", (event) => this.host.wheel(event));
    on(this.element, "pointerenter focusin", () => this.refreshTargets());
    on(this.slider, "input", () => this.#choose(Number(this.slider.value)));
    on(this.slider, "keydown", (event) => this.#step(event));
    on(this.slider, "pointerup", () => this.stage.focus({ preventScroll: true })); // has the same keys, and ComfyUI leaves undo to inputs
    on(this.stage, "pointerdown", (event) => event.button === 0 && this.#hold(true, event.pointerId));
    on(this.stage, "pointerup pointercancel lostpointercapture blur", () => this.#hold(false));
    on(this.stage, "keydown", (event) => this.#stageKey(event));
    on(this.stage, "keyup", (event) => HOLD_KEYS.includes(event.key) && this.#hold(false));
    on(this.image, "error", () => this.#say(GONE));
    on(this.image, "load", () => this.#say(""));
    for (const [type, missing] of /** @type {[string, boolean][]} */ ([["error", true], ["load", false]])) {
      const mark = (/** @type {any} */ event) => event.target.classList.toggle("missing", missing);
      this.element.addEventListener(type, mark, { signal, capture: true }); // these do not bubble
    }
    on(this.previous, "click", () => this.#sample(-1));
    on(this.next, "click", () => this.#sample(1));
    on(this.interpolated, "click", () => this.#toggle());
    on(this.thumbs.element, "click", (event) => this.#choose(this.thumbs.placeOf(event.target) ?? this.#place));
    on(this.select, "change", () => (this.state.target = this.select.value));
    on(this.use, "click", () => this.#use());
  }

  /** Stop listening. */
  stop() {
    this.#listening?.abort();
    this.#listening = null;
  }

  /** @param {Sweep | null} sweep what to show; null before the first run */
  show(sweep) {
    if (sweep && sweep === this.#sweep) return this.refreshTargets();
    this.#sweep = sweep;
    this.#holding = false;
    this.stage.classList.toggle("empty", !sweep);
    for (const part of [this.bar, this.track, this.thumbs.element, this.foot, this.hint, this.shown, this.image]) part.hidden = !sweep;
    if (!sweep) {
      this.image.removeAttribute("src");
      this.stage.setAttribute("aria-label", EMPTY);
      this.#say(EMPTY);
      return;
    }
    const methods = methodsOf(sweep);
    if (!methods.includes(this.state.method ?? "")) this.state.method = methods[0];
    this.state.sample = Math.min(this.state.sample, sweep.entries[0].samples.length - 1);
    this.interpolated.hidden = methods.length < 2;
    this.samples.hidden = sweep.entries[0].samples.length < 2;
    const reference = `λ = ${lambdaText(baseline(sweep).lambda)}`;
    this.hint.textContent = `Hold to compare with ${reference}`;
    this.stage.setAttribute("aria-label", `The image. Hold it, or the space bar, to compare with ${reference}.`);
    this.status.textContent = "";
    this.refreshTargets();
    this.#draw();
  }

  /** Update the nodes that lambda can be written into: the graph may have changed. */
  refreshTargets() {
    const targets = this.host.targets();
    if (!targets.some(({ key }) => key === this.state.target)) this.state.target = targets[0]?.key ?? null;
    const known = [...this.select.options].map((option) => `${option.value} ${option.text}`).join("\n");
    if (known !== targets.map(({ key, label }) => `${key} ${label}`).join("\n")) {
      this.select.replaceChildren(...targets.map(({ key, label }) => make("option", "", { value: key, textContent: label })));
    }
    this.select.value = this.state.target ?? "";
    this.select.hidden = targets.length < 2;
    this.foot.classList.toggle("several", targets.length > 1);
    this.use.disabled = !targets.length;
    this.use.title = targets.length ? `Write it into ${this.select.selectedOptions[0].text}` : NO_TARGET;
  }

  /** @returns {Entry[]} the entries on the slider */
  get #entries() {
    return this.#sweep ? entriesOf(this.#sweep, this.state.method ?? "") : [];
  }

  /** @returns {number} the position on the slider; initially the middle */
  get #place() {
    const entries = this.#entries;
    return this.state.lambda === null ? entries.length >> 1 : nearest(entries, this.state.lambda);
  }

  #draw() {
    const entries = this.#entries;
    const place = this.#place;
    const { sample } = this.state;
    this.slider.max = String(entries.length - 1);
    this.slider.value = String(place);
    this.slider.disabled = entries.length < 2;
    this.slider.setAttribute("aria-valuetext", `λ = ${lambdaText(entries[place].lambda)}`);
    this.readout.textContent = readout(entries[place], sample);
    this.readout.title = this.readout.textContent + (this.#sweep?.scorer ? ` (${this.#sweep.scorer})` : "");
    this.sample.textContent = `${sample + 1} / ${entries[place].samples.length}`;
    this.sample.setAttribute("aria-label", `Sample ${sample + 1} of ${entries[place].samples.length}`);
    this.interpolated.setAttribute("aria-pressed", String(this.state.method === INTERPOLATED));
    this.#drawImage();
    this.thumbs.draw(entries, place, sample, (entry) => this.#url(entry));
  }

  #drawImage() {
    if (!this.#sweep) return;
    const entry = this.#holding ? baseline(this.#sweep) : this.#entries[this.#place];
    const url = this.#url(entry);
    this.shown.textContent = `λ = ${lambdaText(entry.lambda)}${entry.method === INTERPOLATED ? " (weights)" : ""}`;
    this.stage.classList.toggle("holding", this.#holding);
    this.image.alt = this.shown.textContent;
    if (this.image.getAttribute("src") !== url) this.image.src = url;
  }

  /** @param {Entry} entry */
  #url(entry) {
    return this.host.url(imagePath(entry.samples[this.state.sample].image));
  }

  /** @param {string} text over the image; empty hides it */
  #say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }

  /** @param {number} place */
  #choose(place) {
    const entries = this.#entries;
    if (!entries.length) return;
    this.state.lambda = entries[Math.max(0, Math.min(entries.length - 1, place))].lambda;
    this.status.textContent = "";
    this.#draw();
  }

  /** @param {number} by */
  #sample(by) {
    const count = this.#sweep?.entries[0].samples.length ?? 1;
    this.state.sample = (this.state.sample + by + count) % count;
    this.#draw();
  }

  #toggle() {
    const [first, second] = methodsOf(/** @type {Sweep} */ (this.#sweep));
    this.state.lambda = this.#entries[this.#place].lambda;
    this.state.method = this.state.method === first ? second : first;
    this.#draw();
  }

  /**
   * The slider's own keys are the browser's; these two work on the image as well.
   * @param {KeyboardEvent} event
   */
  #stageKey(event) {
    if (!hasModifier(event) && HOLD_KEYS.includes(event.key)) {
      event.preventDefault();
      this.#hold(true);
    } else this.#step(event);
  }

  /** @param {KeyboardEvent} event arrow keys, Home and End, the same in every browser */
  #step(event) {
    const last = this.#entries.length - 1;
    const places = { ArrowLeft: this.#place - 1, ArrowDown: this.#place - 1, ArrowRight: this.#place + 1, ArrowUp: this.#place + 1, Home: 0, End: last };
    if (hasModifier(event) || !(event.key in places)) return;
    event.preventDefault();
    this.#choose(places[/** @type {keyof typeof places} */ (event.key)]);
  }

  /**
   * @param {boolean} down
   * @param {number} [pointer]
   */
  #hold(down, pointer) {
    if (!this.#sweep || this.#holding === down) return;
    this.#holding = down;
    if (down && pointer !== undefined) this.stage.setPointerCapture(pointer);
    this.#drawImage();
  }

  #use() {
    this.refreshTargets();
    if (!this.state.target) return;
    this.status.textContent = this.host.use(this.state.target, this.#entries[this.#place].lambda);
  }
}

/** @param {KeyboardEvent} event */
function hasModifier(event) {
  return event.ctrlKey || event.metaKey || event.altKey;
}
