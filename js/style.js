// Putting styles into the page, and the colours of ComfyUI's theme that all of them use.
// Pure: a text, and a function that puts one into a document once.

export const THEME = `
  --line: color-mix(in srgb, var(--input-text, #ddd) 18%, transparent);
  --faint: color-mix(in srgb, var(--input-text, #ddd) 62%, transparent);
  --field: color-mix(in srgb, var(--input-text, #ddd) 8%, transparent);
  --accent: var(--p-primary-color, #5aa7ff);
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
