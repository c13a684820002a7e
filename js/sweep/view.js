// The sweep viewer's element: two images, a slider over lambda, thumbnails, and the button that uses a lambda.
// DOM only: what it needs of ComfyUI comes in through `Host`.

import { button, keep, keepKey, listener, make } from "../lib/dom.js";
import { lambdaText } from "../lib/numbers.js";
import { CompareBar, listOptions } from "./compare_bar.js";
import { choicesOf, knownKey, otherOf } from "./comparison.js";
import { Overlay } from "./overlay.js";
import { INTERPOLATED, entriesOf, imagePath, isChosen, label, methodsOf, nearest, readout } from "./results.js";
import { Stage } from "./stage.js";
import { Thumbs } from "./thumbs.js";

/**
 * @typedef {import("./results.js").Sweep} Sweep
 * @typedef {import("./results.js").Entry} Entry
 * @typedef {{
 *   lambda: number | null, sample: number, method: string | null, target: string | null,
 *   mode: import("./stage.js").Mode, other: string | null, chosen: number | null,
 * }} State lambda: null before one was chosen here; other: a key of comparison.js
 * @typedef {{
 *   url: (path: string) => string,
 *   targets: () => {key: string, label: string}[],
 *   use: (key: string, lambda: number) => string,
 *   wheel: (event: WheelEvent) => void,
 *   press: (event: PointerEvent, image: HTMLImageElement | null) => void,
 *   menu: (event: MouseEvent) => void,
 * }} Host
 */

export const HEIGHT = 430; // pixels, the least
export const NAME = "deradiff-sweep"; // the element's class

/** @returns {State} */
export const firstState = () => ({ lambda: null, sample: 0, method: null, target: null, mode: "hold", other: null, chosen: null });

export class SweepView {
  /** @type {Sweep | null} */ #sweep = null;
  /** @type {AbortController | null} */ #listening = null;

  /**
   * @param {Host} host
   * @param {State} state kept outside, so that it survives when the node is recreated
   * @param {import("./sweep_words.js").SweepWords} words
   */
  constructor(host, state, words) {
    this.host = host;
    this.state = state;
    this.words = words;
    this.#build();
    this.show(null);
  }

  #build() {
    const { words } = this;
    this.stage = new Stage(words, { click: () => this.overlay.toggle(), held: () => this.#sweep && this.#drawNumbers() });
    this.compared = make("div", "compared");
    this.readout = make("div", "readout", { "aria-live": "polite" });
    this.previous = button("icon", { textContent: "\u2039", title: words.previous, "aria-label": words.previous });
    this.next = button("icon", { textContent: "\u203a", title: words.next, "aria-label": words.next });
    this.sample = make("span");
    this.samples = make("div", "row samples", {}, [this.previous, this.sample, this.next]);
    this.interpolated = button("interpolated", { textContent: words.merged, title: words.mergedTitle });
    this.slider = make("input", "", { type: "range", min: "0", step: "1", "aria-label": "lambda" });
    this.comparing = new CompareBar(words);
    this.thumbs = new Thumbs(words);
    this.select = make("select", "target", { "aria-label": words.target, title: words.target });
    this.status = make("div", "status", { role: "status" });
    this.use = button("use", { textContent: words.use });
    const numbers = make("div", "numbers", {}, [this.compared, this.readout]);
    const track = make("div", "row track", {}, [this.slider, this.samples]);
    this.foot = make("div", "row foot", {}, [this.interpolated, this.status, this.select, this.use]);
    this.controls = make("div", "controls", {}, [numbers, track, this.comparing.element, this.thumbs.element, this.foot]);
    this.panel = make("div", "panel", {}, [this.stage.element, this.controls]);
    this.element = make("div", `${NAME} widget-expands`, {}, [this.panel]);
    this.element.style.setProperty("--deradiff-height", `${HEIGHT}px`);
    this.overlay = new Overlay(this.panel, NAME, () => this.#sweep && this.#draw());
  }

  /** Start listening; possible again after stop(). */
  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = listener(signal);
    on(this.element, "pointerdown pointermove pointerup dblclick", keep);
    on(this.element, "keydown keyup", keepKey);
    on(this.element, "wheel", (event) => this.host.wheel(event));
    on(this.element, "pointerdown", (event) => this.host.press(event, this.#imageAt(event)));
    on(this.element, "contextmenu", (event) => this.host.menu(event));
    on(this.element, "pointerenter focusin", () => this.refreshTargets());
    document.addEventListener("wheel", (event) => this.thumbs.wheel(event), { signal, capture: true, passive: false });
    on(this.panel, "keydown", (event) => this.#step(event));
    on(this.slider, "input", () => this.#choose(Number(this.slider.value)));
    on(this.slider, "pointerup", () => this.stage.element.focus({ preventScroll: true })); // has the same keys, and ComfyUI leaves undo to inputs
    for (const [type, missing] of /** @type {[string, boolean][]} */ ([["error", true], ["load", false]])) {
      const mark = (/** @type {any} */ event) => event.target.classList.toggle("missing", missing);
      this.panel.addEventListener(type, mark, { signal, capture: true }); // these do not bubble
    }
    on(this.previous, "click", () => this.#sample(-1));
    on(this.next, "click", () => this.#sample(1));
    on(this.interpolated, "click", () => this.#toggle());
    on(this.thumbs.element, "click", (event) => this.#choose(this.thumbs.placeOf(event.target) ?? this.#place));
    on(this.select, "change", () => (this.state.target = this.select.value));
    on(this.use, "click", () => this.#use());
    this.stage.start(on);
    this.overlay.start(on);
    this.comparing.start(on, {
      other: (key) => this.#set({ other: key }),
      mode: (mode) => this.#set({ mode }),
      enlarge: () => this.overlay.toggle(),
    });
  }

  /** Stop listening. */
  stop() {
    this.overlay.close();
    this.#listening?.abort();
    this.#listening = null;
  }

  /**
   * @param {Sweep | null} sweep what to show; null before the first run
   * @param {string} said of it, until something is done
   */
  show(sweep, said = "") {
    if (sweep && sweep === this.#sweep) return this.refreshTargets();
    this.#sweep = sweep;
    this.stage.element.classList.toggle("empty", !sweep);
    this.controls.hidden = !sweep;
    if (!sweep) return this.stage.clear(this.words.empty);
    const { state } = this;
    const methods = methodsOf(sweep);
    if (!methods.includes(state.method ?? "")) state.method = methods[0];
    state.sample = Math.min(state.sample, sweep.entries[0].samples.length - 1);
    if (typeof sweep.chosen === "number" && sweep.chosen !== state.chosen) Object.assign(state, { lambda: null, chosen: sweep.chosen });
    this.interpolated.hidden = methods.length < 2;
    this.samples.hidden = sweep.entries[0].samples.length < 2;
    this.status.textContent = said;
    this.refreshTargets();
    this.#draw();
  }

  /** @returns {boolean} whether there is a sweep to see */
  get isEmpty() {
    return !this.#sweep;
  }

  /** @returns {HTMLImageElement | null} the image that a menu of the node is about */
  get image() {
    return this.#sweep && (this.stage.holding ? this.stage.other : this.stage.shown);
  }

  /** Update the nodes that lambda can be written into: the graph may have changed. */
  refreshTargets() {
    const targets = this.host.targets();
    if (!targets.some(({ key }) => key === this.state.target)) this.state.target = targets[0]?.key ?? null;
    listOptions(this.select, targets);
    this.select.value = this.state.target ?? "";
    this.select.hidden = targets.length < 2;
    this.foot.classList.toggle("several", targets.length > 1);
    this.use.disabled = !targets.length;
    this.use.title = targets.length ? this.words.useIn(this.select.selectedOptions[0].text) : this.words.noTarget;
  }

  /** @returns {Entry[]} the entries on the slider */
  get #entries() {
    return this.#sweep ? entriesOf(this.#sweep, this.state.method ?? "") : [];
  }

  /** @returns {number} the position on the slider; at first that of the chosen lambda, the middle without one */
  get #place() {
    const entries = this.#entries;
    const lambda = this.state.lambda ?? this.#sweep?.chosen ?? null;
    return lambda === null ? entries.length >> 1 : nearest(entries, lambda);
  }

  #draw() {
    const sweep = /** @type {Sweep} */ (this.#sweep);
    const entries = this.#entries;
    const place = this.#place;
    const { sample, method, mode, other } = this.state;
    this.slider.max = String(entries.length - 1);
    this.slider.value = String(place);
    this.slider.disabled = entries.length < 2;
    this.slider.style.setProperty("--reached", `${entries.length > 1 ? (100 * place) / (entries.length - 1) : 0}%`);
    this.slider.setAttribute("aria-valuetext", `\u03bb = ${lambdaText(entries[place].lambda)}`);
    this.sample.textContent = `${sample + 1} / ${entries[place].samples.length}`;
    this.sample.setAttribute("aria-label", this.words.sample(sample + 1, entries[place].samples.length));
    this.interpolated.setAttribute("aria-pressed", String(method === INTERPOLATED));
    this.stage.draw(this.#labelled(entries[place]), this.#labelled(this.#other), mode, this.overlay.isOpen);
    this.comparing.draw(choicesOf(sweep, method ?? "", this.words), knownKey(sweep, other), mode, this.overlay.isOpen);
    this.thumbs.draw(entries, place, sample, (entry) => this.#url(entry), (entry) => isChosen(sweep, entry));
    this.#drawNumbers();
  }

  /** The numbers of what is seen: of both images where both are. */
  #drawNumbers() {
    const shown = this.#entries[this.#place];
    const both = this.state.mode !== "hold";
    this.#say(this.readout, this.stage.holding ? this.#other : shown);
    this.#say(this.compared, this.#other);
    this.compared.hidden = !both;
    this.panel.classList.toggle("both", both);
  }

  /**
   * @param {HTMLElement} line
   * @param {Entry} entry
   */
  #say(line, entry) {
    line.textContent = readout(entry, this.state.sample, this.words);
    line.title = line.textContent + (this.#sweep?.scorer ? ` (${this.#sweep.scorer})` : "");
  }

  /** @returns {Entry} what the shown image is compared with */
  get #other() {
    return otherOf(/** @type {Sweep} */ (this.#sweep), this.state.other, this.#entries[this.#place]);
  }

  /** @param {Entry} entry */
  #labelled(entry) {
    const mark = isChosen(/** @type {Sweep} */ (this.#sweep), entry) ? " \u2605" : "";
    return { url: this.#url(entry), label: label(entry, this.words) + mark };
  }

  /** @param {Entry} entry */
  #url(entry) {
    return this.host.url(imagePath(entry.samples[this.state.sample].image));
  }

  /**
   * @param {PointerEvent} event
   * @returns {HTMLImageElement | null} the image under the pointer; elsewhere the one that is seen
   */
  #imageAt(event) {
    const target = /** @type {Element} */ (event.target);
    const image = target.closest("img") ?? target.closest(".thumbs > button")?.querySelector("img") ?? null;
    return image ?? this.image;
  }

  /** @param {Partial<State>} changes */
  #set(changes) {
    Object.assign(this.state, changes);
    this.#draw();
  }

  /** @param {number} place */
  #choose(place) {
    const entries = this.#entries;
    if (!entries.length) return;
    this.status.textContent = "";
    this.#set({ lambda: entries[Math.max(0, Math.min(entries.length - 1, place))].lambda });
  }

  /** @param {number} by */
  #sample(by) {
    const count = this.#sweep?.entries[0].samples.length ?? 1;
    this.#set({ sample: (this.state.sample + by + count) % count });
  }

  #toggle() {
    const [first, second] = methodsOf(/** @type {Sweep} */ (this.#sweep));
    const { lambda } = this.#entries[this.#place];
    this.#set({ lambda, method: this.state.method === first ? second : first });
  }

  /** @param {KeyboardEvent} event arrow keys, Home and End, the same in every browser; the lists have their own */
  #step(event) {
    const last = this.#entries.length - 1;
    const places = { ArrowLeft: this.#place - 1, ArrowDown: this.#place - 1, ArrowRight: this.#place + 1, ArrowUp: this.#place + 1, Home: 0, End: last };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in places) || event.target instanceof HTMLSelectElement) return;
    event.preventDefault();
    this.#choose(places[/** @type {keyof typeof places} */ (event.key)]);
  }

  #use() {
    this.refreshTargets();
    if (!this.state.target) return;
    this.status.textContent = this.host.use(this.state.target, this.#entries[this.#place].lambda);
  }
}
