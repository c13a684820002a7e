// The curve editor's drawing: axes, the curve, its points, the steps, the ranges outside the schedule.
// DOM only: no ComfyUI.

import { makeSvg, setAll } from "../lib/dom.js";
import { HIGHEST, evaluator } from "./model.js";

/**
 * @typedef {import("./model.js").Point} Point
 * @typedef {import("./context.js").Context} Context
 * @typedef {import("../lib/words.js").Words} Words
 */

const EDGE = { left: 24, right: 12, top: 10, bottom: 18 }; // pixels around the plot
const EVERY = 2; // pixels between the corners of a drawn curve
const MOST_TICKS = 200;
const TIMES = "\u00d7";

export class CurvePlot {
  #size = { width: 300, height: 160 };

  /** @param {Words} words */
  constructor(words) {
    this.words = words;
    this.axes = makeSvg("g", { "aria-hidden": "true" });
    this.area = makeSvg("path", { class: "area" });
    this.line = makeSvg("path", { class: "line" });
    this.outside = makeSvg("g");
    this.ticks = makeSvg("g", { "aria-hidden": "true" });
    this.cursor = makeSvg("line", { class: "cursor" });
    this.points = makeSvg("g");
    this.element = makeSvg("svg", { role: "group", "aria-label": words.plot }, [
      this.axes, this.area, this.line, this.outside, this.ticks, this.cursor, this.points,
    ]);
    this.showCursor(null);
  }

  /** Read the element's size from the page. */
  measure() {
    const { clientWidth: width, clientHeight: height } = this.element.parentElement;
    if (width && height) this.#size = { width, height };
  }

  /**
   * @param {Point[]} points
   * @param {Context} context
   */
  draw(points, context) {
    const { width, height } = this.#size;
    setAll(this.element, { viewBox: `0 0 ${width} ${height}` });
    this.#drawAxes();
    this.#drawCurve(points, context);
    this.#drawOutside(context);
    this.#drawTicks(context.ticks);
    this.#drawPoints(points);
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point} where the pointer is, possibly outside the plot
   */
  at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.element.getScreenCTM().inverse());
    const { width, height } = this.#size;
    const x = (point.x - EDGE.left) / (width - EDGE.left - EDGE.right);
    return [x, HIGHEST * (1 - (point.y - EDGE.top) / (height - EDGE.top - EDGE.bottom))];
  }

  /**
   * @param {any} target of an event
   * @returns {number | null} the point that was hit
   */
  pointOf(target) {
    const point = target.closest?.(".point");
    return point && [...this.points.children].indexOf(point);
  }

  /** @param {number} index */
  focus(index) {
    this.points.children[index]?.focus({ preventScroll: true });
  }

  /** @param {number | null} index the point that is being dragged */
  hold(index) {
    [...this.points.children].forEach((point, place) => point.classList.toggle("held", place === index));
  }

  /** @param {number | null} x a progress */
  showCursor(x) {
    this.cursor.style.display = x === null ? "none" : "";
    if (x !== null) this.#upright(this.cursor, x, HIGHEST);
  }

  #x(/** @type {number} */ x) {
    return EDGE.left + x * (this.#size.width - EDGE.left - EDGE.right);
  }

  #y(/** @type {number} */ y) {
    return EDGE.top + (1 - y / HIGHEST) * (this.#size.height - EDGE.top - EDGE.bottom);
  }

  /**
   * @param {Element} line
   * @param {number} x
   * @param {number} y how high, as a factor
   */
  #upright(line, x, y) {
    setAll(line, { x1: this.#x(x), x2: this.#x(x), y1: this.#y(0), y2: this.#y(y) });
  }

  #drawAxes() {
    const [left, right, bottom] = [this.#x(0), this.#x(1), this.#y(0)];
    const level = (/** @type {number} */ y) => `M${left} ${this.#y(y)}H${right}`;
    const upright = (/** @type {number} */ x) => `M${this.#x(x)} ${bottom}V${this.#y(HIGHEST)}`;
    const text = (/** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ anchor, /** @type {string} */ said) => {
      const made = makeSvg("text", { x, y, "text-anchor": anchor });
      made.textContent = said;
      return made;
    };
    this.axes.replaceChildren(
      makeSvg("path", { class: "grid", d: [0, 0.5, 1.5, 2].map(level).join("") + [0, 0.25, 0.5, 0.75, 1].map(upright).join("") }),
      makeSvg("path", { class: "one", d: level(1) }),
      ...[0, 1, 2].map((y) => text(left - 6, this.#y(y) + 3.5, "end", String(y))),
      ...[0, 0.25, 0.75, 1].map((x) => text(this.#x(x), bottom + 13, "middle", String(x))),
      text(this.#x(0.5), bottom + 13, "middle", this.words.progress),
      turned(text(0, 0, "middle", `${TIMES} lambda`), 9, this.#y(1)),
    );
  }

  /**
   * @param {Point[]} points
   * @param {Context} context
   */
  #drawCurve(points, { interpolation }) {
    const y = evaluator(points, interpolation);
    const count = Math.ceil((this.#x(1) - this.#x(0)) / EVERY);
    const even = Array.from({ length: count + 1 }, (_, index) => index / count);
    const xs = [...even, ...points.map(([x]) => x)].sort((a, b) => a - b);
    const path = `M${xs.map((x) => `${this.#x(x).toFixed(2)} ${this.#y(y(x)).toFixed(2)}`).join("L")}`;
    setAll(this.line, { d: path });
    setAll(this.area, { d: `${path}V${this.#y(0)}H${this.#x(0)}Z` });
  }

  /** @param {Context} context */
  #drawOutside({ start, end }) {
    const band = (/** @type {number} */ from, /** @type {number} */ to) => {
      if (to <= from) return [];
      const place = { x: this.#x(from), width: this.#x(to) - this.#x(from), y: this.#y(HIGHEST), height: this.#y(0) - this.#y(HIGHEST) };
      return [makeSvg("rect", { class: "off", ...place }, [titled(this.words.outside)])];
    };
    if (start <= end) return this.outside.replaceChildren(...band(0, start), ...band(end, 1));
    const said = makeSvg("text", { class: "wrong", x: this.#x(0.5), y: this.#y(1), "text-anchor": "middle" });
    said.textContent = this.words.backwards;
    this.outside.replaceChildren(...band(0, 1), said);
  }

  /** @param {number[]} ticks */
  #drawTicks(ticks) {
    const shown = ticks.length <= MOST_TICKS ? ticks : [];
    const lines = shown.map((x, index) => {
      const [seen, under] = ["tick", "tick under"].map((name) => makeSvg("line", { class: name }));
      this.#upright(seen, x, 0.1);
      this.#upright(under, x, 0.16);
      return makeSvg("g", {}, [seen, under, titled(this.words.step(index + 1, shown.length, x.toFixed(2)))]);
    });
    this.ticks.replaceChildren(...lines);
  }

  /** @param {Point[]} points elements are kept: one of them may have the focus or the pointer */
  #drawPoints(points) {
    const made = this.points.children;
    while (made.length > points.length) this.points.lastChild.remove();
    while (made.length < points.length) this.points.append(handle());
    points.forEach(([x, y], index) => {
      setAll(made[index], {
        transform: `translate(${this.#x(x)} ${this.#y(y)})`,
        "aria-label": this.words.point(index + 1, points.length),
        "aria-valuenow": y,
        "aria-valuetext": this.words.at(String(x), String(y)),
      });
    });
  }
}

/**
 * @param {Element} text
 * @param {number} x
 * @param {number} y
 * @returns {Element} upwards, its middle there
 */
function turned(text, x, y) {
  setAll(text, { transform: `translate(${x} ${y}) rotate(-90)` });
  return text;
}

/** @param {string} text */
function titled(text) {
  const title = makeSvg("title");
  title.textContent = text;
  return title;
}

function handle() {
  const circle = (/** @type {string} */ name, /** @type {number} */ r) => makeSvg("circle", { class: name, r });
  const aria = { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": HIGHEST };
  return makeSvg("g", { class: "point", ...aria }, [circle("hit", 12), circle("halo", 9), circle("dot", 4.5)]);
}
