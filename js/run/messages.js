// What the server tells of a run: warnings become toasts, the stage of a sweep goes to its node's line.
// The only module of this folder that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { nodeAt } from "../lib/graph_values.js";
import { News } from "./news.js";
import { enter, leaveAll } from "./under_way.js";

const LIFE = 15000; // milliseconds of a toast
const news = new News();

const found = (/** @type {unknown} */ id) => nodeAt(app.rootGraph, String(id));

/**
 * @param {unknown} id of the node, as the server names it
 * @param {string[]} warnings
 */
function toast(id, warnings) {
  for (const detail of news.of(String(id), warnings)) {
    app.extensionManager?.toast?.add?.({ severity: "warn", summary: found(id)?.title ?? "DeRaDiff", detail, life: LIFE });
  }
}

app.registerExtension({
  name: "DeRaDiff.Run",
  setup() {
    const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ act) =>
      api.addEventListener(type, (/** @type {any} */ event) => act(event.detail));
    on("execution_start", () => news.begin());
    on("executed", ({ node, display_node, output }) => toast(display_node ?? node, output?.deradiff_run?.at?.(-1)?.warnings ?? []));
    on("deradiff_warned", ({ node, warnings }) => toast(node, warnings));
    on("deradiff_stage", ({ node, ...stage }) => {
      const running = found(node);
      if (running) enter(running, stage);
    });
    for (const type of ["executed", "execution_success", "execution_error", "execution_interrupted"]) on(type, leaveAll);
  },
});
