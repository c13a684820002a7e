// The sweep viewer's strip of thumbnails: one button for each lambda, its score below.
// DOM only: no ComfyUI.

import { button, make } from "../lib/dom.js";
import { lambdaText, shortNumber } from "../lib/numbers.js";
import { readout } from "./results.js";

/** @typedef {import("./results.js").Entry} Entry */

export class Thumbs {
  constructor() {
    this.element = make("div", "thumbs", { role: "group", "aria-label": "Images by lambda" });
  }

  /**
   * Buttons are reused; only missing ones are added and surplus ones removed.
   * @param {Entry[]} entries
   * @param {number} place the chosen one
   * @param {number} sample
   * @param {(entry: Entry) => string} url
   */
  draw(entries, place, sample, url) {
    const buttons = this.element.children;
    while (buttons.length > entries.length) this.element.lastChild.remove();
    while (buttons.length < entries.length) this.element.append(this.#button());
    entries.forEach((entry, index) => this.#fill(buttons[index], entry, sample, url(entry), index === place));
    this.#reveal(buttons[place]);
  }

  /**
   * @param {Element} element what was clicked
   * @returns {number | null}
   */
  placeOf(element) {
    const thumb = element.closest("button");
    return thumb && [...this.element.children].indexOf(thumb);
  }

  #button() {
    const thumb = button("", {});
    thumb.append(make("img", "", { alt: "", draggable: false, loading: "lazy" }), make("span"), make("small"));
    return thumb;
  }

  /**
   * @param {any} thumb
   * @param {Entry} entry
   * @param {number} sample
   * @param {string} url
   * @param {boolean} chosen
   */
  #fill(thumb, entry, sample, url, chosen) {
    const [image, label, score] = thumb.children;
    const value = entry.samples[sample].score;
    if (image.getAttribute("src") !== url) image.src = url;
    label.textContent = lambdaText(entry.lambda);
    score.textContent = value === null ? "" : shortNumber(value);
    thumb.title = readout(entry, sample);
    thumb.setAttribute("aria-label", thumb.title);
    thumb.setAttribute("aria-current", String(chosen));
  }

  /** @param {HTMLElement} thumb scrolled into view by scrolling the strip only */
  #reveal(thumb) {
    const left = thumb.offsetLeft - this.element.offsetLeft;
    const { scrollLeft, clientWidth } = this.element;
    if (left < scrollLeft) this.element.scrollLeft = left;
    else if (left + thumb.offsetWidth > scrollLeft + clientWidth) this.element.scrollLeft = left + thumb.offsetWidth - clientWidth;
  }
}
