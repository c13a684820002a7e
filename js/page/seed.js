// New nodes keep their seed from one run to the next: the same noise at every lambda is what makes images comparable.
// Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { kindOf } from "../lib/kinds.js";

const CONTROL = "control_after_generate"; // ComfyUI's widget below a seed

app.registerExtension({
  name: "DeRaDiff.Seed",
  /** Before a workflow's values are written into it. @param {any} node */
  nodeCreated(node) {
    if (!kindOf(node)?.startsWith("DeRaDiff")) return;
    const control = node.widgets?.find((/** @type {any} */ widget) => widget.name === CONTROL);
    if (control) control.value = "fixed";
  },
});
