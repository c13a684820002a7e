// The style of a search's drawing, in the colours of ComfyUI's theme.
// Pure: a text.

import { widgetStyle } from "../lib/style.js";

export const ID = "deradiff-found-style";

// Green as light as the theme's letters, where the browser can tell: the front ends mark a dark theme each in its own way.
const GREEN = `
.deradiff-found { --held: #22a355; }
@supports (color: oklch(from red l c h)) {
  .deradiff-found { --held: oklch(from var(--input-text, #ddd) clamp(0.527, l, 0.8) 0.165 151); }
}
`;

export const CSS = `
${widgetStyle("deradiff-found", 2)}
${GREEN}
.deradiff-found .frame {
  flex: 1 1 0; min-height: 130px; display: flex; flex-direction: column; border-radius: 6px; background: var(--field); overflow: hidden;
}
.deradiff-found .frame.empty { border: 1px dashed var(--line); background: none; }
.deradiff-found .message {
  flex: 1 1 auto; display: flex; align-items: center; justify-content: center; padding: 16px; text-align: center; color: var(--faint);
}
.deradiff-found .names { display: flex; flex: none; gap: 14px; padding: 5px 12px 0 8px; font-size: 10px; line-height: 14px; color: var(--faint); }
.deradiff-found .name { flex: 0 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.deradiff-found .name::before {
  content: ""; display: inline-block; width: 14px; margin-right: 5px; vertical-align: 3px; border-top: 2px solid var(--accent);
}
.deradiff-found .name.held::before { border-top: 2px dashed var(--held); }
.deradiff-found .holder { position: relative; flex: 1 1 0; min-height: 0; }
.deradiff-found svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.deradiff-found text { font-size: 10px; fill: var(--faint); font-variant-numeric: tabular-nums; }
.deradiff-found path { fill: none; stroke-linejoin: round; }
.deradiff-found .grid { stroke: var(--line); }
.deradiff-found .zero { stroke: var(--faint); stroke-dasharray: 3 3; opacity: 0.7; }
.deradiff-found .axis { stroke: var(--faint); }
.deradiff-found .alike { stroke: var(--accent); stroke-width: 5; }
.deradiff-found .dots { fill: var(--input-text, #ddd); opacity: 0.3; }
.deradiff-found .band { fill: var(--accent); opacity: 0.2; }
.deradiff-found .line { stroke: var(--accent); stroke-width: 2; }
.deradiff-found .held.band { fill: var(--held); opacity: 0.1; }
.deradiff-found .held.line { stroke: var(--held); stroke-width: 1.5; stroke-dasharray: 6 4; }
.deradiff-found .turn { stroke: var(--held); stroke-width: 1.5; stroke-dasharray: 1.5 3.5; stroke-linecap: round; }
.deradiff-found .best { fill: none; stroke: var(--input-text, #ddd); stroke-width: 2; }
.deradiff-found .said {
  flex: none; padding: 2px 8px; line-height: 16px; min-height: 20px; text-align: center; text-wrap: balance; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums;
}
`;
