// What stands over the plot where the curve cannot be edited or read.
// DOM only: no ComfyUI.

import { make } from "../lib/dom.js";

/** @typedef {import("../lib/words.js").Words} Words */

export class CurveMessage {
  /** @param {Words} words */
  constructor(words) {
    this.words = words;
    this.element = make("div", "message", { role: "status" });
  }

  /**
   * @param {"linked" | "core" | null} note where the curve comes from, if not from here
   * @param {[string, number] | null} problem with the text
   * @param {string} text
   */
  show(note, problem, text) {
    this.element.hidden = !note && !problem;
    this.element.classList.toggle("error", Boolean(problem) && !note);
    if (note) this.element.replaceChildren(this.words[note]);
    else if (problem) this.element.replaceChildren(...this.#complaint(problem, text));
  }

  /**
   * @param {[string, number]} problem
   * @param {string} text
   */
  #complaint([name, place], text) {
    const reason = /** @type {any} */ (this.words)[name](place);
    const lines = [`${this.words.broken} ${reason}`, this.words.kept];
    const [said, kept] = lines.map((textContent, index) => make(index ? "span" : "b", "", { textContent }));
    return [said, make("code", "", { textContent: text, title: text }), kept];
  }
}
