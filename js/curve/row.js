// The row below the plot: presets, the coordinates of the chosen point to be typed, and a read-out.
// DOM only: no ComfyUI.

import { make } from "../lib/dom.js";
import { HIGHEST } from "./model.js";

/**
 * @typedef {import("./model.js").Point} Point
 * @typedef {import("../lib/words.js").Words} Words
 */

export class CurveRow {
  /** @param {Words} words */
  constructor(words) {
    this.presets = make("select", "", { "aria-label": words.presets }, [
      make("option", "", { value: "", textContent: words.presets, disabled: true }),
      ...Object.entries(words.preset).map(([name, label]) => make("option", "", { value: name, textContent: label })),
    ]);
    const field = (/** @type {string} */ label, /** @type {number} */ max) =>
      make("input", "", { type: "number", min: 0, max, step: 0.01, title: label, "aria-label": label });
    this.fields = [field(words.progress, 1), field(words.factor, HIGHEST)];
    this.readout = make("div", "readout");
    this.element = make("div", "row", {}, [this.presets, ...this.fields, this.readout]);
    this.show(null);
  }

  /** @param {Point | null} point whose coordinates can be typed */
  show(point) {
    this.fields.forEach((field, axis) => {
      field.hidden = !point;
      if (point && document.activeElement !== field) field.value = String(point[axis]);
    });
  }

  /** @returns {Point | null} what was typed; null if it is not two numbers */
  get typed() {
    const [x, y] = this.fields.map((field) => field.valueAsNumber);
    return Number.isFinite(x) && Number.isFinite(y) ? [x, y] : null;
  }

  /**
   * @param {string} text
   * @param {"hint" | "own" | "other"} kind of the chosen point, or of another place or matter, in place of its coordinates
   */
  say(text, kind) {
    this.readout.textContent = this.readout.title = text;
    this.readout.classList.toggle("live", kind !== "hint");
    this.element.classList.toggle("other", kind === "other");
  }
}
