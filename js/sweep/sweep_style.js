// The sweep viewer's style, in the colours of ComfyUI's theme.
// Pure: a text.

import { widgetStyle } from "../lib/style.js";

export const ID = "deradiff-sweep-style";

const STAGE = `
.deradiff-sweep .stage {
  position: relative; flex: 1 1 0; min-height: 150px; overflow: hidden; border-radius: 8px;
  background: var(--field); cursor: zoom-in; touch-action: none;
}
.deradiff-sweep .stage.empty { cursor: default; border: 1px dashed var(--line); background: none; }
.deradiff-sweep .stage img { position: absolute; top: 0; bottom: 0; left: 0; width: 100%; height: 100%; object-fit: contain; }
.deradiff-sweep .stage:is(.hold:not(.holding), .empty) .other, .deradiff-sweep .stage:is(.holding, .empty) .shown { visibility: hidden; }
.deradiff-sweep img.missing { visibility: hidden; }
.deradiff-sweep .stage.wipe .other { clip-path: inset(0 calc(100% - var(--divider)) 0 0); }
.deradiff-sweep .stage.wipe .shown { clip-path: inset(0 0 0 var(--divider)); }
.deradiff-sweep .stage.side img { width: calc(50% - 1px); }
.deradiff-sweep .stage.side .shown { left: calc(50% + 1px); }
.deradiff-sweep .divider { position: absolute; top: 0; bottom: 0; left: var(--divider); width: 24px; margin-left: -12px; cursor: ew-resize; }
.deradiff-sweep .divider::before, .deradiff-sweep .divider::after { content: ""; position: absolute; left: 50%; transform: translateX(-50%); }
.deradiff-sweep .divider::before { top: 0; bottom: 0; width: 2px; background: #fff; box-shadow: 0 0 3px rgb(0 0 0 / 60%); }
.deradiff-sweep .divider::after {
  top: calc(50% - 11px); width: 22px; height: 22px; border-radius: 50%; background: #fff; box-shadow: 0 1px 4px rgb(0 0 0 / 50%);
  background-image: linear-gradient(90deg, transparent 7px, #555 7px 9px, transparent 9px 13px, #555 13px 15px, transparent 15px);
  background-size: 100% 10px; background-position: 0 6px; background-repeat: no-repeat;
}
.deradiff-sweep .stage:not(.wipe) .divider { display: none; }
.deradiff-sweep .message {
  position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; padding: 24px;
  text-align: center; color: var(--faint); background: inherit;
}
.deradiff-sweep .tag {
  position: absolute; top: 8px; left: 8px; padding: 2px 8px; border-radius: 5px; color: #fff; background: rgb(0 0 0 / 62%);
  pointer-events: none; font-variant-numeric: tabular-nums; font-weight: 600;
}
.deradiff-sweep .stage:is(.wipe, .side) .shown-tag { left: auto; right: 8px; }
.deradiff-sweep .stage:is(.hold:not(.holding), .empty) .other-tag, .deradiff-sweep .stage:is(.holding, .empty) .shown-tag { display: none; }
.deradiff-sweep .tag.hint { top: auto; bottom: 8px; font-weight: 400; font-size: 11px; opacity: 0; transition: opacity 120ms; }
.deradiff-sweep .stage:is(:hover, :focus-visible):not(.holding, .empty) .hint { opacity: 1; }
.deradiff-sweep .stage.holding { outline: 2px solid var(--accent); outline-offset: -2px; }
`;

const CONTROLS = `
.deradiff-sweep .controls { display: flex; flex-direction: column; gap: 6px; flex: none; min-width: 0; }
.deradiff-sweep .row { display: flex; align-items: center; gap: 6px; min-width: 0; flex: none; }
.deradiff-sweep .numbers { min-width: 0; font-variant-numeric: tabular-nums; }
.deradiff-sweep :is(.readout, .compared) { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.deradiff-sweep .both :is(.readout, .compared)::before { display: inline-block; width: 16px; color: var(--accent); }
.deradiff-sweep .both .compared::before { content: "\\25e7"; }
.deradiff-sweep .both .readout::before { content: "\\25e8"; }
.deradiff-sweep input[type="range"] {
  flex: 1 1 auto; min-width: 0; height: 20px; margin: 0; appearance: none; background: none; cursor: pointer;
}
.deradiff-sweep input::-webkit-slider-runnable-track {
  height: 4px; border-radius: 2px; background: linear-gradient(90deg, var(--accent) var(--reached), var(--line) var(--reached));
}
.deradiff-sweep input::-webkit-slider-thumb {
  appearance: none; width: 14px; height: 14px; margin-top: -5px; border-radius: 50%; background: var(--accent);
}
.deradiff-sweep input::-moz-range-track { height: 4px; border-radius: 2px; background: var(--line); }
.deradiff-sweep input::-moz-range-progress { height: 4px; border-radius: 2px; background: var(--accent); }
.deradiff-sweep input::-moz-range-thumb { width: 14px; height: 14px; border: 0; border-radius: 50%; background: var(--accent); }
.deradiff-sweep button, .deradiff-sweep select {
  font: inherit; color: inherit; height: 26px; padding: 0 9px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--field); cursor: pointer; white-space: nowrap;
}
.deradiff-sweep select { flex: 1 1 auto; min-width: 0; width: 0; text-overflow: ellipsis; }
.deradiff-sweep select option { color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222); }
.deradiff-sweep button:hover:not(:disabled), .deradiff-sweep select:hover { border-color: var(--faint); }
.deradiff-sweep button:disabled { opacity: 0.45; cursor: default; }
.deradiff-sweep button[aria-pressed="true"] { border-color: var(--accent); background: color-mix(in srgb, var(--accent) 22%, transparent); }
.deradiff-sweep button.icon { flex: none; width: 28px; padding: 0; font-size: 14px; line-height: 1; }
.deradiff-sweep .modes { display: flex; flex: none; }
.deradiff-sweep .modes button { border-radius: 0; margin-left: -1px; padding: 0 8px; }
.deradiff-sweep .modes button:first-child { border-radius: 6px 0 0 6px; margin-left: 0; }
.deradiff-sweep .modes button:last-child { border-radius: 0 6px 6px 0; }
.deradiff-sweep .modes button[aria-pressed="true"] { z-index: 1; }
.deradiff-sweep .samples { gap: 2px; color: var(--faint); font-variant-numeric: tabular-nums; }
.deradiff-sweep .samples button.icon { width: 24px; height: 22px; }
.deradiff-sweep .status { flex: 1 1 auto; min-width: 0; color: var(--faint); font-size: 11px; line-height: 1.3; }
.deradiff-sweep .foot { flex-wrap: wrap; }
.deradiff-sweep .foot.several .status { order: 3; flex-basis: 100%; min-height: 15px; }
.deradiff-sweep .use { font-weight: 600; }
`;

const THUMBS = `
.deradiff-sweep .thumbs {
  position: relative; display: flex; flex: none; justify-content: space-between; gap: 3px; padding: 2px;
  overflow-x: auto; scrollbar-width: thin; scrollbar-color: var(--line) transparent;
}
.deradiff-sweep .thumbs button {
  position: relative; flex: 1 0 46px; max-width: 66px; height: auto; padding: 3px; border-color: transparent; background: none;
  display: flex; flex-direction: column; align-items: center; line-height: 1.25; font-size: 11px; font-variant-numeric: tabular-nums;
}
.deradiff-sweep .thumbs button[aria-current="true"] { border-color: var(--accent); background: var(--field); }
.deradiff-sweep .thumbs img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 4px; background: var(--field); margin-bottom: 2px; }
.deradiff-sweep .thumbs small { font-size: 10px; color: var(--faint); min-height: 12px; }
.deradiff-sweep .thumbs .chosen::after {
  content: "\\2605"; position: absolute; top: 5px; right: 5px; width: 16px; height: 16px; border-radius: 50%;
  color: #fff; background: rgb(0 0 0 / 62%); font-size: 10px; line-height: 16px; text-align: center;
}
`;

const ENLARGED = `
.deradiff-sweep .panel { display: flex; flex: 1 1 auto; flex-direction: column; gap: 6px; min-width: 0; min-height: 0; }
dialog.deradiff-sweep.enlarged {
  position: fixed; inset: 0; width: 94vw; height: 94vh; max-width: none; max-height: none; min-height: 0; margin: auto; padding: 16px;
  border: 1px solid var(--line); border-radius: 12px; background: var(--comfy-menu-bg, #222); font-size: 13px;
}
dialog.deradiff-sweep.enlarged::backdrop { background: rgb(0 0 0 / 65%); }
.deradiff-sweep.enlarged .stage { cursor: zoom-out; }
.deradiff-sweep.enlarged .controls { display: grid; grid-template: "numbers compare" "track track" "thumbs foot" / 1fr auto; gap: 6px 12px; align-items: center; }
.deradiff-sweep.enlarged .numbers { grid-area: numbers; }
.deradiff-sweep.enlarged .track { grid-area: track; }
.deradiff-sweep.enlarged .compare { grid-area: compare; }
.deradiff-sweep.enlarged .thumbs { grid-area: thumbs; justify-content: flex-start; }
.deradiff-sweep.enlarged .thumbs button { flex-basis: 64px; max-width: 88px; font-size: 12px; }
.deradiff-sweep.enlarged .foot { grid-area: foot; align-self: end; }
.deradiff-sweep.enlarged .others { flex: 0 1 240px; width: 240px; }
`;

export const CSS = `${widgetStyle("deradiff-sweep", 6)}${STAGE}${CONTROLS}${THUMBS}${ENLARGED}`;
