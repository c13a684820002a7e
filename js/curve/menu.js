// A small menu inside of a widget, by mouse and keyboard.
// DOM only: no ComfyUI.

import { button, make } from "../lib/dom.js";

/** @typedef {{label: string, act: () => void, disabled?: boolean}} Item */

export class Menu {
  constructor() {
    this.element = make("div", "menu", { role: "menu", hidden: true });
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /**
   * @param {ReturnType<typeof import("../lib/dom.js").listener>} on
   * @param {Element} around which keeps the presses in it to itself
   */
  listen(on, around) {
    for (const place of [window, around]) on(place, "pointerdown", (event) => this.element.contains(event.target) || this.close());
    on(this.element, "keydown", (event) => this.#key(event));
    on(this.element, "contextmenu", (event) => event.preventDefault());
  }

  /**
   * @param {Item[]} items
   * @param {MouseEvent} event where it opens, within the element around it
   */
  open(items, event) {
    this.element.replaceChildren(
      ...items.map(({ label, act, disabled = false }) => {
        const choose = () => {
          this.close();
          act();
        };
        return button("", { role: "menuitem", textContent: label, disabled, onclick: choose });
      }),
    );
    this.element.hidden = false;
    const frame = this.element.parentElement;
    const box = frame.getBoundingClientRect();
    const scale = box.width / frame.offsetWidth || 1; // the canvas is zoomed
    const within = (/** @type {number} */ at, /** @type {number} */ most) => `${Math.max(0, Math.min(at / scale, most))}px`;
    this.element.style.left = within(event.clientX - box.left, frame.clientWidth - this.element.offsetWidth);
    this.element.style.top = within(event.clientY - box.top, frame.clientHeight - this.element.offsetHeight);
    this.element.querySelector("button:enabled")?.focus({ preventScroll: true });
  }

  close() {
    this.element.hidden = true;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const items = [...this.element.querySelectorAll("button:enabled")];
    const at = items.indexOf(document.activeElement);
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowDown") items[(at + 1) % items.length].focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length].focus();
    else return;
    event.preventDefault();
  }
}
