// The read-outs' style, in the colours of ComfyUI's theme.
// Pure: a text.

import { THEME } from "../lib/style.js";

export const ID = "deradiff-lambda-style";

export const CSS = `
.deradiff-meaning {
  ${THEME}
  box-sizing: border-box; width: 100%; height: var(--deradiff-height); line-height: var(--deradiff-height); contain: inline-size;
  padding: 0 8px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: center;
  font-family: Inter, system-ui, sans-serif; font-size: 12px; color: var(--faint); font-variant-numeric: tabular-nums;
  pointer-events: none;
}
`;
