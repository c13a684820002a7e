// Making elements.
// Pure but for the document: no ComfyUI.

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
