// The element of a search for lambda: whose scores are shown, their drawing, and the line that says what was found.
// DOM only: what it needs of ComfyUI comes in through `wheel`.

import { listener, make } from "../lib/dom.js";
import { lambdaText } from "../lib/numbers.js";
import { Chart } from "./chart.js";
import { lineOf } from "./found.js";

/**
 * @typedef {import("./found.js").Found} Found
 * @typedef {import("./find_words.js").FindWords} FindWords
 */

export const HEIGHT = 200; // pixels, the least

export class CurveView {
  /** @type {Found | null} */ #found = null;
  /** @type {AbortController | null} */ #listening = null;

  /**
   * @param {(event: WheelEvent) => void} wheel what is done when the wheel is turned over it
   * @param {FindWords} words
   */
  constructor(wheel, words) {
    this.wheel = wheel;
    this.words = words;
    this.chart = new Chart();
    this.scorer = make("span", "name");
    this.heldOut = make("span", "name held");
    this.names = make("div", "names", {}, [this.scorer, this.heldOut]);
    this.holder = make("div", "holder", {}, [this.chart.element]);
    this.message = make("div", "message", { textContent: words.empty });
    this.frame = make("div", "frame", {}, [this.names, this.holder, this.message]);
    this.line = make("div", "said", { "aria-hidden": "true" }); // the drawing says the same
    this.element = make("div", "deradiff-found widget-expands", {}, [this.frame, this.line]);
    this.element.style.setProperty("--deradiff-height", `${HEIGHT}px`);
    this.resizing = new ResizeObserver(() => this.#draw());
    this.show(null, false);
  }

  /** Start listening; possible again after stop(). */
  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    listener(this.#listening.signal)(this.element, "wheel", (event) => this.wheel(event));
    this.resizing.observe(this.holder);
  }

  /** Stop listening. */
  stop() {
    this.#listening?.abort();
    this.#listening = null;
    this.resizing.disconnect();
  }

  /** @returns {boolean} whether there is nothing to see */
  get isEmpty() {
    return !this.#found;
  }

  /**
   * @param {Found | null} found null before the first run
   * @param {boolean} runs whether the search is still under way
   */
  show(found, runs) {
    this.#found = found;
    this.frame.classList.toggle("empty", !found);
    for (const part of [this.names, this.holder, this.line]) part.hidden = !found;
    this.message.hidden = Boolean(found);
    if (!found) return;
    const { held_out, turn, scorer, strengths } = found;
    this.line.textContent = lineOf(found, runs, this.words);
    this.chart.element.setAttribute("aria-label", this.line.textContent);
    name(this.scorer, this.words.relative(scorer, lambdaText(strengths[0])));
    name(this.heldOut, held_out ? this.words.heldOut(held_out.name, turn === null ? null : lambdaText(turn)) : "");
    this.#draw();
  }

  #draw() {
    if (!this.#found) return;
    this.chart.measure(); // it may have been hidden until now
    this.chart.draw(this.#found);
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function name(element, text) {
  element.textContent = element.title = text; // a narrow node cuts it off
  element.hidden = !text;
}
