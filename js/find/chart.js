// The drawing of a search: the curve of the score over lambda with its band, every image's dot, the best lambda.
// DOM only: no ComfyUI.

import { makeSvg, setAll } from "../lib/dom.js";
import { rangeOf, ticksBetween } from "./axis.js";
import { valueAt } from "./found.js";

/**
 * @typedef {import("./found.js").Band} Band
 * @typedef {import("./found.js").Found} Found
 * @typedef {(value: number) => number} Scale from a value to pixels
 */

const EDGE = { right: 18, top: 8, bottom: 20 }; // pixels around the plot; on the left, as much as the numbers need
const LETTER = 6; // pixels
const APART = { x: 40, y: 26 }; // pixels between the numbers of an axis, at least
const LAMBDA = "\u03bb";

export class Chart {
  #size = { width: 320, height: 140 };

  constructor() {
    this.element = makeSvg("svg", { role: "img" });
  }

  /** Read the element's size from the page. */
  measure() {
    const { clientWidth: width, clientHeight: height } = this.element.parentElement;
    if (width && height) this.#size = { width, height };
  }

  /** @param {Found} found */
  draw(found) {
    const { width, height } = this.#size;
    setAll(this.element, { viewBox: `0 0 ${width} ${height}` });
    const { strengths, held_out, turn, dots } = found;
    const bottom = height - EDGE.bottom;
    const [from, to] = rangeOf([...found.low, ...found.high], dots.map(([, score]) => score));
    const levels = ticksBetween(from, to, Math.max(2, Math.floor((bottom - EDGE.top) / APART.y)));
    const left = 10 + LETTER * Math.max(2, ...levels.map(({ text }) => text.length));
    const [first, last] = ends(strengths);
    const x = scale(first, last, left, width - EDGE.right);
    const y = scale(from, to, bottom, EDGE.top);
    const uprights = ticksBetween(first, last, Math.max(3, Math.floor((width - EDGE.right - left) / APART.x)));
    const inside = (/** @type {number} */ score) => y(Math.max(from, Math.min(to, score))); // those beyond lie on the edge
    this.element.replaceChildren(
      makeSvg("path", { class: "grid", d: levels.map(({ value }) => `M${left} ${y(value)}H${width - EDGE.right}`).join("") }),
      makeSvg("path", { class: "zero", d: from < 0 && to > 0 ? `M${left} ${y(0)}H${width - EDGE.right}` : "" }),
      ...levels.map(({ value, text }) => label(left - 6, y(value) + 3.5, "end", text)),
      ...uprights.map(({ value, text }) => label(x(value), bottom + 15, "middle", text)),
      label(width - EDGE.right + 6, bottom + 3.5, "start", LAMBDA),
      ...(held_out ? curve("held", strengths, held_out, x, scaleOfItsOwn(held_out, bottom)) : []),
      ...(turn !== null && turn >= first && turn <= last ? [makeSvg("path", { class: "turn", d: `M${x(turn)} ${bottom}V${EDGE.top}` })] : []),
      makeSvg("g", { class: "dots" }, dots.map(([lambda, score]) => makeSvg("circle", { cx: x(lambda), cy: inside(score), r: 1.8 }))),
      ...curve("score", strengths, found, x, y),
      ...axis(found, x, bottom),
      makeSvg("circle", { class: "best", cx: x(found.best), cy: y(valueAt(strengths, found.middle, found.best)), r: 5 }),
    );
  }
}

/** @param {number[]} strengths @returns {[number, number]} the first and the last, apart also if there is one */
function ends(strengths) {
  const [first, last] = [strengths[0], strengths[strengths.length - 1]];
  return first < last ? [first, last] : [first - 0.5, first + 0.5];
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number} start where `from` is, in pixels
 * @param {number} end where `to` is
 * @returns {Scale}
 */
function scale(from, to, start, end) {
  return (value) => Number((start + ((value - from) / (to - from)) * (end - start)).toFixed(2));
}

/**
 * A judge whose score has another unit takes the whole height.
 * @param {Band} band
 * @param {number} bottom
 */
function scaleOfItsOwn({ low, high }, bottom) {
  return scale(...rangeOf([...low, ...high], []), bottom, EDGE.top);
}

/**
 * @param {string} name
 * @param {number[]} strengths
 * @param {Band} band
 * @param {Scale} x
 * @param {Scale} y
 * @returns {Element[]} its band and its line
 */
function curve(name, strengths, { middle, low, high }, x, y) {
  const path = (/** @type {number[]} */ values) => strengths.map((strength, index) => `${x(strength)} ${y(values[index])}`);
  const around = [...path(high), ...path(low).reverse()].join("L");
  return [
    makeSvg("path", { class: `${name} band`, d: `M${around}Z` }),
    makeSvg("path", { class: `${name} line`, d: `M${path(middle).join("L")}` }),
  ];
}

/**
 * @param {Found} found
 * @param {Scale} x
 * @param {number} bottom
 * @returns {Element[]} the axis of lambda with a mark at each candidate, thick where they are as good as the best
 */
function axis({ strengths, alike }, x, bottom) {
  const [first, last] = ends(strengths);
  const marks = strengths.map((strength) => `M${x(strength)} ${bottom}v4`).join("");
  const thick = alike && `M${x(Math.max(first, alike[0])) - 2} ${bottom}H${x(Math.min(last, alike[1])) + 2}`;
  return [
    makeSvg("path", { class: "axis", d: `M${x(first)} ${bottom}H${x(last)}${marks}` }),
    ...(thick ? [makeSvg("path", { class: "alike", d: thick })] : []),
  ];
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} anchor
 * @param {string} text
 */
function label(x, y, anchor, text) {
  const made = makeSvg("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}
