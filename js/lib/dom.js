// Creating elements and listening to them.
// Uses only the document: no ComfyUI.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {string} name class
 * @param {Record<string, any>} properties
 * @param {Node[]} children
 * @returns {any}
 */
export function make(tag, name = "", properties = {}, children = []) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) /** @type {any} */ (element)[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const button = (/** @type {string} */ name, /** @type {Record<string, any>} */ properties) =>
  make("button", name, { type: "button", ...properties });

/**
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {Node[]} children
 * @returns {any}
 */
export function makeSvg(tag, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, tag);
  setAll(element, attributes);
  element.append(...children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes
 */
export function setAll(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
}

/**
 * A function that listens to several kinds of events of a target until the signal aborts.
 * @param {AbortSignal} signal
 */
export function listener(signal) {
  return (/** @type {any} */ target, /** @type {string} */ types, /** @type {(event: any) => void} */ act) => {
    for (const type of types.split(" ")) target.addEventListener(type, act, { signal });
  };
}

/**
 * Keep an event of the left button, which would drag the node; the middle one moves the canvas.
 * @param {PointerEvent} event
 */
export function keep(event) {
  if (event.button !== 1 && !(event.buttons & 4)) event.stopPropagation();
}

/**
 * Keep a key that would act on the node or the canvas; the ones with Ctrl or Cmd are ComfyUI's, wherever the focus is.
 * @param {KeyboardEvent} event
 */
export function keepKey(event) {
  if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
}
