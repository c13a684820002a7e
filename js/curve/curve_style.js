// The curve editor's style, in the colours of ComfyUI's theme.
// Pure: a text.

import { widgetStyle } from "../lib/style.js";

export const ID = "deradiff-curve-style";

export const CSS = `
${widgetStyle("deradiff-curve", 4)}
.deradiff-curve .row { display: flex; align-items: center; gap: 5px; min-width: 0; flex: none; }
.deradiff-curve select {
  font: inherit; color: inherit; height: 24px; padding: 0 6px; border: 1px solid var(--line); border-radius: 5px;
  background: var(--field); cursor: pointer; flex: none;
}
.deradiff-curve select { max-width: 88px; }
.deradiff-curve .row input {
  font: inherit; color: inherit; height: 24px; width: 46px; padding: 0 4px; border: 1px solid var(--line); border-radius: 5px;
  background: var(--field); flex: none; text-align: right; font-variant-numeric: tabular-nums; appearance: textfield; -moz-appearance: textfield;
}
.deradiff-curve .row input::-webkit-inner-spin-button { display: none; }
.deradiff-curve .row.other:not(:has(input:focus)) input { display: none; }
.deradiff-curve .menu {
  position: absolute; z-index: 1; display: flex; flex-direction: column; padding: 4px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--comfy-menu-bg, #353535); box-shadow: 0 4px 12px rgb(0 0 0 / 35%);
}
.deradiff-curve .menu button {
  font: inherit; color: inherit; text-align: left; padding: 4px 10px; border: 0; border-radius: 4px; background: none; cursor: pointer;
}
.deradiff-curve .menu button:is(:hover, :focus) { background: var(--field); outline: none; }
.deradiff-curve .menu button:disabled { opacity: 0.45; cursor: default; }
.deradiff-curve select:hover { border-color: var(--faint); }
.deradiff-curve select:disabled { opacity: 0.45; cursor: default; }
.deradiff-curve option { color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222); }
.deradiff-curve .readout {
  flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right;
  color: var(--faint); font-variant-numeric: tabular-nums;
}
.deradiff-curve .readout.live { color: inherit; }
.deradiff-curve .frame { position: relative; flex: 1 1 0; min-height: 150px; border-radius: 6px; background: var(--field); overflow: hidden; }
.deradiff-curve .holder { position: absolute; inset: 0; }
.deradiff-curve svg { width: 100%; height: 100%; display: block; cursor: crosshair; touch-action: none; }
.deradiff-curve text { font-size: 10px; fill: var(--faint); pointer-events: none; font-variant-numeric: tabular-nums; }
.deradiff-curve .grid { stroke: var(--line); fill: none; pointer-events: none; }
.deradiff-curve .one { stroke: var(--faint); stroke-dasharray: 3 3; opacity: 0.7; pointer-events: none; }
.deradiff-curve .area { fill: var(--accent); opacity: 0.14; pointer-events: none; }
.deradiff-curve .line { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; pointer-events: none; }
.deradiff-curve .off { fill: color-mix(in srgb, var(--comfy-menu-bg, #353535) 78%, transparent); }
.deradiff-curve text.wrong { font-size: 12px; fill: var(--error-text, #ff5a5a); }
.deradiff-curve .tick { stroke: var(--faint); stroke-width: 1.5; }
.deradiff-curve .tick.under { stroke: transparent; stroke-width: 7; }
.deradiff-curve .cursor { stroke: var(--faint); pointer-events: none; }
.deradiff-curve .point { cursor: grab; outline: none !important; }
.deradiff-curve .point.held { cursor: grabbing; }
.deradiff-curve .hit { fill: transparent; }
.deradiff-curve .halo { fill: var(--accent); opacity: 0; pointer-events: none; }
.deradiff-curve .dot { fill: var(--comfy-input-bg, #222); stroke: var(--accent); stroke-width: 2; pointer-events: none; }
.deradiff-curve .point:is(:hover, .held) .halo { opacity: 0.3; }
.deradiff-curve .point:focus .dot { fill: var(--accent); }
.deradiff-curve .point:focus-visible .halo { opacity: 0.45; stroke: var(--input-text, #ddd); stroke-width: 2; }
.deradiff-curve .message {
  position: absolute; inset: 0; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 4px;
  padding: 8px 16px; text-align: center; background: color-mix(in srgb, var(--comfy-menu-bg, #353535) 82%, transparent);
}
.deradiff-curve .message.error { outline: 1px solid var(--error-text, #ff5a5a); outline-offset: -1px; border-radius: 6px; }
.deradiff-curve .message b { color: var(--error-text, #ff5a5a); font-weight: 600; }
.deradiff-curve .message code {
  max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--faint); font-size: 11px;
}
`;
