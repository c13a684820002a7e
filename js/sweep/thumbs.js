// The sweep viewer's strip of thumbnails: one button for each lambda, its score below.
// DOM only: no ComfyUI.

import { button, make } from "../lib/dom.js";
import { lambdaText, shortNumber } from "../lib/numbers.js";
import { readout } from "./results.js";

/** @typedef {import("./results.js").Entry} Entry */

const LINE = 32; // pixels: what a browser that counts lines scrolls by one

export class Thumbs {
  /** @param {import("./sweep_words.js").SweepWords} words */
  constructor(words) {
    this.words = words;
    this.element = make("div", "thumbs", { role: "group", "aria-label": words.thumbs });
  }

  /**
   * Buttons are reused; only missing ones are added and surplus ones removed.
   * @param {Entry[]} entries
   * @param {number} place the one that is shown
   * @param {number} sample
   * @param {(entry: Entry) => string} url
   * @param {(entry: Entry) => boolean} chosen whether it is marked
   */
  draw(entries, place, sample, url, chosen) {
    const buttons = this.element.children;
    while (buttons.length > entries.length) this.element.lastChild.remove();
    while (buttons.length < entries.length) this.element.append(this.#button());
    entries.forEach((entry, index) => {
      const said = readout(entry, sample, this.words) + (chosen(entry) ? ` \u00b7 ${this.words.chosen}` : "");
      this.#fill(buttons[index], entry, sample, url(entry), said);
      buttons[index].setAttribute("aria-current", String(index === place));
      buttons[index].classList.toggle("chosen", chosen(entry));
    });
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

  /**
   * Scroll the strip where it is longer than the node is wide, instead of zooming the canvas. With Ctrl it is a gesture of the canvas.
   * @param {WheelEvent} event of the whole page, before anything else sees it: Nodes 2.0 takes the wheel on its way down
   */
  wheel(event) {
    const { scrollWidth, clientWidth } = this.element;
    if (event.ctrlKey || event.metaKey || scrollWidth <= clientWidth || !this.element.contains(/** @type {Node} */ (event.target))) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.scrollLeft += (event.deltaX + event.deltaY) * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
  }

  #button() {
    const thumb = button("", {});
    thumb.append(make("img", "", { alt: "", draggable: false, loading: "lazy", decoding: "async" }), make("span"), make("small"));
    return thumb;
  }

  /**
   * @param {any} thumb
   * @param {Entry} entry
   * @param {number} sample
   * @param {string} url
   * @param {string} said
   */
  #fill(thumb, entry, sample, url, said) {
    const [image, label, score] = thumb.children;
    const value = entry.samples[sample].score;
    if (image.getAttribute("src") !== url) image.src = url;
    label.textContent = lambdaText(entry.lambda);
    score.textContent = value === null ? "" : shortNumber(value);
    thumb.title = said;
    thumb.setAttribute("aria-label", said);
  }

  /** @param {HTMLElement} thumb scrolled into view by scrolling the strip only */
  #reveal(thumb) {
    const left = thumb.offsetLeft - this.element.offsetLeft;
    const { scrollLeft, clientWidth } = this.element;
    if (left < scrollLeft) this.element.scrollLeft = left;
    else if (left + thumb.offsetWidth > scrollLeft + clientWidth) this.element.scrollLeft = left + thumb.offsetWidth - clientWidth;
  }
}
