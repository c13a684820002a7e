// A colour for each wire type of the pack, where the theme has none of its own.
// Works in LiteGraph, which asks the canvas, and in Nodes 2.0, which asks the style sheet.

import { app } from "../../../scripts/app.js";
import { installStyle } from "../lib/style.js";
import { watch } from "../lib/watch.js";

/** @type {Record<string, string>} */
const COLOURS = { LAMBDA_SCHEDULE: "#2dd4bf", LAMBDA_SWEEP: "#b5d94c", SCORES: "#e0b084", SCORER: "#a9714b", TIME_PREDICTOR: "#7aa2f7" };
const CSS = `:root { ${Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}: ${colour};`).join(" ")} }`;

/** @returns {Record<string, string>[]} of slots and of links, by type: ComfyUI writes into them whenever the theme changes */
const tables = () => [app.canvas.default_connection_color_byType, app.canvas.constructor.link_type_colors];

app.registerExtension({
  name: "DeRaDiff.Colours",
  setup() {
    installStyle(document, "deradiff-colours", CSS);
    const missing = () => tables().flatMap((table) => Object.keys(COLOURS).filter((type) => !table[type]));
    watch(missing, () => {
      for (const table of tables()) {
        for (const [type, colour] of Object.entries(COLOURS)) table[type] ||= colour;
      }
      app.canvas.setDirty(true, true);
    });
  },
});
