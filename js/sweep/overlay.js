// A part of a node, enlarged over the whole page and put back.
// DOM only: no ComfyUI. The browser's own dialog: above everything, keeps the focus, ends with Esc.

import { keepKey, make } from "../lib/dom.js";

const DOUBLE = 350; // milliseconds: the second click of a double one is none of its own

export class Overlay {
  /** @type {Element | null} the part's own parent while it is enlarged */ #home = null;
  /** @type {any} what had the focus before */ #focused = null;
  #toggled = -DOUBLE;

  /**
   * @param {HTMLElement} part
   * @param {string} name the class that its style needs around it
   * @param {() => void} moved after it has been enlarged or put back
   */
  constructor(part, name, moved) {
    this.part = part;
    this.moved = moved;
    this.dialog = make("dialog", `${name} enlarged`);
  }

  get isOpen() {
    return this.#home !== null;
  }

  /** @param {(target: any, types: string, act: (event: any) => void) => void} on a listener() */
  start(on) {
    on(this.dialog, "keydown keyup", keepKey);
    on(this.dialog, "close", () => this.close());
    on(this.dialog, "pointerdown", (event) => event.target === this.dialog && this.#isOutside(event) && this.close());
  }

  toggle() {
    if (performance.now() - this.#toggled < DOUBLE) return;
    if (this.#home) this.close();
    else this.#open();
    this.#toggled = performance.now();
  }

  #open() {
    if (!this.part.isConnected) return;
    this.#home = this.part.parentElement;
    this.#focused = this.part.contains(document.activeElement) ? document.activeElement : null;
    this.dialog.append(this.part);
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.#moved();
  }

  close() {
    const home = this.#home;
    if (!home) return;
    this.#home = null;
    this.#toggled = -DOUBLE; // after Esc the next click is no second one
    home.append(this.part);
    this.dialog.close();
    this.dialog.remove();
    this.#moved();
  }

  #moved() {
    this.#focused?.focus({ preventScroll: true }); // moving it took it away
    this.moved();
  }

  /** @param {PointerEvent} event on the dialog itself: its padding, or the page behind it */
  #isOutside({ clientX, clientY }) {
    const { left, right, top, bottom } = this.dialog.getBoundingClientRect();
    return clientX < left || clientX > right || clientY < top || clientY > bottom;
  }
}
