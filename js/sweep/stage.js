// The sweep viewer's two images, the one that is shown and the one it is compared with, and how they are compared.
// DOM only: no ComfyUI.

import { make } from "../lib/dom.js";
import { MODES } from "./comparison.js";

/**
 * @typedef {{url: string, label: string}} Labelled
 * @typedef {(typeof MODES)[number]} Mode
 * @typedef {import("./sweep_words.js").SweepWords} SweepWords
 */

const PRESS = 180; // milliseconds: a longer one is no click
const SLACK = 4; // pixels: a click may move this far
const STEP = 0.05; // of the width, by one key

export class Stage {
  /** @type {Mode} */ #mode = "hold";
  /** @type {{x: number, moved: boolean, timer: number} | null} the pointer that is down */ #press = null;
  #holding = false;
  #divider = 0.5; // of the width, from the left

  /**
   * @param {SweepWords} words
   * @param {{click: () => void, held: () => void}} heard a click, and that holding has begun or ended
   */
  constructor(words, heard) {
    this.words = words;
    this.heard = heard;
    const image = (/** @type {string} */ name) => make("img", name, { alt: "", draggable: false });
    this.other = image("other");
    this.shown = image("shown");
    this.otherTag = make("span", "tag other-tag");
    this.shownTag = make("span", "tag shown-tag");
    this.hint = make("span", "tag hint");
    this.divider = make("div", "divider", { role: "slider", tabIndex: 0, "aria-label": words.divider, "aria-orientation": "horizontal" });
    this.message = make("div", "message", { role: "status" });
    const parts = [this.other, this.shown, this.divider, this.otherTag, this.shownTag, this.hint, this.message];
    this.element = make("div", "stage", { tabIndex: 0, role: "group" }, parts);
    this.#divide(this.#divider);
  }

  /** @param {(target: any, types: string, act: (event: any) => void) => void} on a listener() */
  start(on) {
    on(this.element, "pointerdown", (event) => event.button === 0 && this.#down(event));
    on(this.element, "pointermove", (event) => this.#move(event));
    on(this.element, "pointerup", () => this.#up());
    on(this.element, "pointercancel lostpointercapture blur", () => this.#release());
    on(this.element, "keydown", (event) => this.#key(event));
    on(this.element, "keyup", (event) => event.key === " " && this.#hold(false));
    on(this.divider, "keydown", (event) => this.#dividerKey(event));
    on(this.shown, "error", () => this.say(this.words.deleted));
    on(this.shown, "load", () => this.say(""));
  }

  /** @returns {boolean} whether the other image is seen in place of the shown one */
  get holding() {
    return this.#holding;
  }

  /**
   * @param {Labelled} shown
   * @param {Labelled} other
   * @param {Mode} mode
   * @param {boolean} large whether the viewer is enlarged
   */
  draw(shown, other, mode, large) {
    if (this.#mode !== mode) this.#release();
    this.#mode = mode;
    for (const each of MODES) this.element.classList.toggle(each, each === mode);
    this.#put(this.shown, this.shownTag, shown);
    this.#put(this.other, this.otherTag, other);
    this.hint.textContent = this.words.hints[mode](large ? this.words.clickBack : this.words.clickLarge, other.label);
    this.element.setAttribute("aria-label", this.words.stage);
  }

  /** @param {string} text instead of images */
  clear(text) {
    this.#release();
    for (const image of [this.shown, this.other]) image.removeAttribute("src");
    this.element.setAttribute("aria-label", text);
    this.say(text);
  }

  /** @param {string} text over the images; empty hides it */
  say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }

  /**
   * @param {HTMLImageElement} image
   * @param {HTMLElement} tag
   * @param {Labelled} content
   */
  #put(image, tag, { url, label }) {
    tag.textContent = image.alt = label;
    if (image.getAttribute("src") !== url) image.src = url;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.element.classList.contains("empty")) return;
    this.#release();
    const timer = window.setTimeout(() => this.#hold(true), PRESS);
    this.#press = { x: event.clientX, moved: event.target === this.divider, timer };
    this.element.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#press) return;
    this.#press.moved ||= Math.abs(event.clientX - this.#press.x) > SLACK;
    if (this.#mode !== "wipe" || !this.#press.moved) return;
    const { left, width } = this.element.getBoundingClientRect();
    this.#divide((event.clientX - left) / width);
  }

  #up() {
    const clicked = this.#press && !this.#press.moved && !this.#holding;
    this.#release();
    if (clicked) this.heard.click();
  }

  #release() {
    if (this.#press) clearTimeout(this.#press.timer);
    this.#press = null;
    this.#hold(false);
  }

  /** @param {boolean} down */
  #hold(down) {
    const holding = down && this.#mode === "hold" && !this.element.classList.contains("empty");
    if (holding === this.#holding) return;
    this.#holding = holding;
    this.element.classList.toggle("holding", holding);
    this.heard.held();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === this.divider) return;
    if (event.key === "Enter" && !event.repeat) this.heard.click();
    else if (event.key === " ") this.#hold(true);
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #dividerKey(event) {
    const places = { ArrowLeft: this.#divider - STEP, ArrowRight: this.#divider + STEP, Home: 0, End: 1 };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation(); // the viewer's arrow keys move lambda
    this.#divide(places[/** @type {keyof typeof places} */ (event.key)]);
  }

  /** @param {number} place of the divider, of the width */
  #divide(place) {
    this.#divider = Math.max(0, Math.min(1, place));
    this.element.style.setProperty("--divider", `${100 * this.#divider}%`);
    this.divider.setAttribute("aria-valuenow", String(Math.round(100 * this.#divider)));
  }
}
