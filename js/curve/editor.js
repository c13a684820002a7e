// The curve editor's element: the plot with its gestures and keys, its menu, and the row below it.
// DOM only: what it needs of ComfyUI comes in through `Host`.

import { keep, keepKey, listener, make } from "../lib/dom.js";
import { ALONE, lambdaAt } from "./context.js";
import { Menu } from "./menu.js";
import { CurveMessage } from "./message.js";
import { FEWEST_POINTS, PRESETS, added, evaluator, format, moved, parse, presetOf, removed, snapped } from "./model.js";
import { CurvePlot } from "./plot.js";
import { CurveRow } from "./row.js";

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
  /** @type {number | null} the point whose coordinates are shown, to be typed */ #chosen = null;
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
    this.message = new CurveMessage(words);
    this.holder = make("div", "holder", {}, [this.plot.element]);
    this.menu = new Menu();
    this.frame = make("div", "frame", { title: "" }, [this.holder, this.message.element, this.menu.element]);
    this.row = new CurveRow(words);
    this.element = make("div", "deradiff-curve widget-expands", {}, [this.frame, this.row.element]);
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
    on(this.element, "focusout", (event) => !this.element.contains(event.relatedTarget) && this.#choose(null));
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
    on(svg, "focusin", (event) => this.#choose(this.plot.pointOf(event.target)));
    on(svg, "keyup focusout", () => this.#settle());
    on(this.row.presets, "change", () => this.#write(PRESETS[this.row.presets.value]));
    for (const field of this.row.fields) on(field, "change", () => this.#type());
    this.menu.listen(on, this.element);
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
    this.row.presets.disabled = Boolean(note);
    this.row.presets.value = presetOf(points) ?? "";
    if (this.#chosen !== null && (note || this.#chosen >= points.length)) this.#chosen = null;
    this.row.show(this.#chosen === null ? null : points[this.#chosen]);
    this.message.show(note, problem, this.#text);
    if (!this.#points) return;
    this.plot.measure(); // it may have been hidden until now
    this.plot.draw(points, this.#context);
  }

  /** @param {number | null} x the progress under the pointer; null: none, then of the chosen point */
  #say(x) {
    const points = this.#points;
    this.plot.showCursor(points ? x : null);
    if (!points || this.#context.note) return this.row.say("", "hint");
    if (x !== null) return this.row.say(`${x.toFixed(2)} ${lambdaAt(x, evaluator(points, this.#context.interpolation)(x), this.#context)}`, "other");
    if (this.#chosen === null) return this.row.say(this.words.hint, "hint");
    this.row.say(lambdaAt(...points[this.#chosen], this.#context), "own");
  }

  /** @param {string} text why something was not done */
  #warn(text) {
    this.row.say(text, "other");
  }

  /** @param {number | null} index the point to be spoken of, and to be typed */
  #choose(index) {
    this.#chosen = index;
    this.row.show(index === null || !this.#points ? null : this.#points[index]);
    this.#say(null);
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
    if (!this.#points || this.#drag || this.menu.isOpen) return;
    const [x, y] = event.shiftKey ? snapped(this.plot.at(event)) : this.plot.at(event);
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
    this.#choose(made.index);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const [x, y] = this.plot.at(event);
    if (!this.#drag) return this.#say(x >= 0 && x <= 1 ? x : null);
    if (event.pointerId !== this.#drag.pointer || !this.#points) return;
    const { index, by } = this.#drag;
    const to = /** @type {Point} */ ([x + by[0], y + by[1]]);
    this.#points = moved(this.#points, index, ...(event.shiftKey ? snapped(to) : to));
    this.#draw();
    this.#choose(index);
  }

  #release() {
    const points = this.#points;
    if (!this.#drag || !points) return;
    const { index } = this.#drag;
    this.#drop();
    this.#write(points);
    this.#choose(index);
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

  /** @param {MouseEvent} event the point keeps the focus; a double click adds one point, also where its second click is beside it */
  #click(event) {
    event.preventDefault();
    const adds = this.#drag !== null && this.#drag.base !== this.#points;
    if (event.detail === 1) this.#clickAdded = adds;
    else if (this.#clickAdded && adds) this.#cancel();
  }

  /** @param {MouseEvent} event */
  #menu(event) {
    event.preventDefault();
    event.stopPropagation();
    this.#cancel(); // a long press of a finger began one
    const points = this.#points;
    if (!points) return;
    const index = this.plot.pointOf(event.target);
    const of = this.words.menu;
    const place = this.plot.at(event);
    const ofPoint = (/** @type {number} */ hit) => [
      { label: of.type, act: () => this.#edit(hit) },
      { label: of.remove, act: () => this.#remove(hit), disabled: points.length <= FEWEST_POINTS },
    ];
    const items = index === null ? [{ label: of.add, act: () => this.#insert(...place) }] : ofPoint(index);
    this.menu.open([...items, { label: of.reset, act: () => this.#write(PRESETS.constant) }], event);
  }

  /** @param {number} index */
  #edit(index) {
    this.#choose(index);
    this.row.fields[0].focus();
    this.row.fields[0].select();
  }

  /** Move the chosen point to the coordinates that were typed. */
  #type() {
    const { typed } = this.row;
    if (!this.#points || this.#chosen === null) return;
    if (typed) this.#write(moved(this.#points, this.#chosen, ...typed));
    const [x, y] = this.#points[this.#chosen]; // between its neighbours
    [x, y].forEach((value, axis) => (this.row.fields[axis].value = String(value)));
    this.#say(null);
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
    this.#choose(index);
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
    this.#insert(x, evaluator(this.#points, this.#context.interpolation)(x));
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #insert(x, y) {
    const made = this.#points && added(this.#points, x, y);
    if (!made) return this.#warn(this.words.full);
    this.#write(made.points);
    this.plot.focus(made.index);
  }
}
