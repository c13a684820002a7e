// Adding styles to the page, and what all of them share: the colours of ComfyUI's theme and the base of a widget.

export const THEME = `
  --line: color-mix(in srgb, var(--input-text, #ddd) 18%, transparent);
  --faint: color-mix(in srgb, var(--input-text, #ddd) 62%, transparent);
  --field: color-mix(in srgb, var(--input-text, #ddd) 8%, transparent);
  --accent: var(--p-primary-color, #5aa7ff);
`;

/**
 * The base style of every widget of the pack. ComfyUI's box around the element becomes a column, so that the widget fills
 * the available height in both front ends.
 * @param {string} name the class of the widget's element
 * @param {number} gap between its rows, in pixels
 */
export const widgetStyle = (name, gap) => `
div:has(> .${name}) { display: flex; flex-direction: column; min-width: 0; }
.${name} {
  ${THEME}
  box-sizing: border-box; width: 100%; flex: 1 1 auto; min-height: var(--deradiff-height); contain: inline-size;
  display: flex; flex-direction: column; gap: ${gap}px; padding: 2px; position: relative;
  font: 12px/1.35 Inter, system-ui, sans-serif; color: var(--input-text, #ddd); text-align: left; user-select: none;
}
.${name} *, .${name} *::before { box-sizing: border-box; }
.${name} [hidden] { display: none !important; }
.${name} :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
`;

/**
 * @param {Document} page
 * @param {string} id
 * @param {string} css
 */
export function installStyle(page, id, css) {
  if (page.getElementById(id)) return;
  const style = page.createElement("style");
  style.id = id;
  style.textContent = css;
  page.head.append(style);
}
