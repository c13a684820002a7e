// The curve editor's element: the plot with its gestures and keys, presets, and a read-out.
// DOM only: what it needs of ComfyUI comes in through `Host`.

import { keep, keepKey, listener, make } from "../lib/dom.js";
import { ALONE } from "./context.js";
import { PRESETS, added, evaluator, format, moved, parse, presetOf, removed } from "./model.js";
import { CurvePlot } from "./plot.js";

/**
 * @typedef {import("./model.js").Point} Point
 * @typedef {import("./context.js").Context} Context
 * @typedef {import("../lib/words.js").Words} Words
 * @typedef {{write: (text: string) => void, wheel: (event: WheelEvent) => void}} Host
 * @typedef {{base: Point[], index: number, by: Point, pointer: number}} Drag the points before it, the dragged point, its offset from the pointer, the pointer's id
 */

export const HEIGHT = 216; // pixels, the least
const FINE = 0.01;
const COARSE = 0.1;
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class CurveEditor {
  #text = "";
  /** @type {Point[] | null} what is drawn; null while the text cannot be read */ #points = null;
  #context = ALONE;
  /** @type {Drag | null} */ #drag = null;
  /** @type {number | null} the point that was pressed last */ #pressed = null;
  #nudged = false; // moved by keys but not written yet: holding a key is one change
  #clickAdded = false; // a point was added by the first click of a possible double click
  /** @type {AbortController | null} */ #listening = null;

  /**
   * @param {Host} host
   * @param {Words} words
   * @param {string} text
   */
  constructor(host, words, text) {
    this.host = host;
    this.words = words;
    this.plot = new CurvePlot(words);
    this.message = make("div", "message", { role: "status" });
    this.holder = make("div", "holder", {}, [this.plot.element]);
    this.frame = make("div", "frame", { title: "" }, [this.holder, this.message]);
    this.presets = make("select", "", { "aria-label": words.presets }, [
      make("option", "", { value: "", textContent: words.presets, disabled: true }),
      ...Object.entries(words.preset).map(([name, label]) => make("option", "", { value: name, textContent: label })),
    ]);
    this.readout = make("div", "readout");
    const row = make("div", "row", {}, [this.presets, this.readout]);
    this.element = make("div", "deradiff-curve widget-expands", {}, [this.frame, row]);
    this.element.style.setProperty("--deradiff-height", `${HEIGHT}px`);
    this.resizing = new ResizeObserver(() => this.#draw());
    this.text = text;
  }

  /** The widget's value; unreadable text is kept unchanged. */
  get text() {
    return this.#text;
  }

  set text(text) {
    this.#drop();
    this.#nudged = false;
    this.#text = text;
    this.#points = parse(text).points;
    this.#draw();
    this.#say(null);
  }

  /** @param {Context} context */
  set context(context) {
    this.#context = context;
    this.#draw();
    this.#say(null);
  }

  /** Start listening; possible again after stop(). */
  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const on = listener(this.#listening.signal);
    const svg = this.plot.element;
    on(this.element, "pointerdown pointermove pointerup dblclick", keep);
    on(this.element, "wheel", (event) => this.host.wheel(event));
    on(this.element, "keydown keyup", keepKey);
    on(svg, "pointerdown", (event) => event.button === 0 && this.#press(event));
    on(svg, "pointermove", (event) => this.#move(event));
    on(svg, "pointerup", () => this.#release());
    on(svg, "pointercancel lostpointercapture", () => this.#cancel());
    on(svg, "pointerleave", () => this.#say(null));
    on(svg, "mousedown", (event) => this.#click(event));
    on(svg, "dblclick", () => !this.#clickAdded && this.#pressed !== null && this.#remove(this.#pressed));
    on(svg, "contextmenu", (event) => this.#menu(event));
    on(svg, "keydown", (event) => this.#key(event));
    on(svg, "focusin", (event) => this.#sayPoint(this.plot.pointOf(event.target)));
    on(svg, "keyup focusout", () => this.#settle());
    on(svg, "keyup", (event) => this.#sayPoint(this.plot.pointOf(event.target)));
    on(svg, "focusout", () => this.#say(null));
    on(this.presets, "change", () => this.#write(PRESETS[this.presets.value]));
    this.resizing.observe(this.frame);
  }

  /** Stop listening. */
  stop() {
    this.#nudged = false;
    this.#listening?.abort();
    this.#listening = null;
    this.resizing.disconnect();
    this.#drop();
  }

  #draw() {
    const { note } = this.#context;
    const { problem } = parse(this.#text);
    const points = this.#points ?? [];
    this.holder.hidden = !this.#points;
    this.holder.inert = Boolean(note);
    this.presets.disabled = Boolean(note);
    this.presets.value = presetOf(points) ?? "";
    this.message.hidden = !note && !problem;
    this.message.classList.toggle("error", Boolean(problem) && !note);
    if (note) this.message.replaceChildren(this.words[note]);
    else if (problem) this.message.replaceChildren(...this.#complaint(problem));
    if (!this.#points) return;
    this.plot.measure(); // it may have been hidden until now
    this.plot.draw(points, this.#context);
  }

  /** @param {[string, number]} problem */
  #complaint([name, place]) {
    const reason = /** @type {any} */ (this.words)[name](place);
    const lines = [`${this.words.broken} ${reason}`, this.words.kept];
    const [said, kept] = lines.map((textContent, index) => make(index ? "span" : "b", "", { textContent }));
    return [said, make("code", "", { textContent: this.#text, title: this.#text }), kept];
  }

  /** @param {number | null} x the progress under the pointer; null: none */
  #say(x) {
    const inside = x !== null && this.#points;
    this.plot.showCursor(inside ? x : null);
    this.readout.textContent = inside ? this.#factorAt(x) : this.#points && !this.#context.note ? this.words.hint : "";
    this.readout.title = this.readout.textContent;
    this.readout.classList.toggle("live", Boolean(inside));
  }

  /** @param {string} text why something was not done */
  #warn(text) {
    this.readout.textContent = this.readout.title = text;
    this.readout.classList.add("live");
  }

  /** @param {number | null} index */
  #sayPoint(index) {
    if (index !== null && this.#points?.[index]) this.#say(this.#points[index][0]);
  }

  /** @param {number} x */
  #factorAt(x) {
    const { start, end, interpolation, lambda } = this.#context;
    const factor = x < start || x > end ? 0 : evaluator(this.#points ?? [], interpolation)(x);
    const text = this.words.readout(x.toFixed(2), factor.toFixed(2));
    return lambda === null ? text : `${text} = ${(lambda * factor).toFixed(2)}`;
  }

  /** @param {Point[]} points a finished edit, to be written into the widget */
  #write(points) {
    const text = format(points);
    if (text === this.#text) return this.#draw();
    this.host.write(text); // which sets this.text
  }

  /** @param {PointerEvent} event on a point, or on the plot, where it adds one */
  #press(event) {
    this.#settle();
    if (!this.#points || this.#drag) return;
    const [x, y] = this.plot.at(event);
    const hit = this.plot.pointOf(event.target);
    const made = hit === null ? added(this.#points, x, y) : { points: this.#points, index: hit };
    this.#pressed = made && made.index;
    if (!made) return this.#warn(this.words.full);
    const [px, py] = made.points[made.index];
    this.#drag = { base: this.#points, index: made.index, by: hit === null ? [0, 0] : [px - x, py - y], pointer: event.pointerId };
    this.plot.element.setPointerCapture(event.pointerId);
    this.#points = made.points;
    this.#draw();
    this.plot.focus(made.index);
    this.plot.hold(made.index);
    this.#sayPoint(made.index);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const [x, y] = this.plot.at(event);
    if (!this.#drag) return this.#say(x >= 0 && x <= 1 ? x : null);
    if (event.pointerId !== this.#drag.pointer || !this.#points) return;
    const { index, by } = this.#drag;
    this.#points = moved(this.#points, index, x + by[0], y + by[1]);
    this.#draw();
    this.#sayPoint(index);
  }

  #release() {
    const points = this.#points;
    if (!this.#drag || !points) return;
    const { index } = this.#drag;
    this.#drop();
    this.#write(points);
    this.#sayPoint(index);
  }

  /** Restore the points from before the drag. */
  #cancel() {
    if (!this.#drag) return;
    this.#points = this.#drag.base;
    this.#drop();
    this.#draw();
    this.#say(null);
  }

  /** End the drag. */
  #drop() {
    const drag = this.#drag;
    this.#drag = null;
    this.plot.hold(null);
    if (drag && this.plot.element.hasPointerCapture(drag.pointer)) this.plot.element.releasePointerCapture(drag.pointer);
  }

  /** @param {MouseEvent} event the point keeps the focus */
  #click(event) {
    event.preventDefault();
    if (event.detail === 1) this.#clickAdded = this.#drag !== null && this.#drag.base !== this.#points;
  }

  /** @param {MouseEvent} event */
  #menu(event) {
    const hit = this.plot.pointOf(event.target);
    if (hit === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.#remove(hit);
  }

  /** @param {number} index */
  #remove(index) {
    this.#settle();
    const points = this.#points && removed(this.#points, index);
    if (!points) return this.#warn(this.words.fewest);
    this.#cancel();
    this.#write(points);
    this.plot.focus(Math.min(index, points.length - 1));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const index = this.plot.pointOf(event.target);
    if (index === null || !this.#points || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.#points.length - 1;
    if (event.key in ARROWS) this.#nudge(index, ARROWS[event.key], event.shiftKey ? COARSE : FINE);
    else if (event.key === "Delete" || event.key === "Backspace") this.#remove(index);
    else if (event.key === "Enter" || event.key === "Insert") this.#insertAfter(index);
    else if (event.key === "Home" || event.key === "End") this.plot.focus(event.key === "Home" ? 0 : last);
    else if (event.key === "Escape") this.#cancel();
    else return;
    event.preventDefault();
  }

  /**
   * @param {number} index
   * @param {Point} way
   * @param {number} by
   */
  #nudge(index, way, by) {
    if (!this.#points || this.#drag) return;
    const [x, y] = this.#points[index];
    this.#points = moved(this.#points, index, x + way[0] * by, y + way[1] * by);
    this.#nudged = true;
    this.#draw();
    this.#sayPoint(index);
  }

  /** Write the points that keys have moved. */
  #settle() {
    if (!this.#nudged || !this.#points) return;
    this.#nudged = false;
    this.#write(this.#points);
  }

  /** @param {number} index a point halfway to the next one, or to the end */
  #insertAfter(index) {
    this.#settle();
    if (!this.#points || this.#drag) return;
    const x = (this.#points[index][0] + (this.#points[index + 1]?.[0] ?? 1)) / 2;
    const made = added(this.#points, x, evaluator(this.#points, this.#context.interpolation)(x));
    if (!made) return this.#warn(this.words.full);
    this.#write(made.points);
    this.plot.focus(made.index);
  }
}
