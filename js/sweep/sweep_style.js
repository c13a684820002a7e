// The sweep viewer's style, in the colours of ComfyUI's theme.
// Pure: a text.

import { widgetStyle } from "../lib/style.js";

export const ID = "deradiff-sweep-style";

export const CSS = `
${widgetStyle("deradiff-sweep", 6)}
.deradiff-sweep .stage {
  position: relative; flex: 1 1 0; min-height: 160px; overflow: hidden; border-radius: 6px;
  background: var(--field); cursor: pointer; touch-action: none;
}
.deradiff-sweep .stage.empty { cursor: default; }
.deradiff-sweep .stage img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; pointer-events: none; }
.deradiff-sweep img.missing { visibility: hidden; }
.deradiff-sweep .message {
  position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; padding: 24px;
  text-align: center; color: var(--faint); background: inherit;
}
.deradiff-sweep .tag {
  position: absolute; left: 8px; padding: 2px 7px; border-radius: 4px; color: #fff; background: rgb(0 0 0 / 62%);
  pointer-events: none; font-variant-numeric: tabular-nums;
}
.deradiff-sweep .shown { top: 8px; font-weight: 600; }
.deradiff-sweep .hint { bottom: 8px; font-size: 11px; opacity: 0; transition: opacity 120ms; }
.deradiff-sweep .stage:is(:hover, :focus-visible):not(.holding) .hint { opacity: 1; }
.deradiff-sweep .stage.holding { outline: 2px solid var(--accent); outline-offset: -2px; }
.deradiff-sweep .row { display: flex; align-items: center; gap: 6px; min-width: 0; flex: none; }
.deradiff-sweep .readout {
  flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-variant-numeric: tabular-nums;
}
.deradiff-sweep input[type="range"] { flex: 1 1 auto; min-width: 0; height: 20px; margin: 0; accent-color: var(--accent); cursor: pointer; }
.deradiff-sweep button, .deradiff-sweep select {
  font: inherit; color: inherit; height: 26px; padding: 0 9px; border: 1px solid var(--line); border-radius: 5px;
  background: var(--field); cursor: pointer; white-space: nowrap;
}
.deradiff-sweep select { flex: 1 1 auto; min-width: 0; width: 0; text-overflow: ellipsis; }
.deradiff-sweep select option { color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222); }
.deradiff-sweep button:hover:not(:disabled) { border-color: var(--faint); }
.deradiff-sweep button:disabled { opacity: 0.45; cursor: default; }
.deradiff-sweep button[aria-pressed="true"] { border-color: var(--accent); }
.deradiff-sweep .samples { gap: 2px; color: var(--faint); font-variant-numeric: tabular-nums; }
.deradiff-sweep .samples button { width: 24px; height: 22px; padding: 0; }
.deradiff-sweep .thumbs { display: flex; flex: none; justify-content: space-between; gap: 4px; overflow-x: auto; scrollbar-width: thin; padding: 2px; }
.deradiff-sweep .thumbs button {
  flex: 0 0 auto; width: 62px; height: auto; padding: 3px; border-color: transparent; background: none;
  display: flex; flex-direction: column; align-items: center; line-height: 1.25; font-size: 11px; font-variant-numeric: tabular-nums;
}
.deradiff-sweep .thumbs button[aria-current="true"] { border-color: var(--accent); background: var(--field); }
.deradiff-sweep .thumbs img { width: 54px; height: 54px; object-fit: cover; border-radius: 3px; background: var(--field); margin-bottom: 2px; }
.deradiff-sweep .thumbs small { font-size: 10px; color: var(--faint); }
.deradiff-sweep .status { flex: 1 1 auto; min-width: 0; color: var(--faint); font-size: 11px; line-height: 1.3; }
.deradiff-sweep .foot { flex-wrap: wrap; }
.deradiff-sweep .foot.several .status { order: 3; flex-basis: 100%; min-height: 15px; }
.deradiff-sweep .use { font-weight: 600; }
`;
