// The node DeRaDiffLambdaSchedule in ComfyUI's front end: the widget of its curve.
// The only module of the editor that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { passWheel, sized, whileInGraph, writeWidget } from "../lib/node_widgets.js";
import { installStyle } from "../lib/style.js";
import { watch } from "../lib/watch.js";
import { wordsFor } from "../lib/words.js";
import { contextOf } from "./context.js";
import { CSS, ID } from "./curve_style.js";
import { CurveEditor, HEIGHT } from "./editor.js";

const TYPE = "DERADIFF_CURVE";
const SIZE = [340, 400];

/**
 * @param {any} node
 * @param {string} name
 * @param {any} spec ["STRING", options]
 */
function addCurve(node, name, spec) {
  installStyle(document, ID, CSS);
  const host = {
    write: (/** @type {string} */ text) => writeWidget(node, widget, text, app.canvas),
    wheel: (/** @type {WheelEvent} */ event) => passWheel(event, app.canvas),
  };
  const words = wordsFor(app.extensionManager?.setting?.get("Comfy.Locale"));
  const editor = new CurveEditor(host, words, textOf(spec?.[1]?.default ?? ""));
  const widget = node.addDOMWidget(name, TYPE, editor.element, {
    ...sized(HEIGHT),
    getValue: () => editor.text,
    setValue: (/** @type {unknown} */ value) => {
      if (textOf(value) !== editor.text) editor.text = textOf(value);
    },
  });
  whileInGraph(node, name, editor.element, () => {
    editor.start();
    const unwatch = watch(() => contextOf(node), (context) => (editor.context = context));
    return () => {
      editor.stop();
      unwatch();
    };
  });
  return { widget, minWidth: SIZE[0], minHeight: SIZE[1] };
}

/** @param {unknown} value a workflow may hold anything */
const textOf = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? ""));

app.registerExtension({
  name: "DeRaDiff.LambdaSchedule",
  getCustomWidgets: () => ({ [TYPE]: addCurve }),
});
