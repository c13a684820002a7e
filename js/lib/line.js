// A line of text at the end of a node.
// Uses only the page and the node it is given: imports no ComfyUI.

import { make } from "./dom.js";
import { MARGIN, decorate, sized } from "./node_widgets.js";
import { THEME, installStyle } from "./style.js";

const HEIGHT = 18; // pixels
const STYLE = `
.deradiff-line {
  ${THEME}
  box-sizing: border-box; width: 100%; height: var(--deradiff-height); line-height: var(--deradiff-height); contain: inline-size;
  padding: 0 8px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: center;
  font-family: Inter, system-ui, sans-serif; font-size: 12px; color: var(--faint); font-variant-numeric: tabular-nums;
  pointer-events: none;
}
.deradiff-line.warns { color: var(--p-orange-400, #fb923c); pointer-events: auto; }
`;

/**
 * @param {any} node
 * @param {string} name of the widget
 * @param {string} text
 * @returns {{widget: any, element: any, say: (text: string, warns?: boolean) => void}}
 */
export function addLine(node, name, text) {
  installStyle(document, "deradiff-line-style", STYLE);
  const element = make("div", "deradiff-line", { role: "note" });
  element.style.setProperty("--deradiff-height", `${HEIGHT}px`);
  const say = (/** @type {string} */ said, warns = false) => {
    element.textContent = element.title = said;
    element.classList.toggle("warns", warns); // it is cut off in most nodes: the pointer shows it all
  };
  say(text);
  const fixed = { ...sized(HEIGHT), getMaxHeight: () => HEIGHT + 2 * MARGIN };
  return { widget: decorate(node, name, "DERADIFF_LINE", element, fixed), element, say };
}
