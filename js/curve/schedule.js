// The node DeRaDiffLambdaSchedule in ComfyUI's front end: the widget of its curve, and the same editor on a subgraph's node.
// The only module of the editor that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { insideOf, isLinked } from "../lib/graph_values.js";
import { addLine } from "../lib/line.js";
import { decorate, keepPlace, passWheel, sized, whileInGraph, writeWidget } from "../lib/node_widgets.js";
import { installStyle } from "../lib/style.js";
import { watch } from "../lib/watch.js";
import { wordsFor } from "../lib/words.js";
import { ALONE, contextOf } from "./context.js";
import { CSS, ID } from "./curve_style.js";
import { CurveEditor, HEIGHT } from "./editor.js";

const TYPE = "DERADIFF_CURVE";
const SIZE = [340, 400];

/** @param {unknown} value a workflow may hold anything */
const textOf = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? ""));
const words = () => wordsFor(app.extensionManager?.setting?.get("Comfy.Locale"));

/**
 * @param {(text: string) => void} write
 * @param {string} text
 */
function makeEditor(write, text) {
  installStyle(document, ID, CSS);
  const wheel = (/** @type {WheelEvent} */ event) => passWheel(event, app.canvas);
  return new CurveEditor({ write, wheel }, words(), text);
}

/**
 * @param {any} node
 * @param {string} name
 * @param {any} spec ["STRING", options]
 */
function addCurve(node, name, spec) {
  const write = (/** @type {string} */ text) => writeWidget(node, widget, text, app.canvas);
  const editor = makeEditor(write, textOf(spec?.[1]?.default ?? ""));
  const widget = node.addDOMWidget(name, TYPE, editor.element, {
    ...sized(HEIGHT),
    getValue: () => editor.text,
    setValue: (/** @type {unknown} */ value) => {
      if (textOf(value) !== editor.text) editor.text = textOf(value);
    },
  });
  whileInGraph(node, () => {
    editor.start();
    return [
      () => editor.stop(),
      watch(() => contextOf(node), (context) => (editor.context = context)),
      keepPlace(node, name, editor.element, app.canvas),
      sayLinked(node, widget),
    ];
  });
  return { widget, minWidth: SIZE[0], minHeight: SIZE[1] };
}

/**
 * Say that the curve comes from its input in a line of its own where the front end hides connected widgets, as 1.58 does.
 * @param {any} node
 * @param {any} widget
 * @returns {() => void} stop
 */
function sayLinked(node, widget) {
  /** @type {any} */ let line = null;
  const say = (/** @type {boolean} */ hidden) => {
    if (line) node.removeWidget(line.widget);
    line?.element.remove();
    line = hidden ? addLine(node, `${widget.name}_linked`, words().linked) : null;
  };
  const stop = watch(() => Boolean(widget.connectionSuppressed), (hidden) => hidden === Boolean(line) || say(hidden));
  return () => {
    stop();
    say(false);
  };
}

/**
 * The curves that are widgets of a subgraph's node without an element: of a promoted widget, front ends since 1.58 keep the
 * value and draw nothing. Earlier ones show its own editor.
 * @param {any} host
 * @returns {any[]}
 */
const bareCurves = (host) => host.widgets.filter((/** @type {any} */ widget) => widget.type === TYPE && !widget.element);

/** Give each of them an editor. @param {any} host */
function addPromoted(host) {
  /** @type {Map<string, () => void>} */ const shown = new Map();
  const update = (/** @type {string[]} */ names) => {
    for (const [name, remove] of shown) if (!names.includes(name)) remove();
    for (const name of names) if (!shown.has(name)) shown.set(name, addOnHost(host, name, () => shown.delete(name)));
  };
  const names = () => bareCurves(host).map(({ name }) => name);
  whileInGraph(host, () => [watch(names, update), () => update([])]);
}

/**
 * @param {any} host
 * @param {string} name of the promoted widget
 * @param {() => void} removed
 * @returns {() => void} remove
 */
function addOnHost(host, name, removed) {
  const curve = () => bareCurves(host).find((widget) => widget.name === name);
  const editor = makeEditor((text) => {
    writeWidget(host, curve(), text, app.canvas);
    editor.text = text;
  }, textOf(curve().value));
  const label = `${name}_editor`;
  const widget = decorate(host, label, "DERADIFF_PROMOTED_CURVE", editor.element, sized(HEIGHT));
  host.setSize([Math.max(host.size[0], SIZE[0]), Math.max(host.size[1], host.computeSize()[1])]);
  editor.start();
  const stops = [
    () => editor.stop(),
    watch(() => textOf(curve()?.value), (text) => text === editor.text || (editor.text = text)),
    watch(() => contextOnHost(host, name), (context) => (editor.context = context)),
    keepPlace(host, label, editor.element, app.canvas),
  ];
  return () => {
    stops.forEach((stop) => stop());
    host.removeWidget(widget);
    editor.element.remove(); // Nodes 2.0 may keep its box
    removed();
  };
}

/**
 * @param {any} host
 * @param {string} name
 * @returns {import("./context.js").Context}
 */
function contextOnHost(host, name) {
  const inside = insideOf(host, name);
  const context = inside ? contextOf(inside.node) : ALONE;
  return isLinked(host, name) ? { ...context, note: "linked" } : context;
}

app.registerExtension({
  name: "DeRaDiff.LambdaSchedule",
  getCustomWidgets: () => ({ [TYPE]: addCurve }),
  nodeCreated(/** @type {any} */ node) {
    if (node.subgraph) addPromoted(node);
  },
});
