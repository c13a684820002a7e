// The sweep viewer's row of controls for comparing: with what, how, and the button that enlarges.
// DOM only: no ComfyUI.

import { button, make } from "../lib/dom.js";
import { MODES } from "./comparison.js";

/** @typedef {import("./stage.js").Mode} Mode */

export class CompareBar {
  /** @param {import("./sweep_words.js").SweepWords} words */
  constructor(words) {
    this.words = words;
    this.others = make("select", "others", { "aria-label": words.compare, title: words.compare });
    this.modes = MODES.map((mode) => button(mode, { textContent: words.modes[mode], title: words.modeTitles[mode] }));
    this.enlarge = button("enlarge icon", {});
    const modes = make("div", "modes", { role: "group", "aria-label": words.compare }, this.modes);
    this.element = make("div", "row compare", {}, [this.others, modes, this.enlarge]);
  }

  /**
   * @param {(target: any, types: string, act: (event: any) => void) => void} on a listener()
   * @param {{other: (key: string) => void, mode: (mode: Mode) => void, enlarge: () => void}} act
   */
  start(on, act) {
    on(this.others, "change", () => act.other(this.others.value));
    on(this.enlarge, "click", () => act.enlarge());
    MODES.forEach((mode, index) => on(this.modes[index], "click", () => act.mode(mode)));
  }

  /**
   * @param {{key: string, label: string}[]} choices
   * @param {string} key the one that is chosen
   * @param {Mode} mode
   * @param {boolean} large whether the viewer is enlarged
   */
  draw(choices, key, mode, large) {
    listOptions(this.others, choices);
    this.others.value = key;
    MODES.forEach((each, index) => this.modes[index].setAttribute("aria-pressed", String(each === mode)));
    this.enlarge.title = large ? this.words.shrink : this.words.enlarge;
    this.enlarge.setAttribute("aria-label", this.enlarge.title);
    this.enlarge.textContent = large ? "\u2715" : "\u2922";
  }
}

/**
 * Make these the options of a list, if they are not yet: replacing them would close it.
 * @param {HTMLSelectElement} select
 * @param {{key: string, label: string}[]} choices
 */
export function listOptions(select, choices) {
  const known = [...select.options].map((option) => `${option.value} ${option.text}`).join("\n");
  if (known === choices.map(({ key, label }) => `${key} ${label}`).join("\n")) return;
  select.replaceChildren(...choices.map(({ key, label }) => make("option", "", { value: key, textContent: label })));
}
