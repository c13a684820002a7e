// The node DeRaDiffFindLambda in ComfyUI's front end: the curve of its search, while it runs and afterwards.
// The only module of this folder that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { nodeAt } from "../lib/graph_values.js";
import { lastOutput, locatorOf } from "../lib/history.js";
import { chain, decorate, keepPlace, passWheel, sized, whileInGraph } from "../lib/node_widgets.js";
import { installStyle } from "../lib/style.js";
import { CurveView, HEIGHT } from "./curve_view.js";
import { CSS, ID } from "./find_style.js";
import { findWords } from "./find_words.js";
import { readFound, readOutput } from "./found.js";

const NODE = "DeRaDiffFindLambda";
const NAME = "found_curve";
const WIDTH = 360; // pixels, at first

/** @type {Map<any, {view: CurveView, known: string}>} of the nodes that are in a graph now; known: the results that were shown last, as JSON */
const shown = new Map();

const rootOf = (/** @type {any} */ node) => node.graph?.rootGraph ?? app.rootGraph;

/**
 * Show the results of a run unless they are the ones that were shown last: since then a new search may have begun.
 * @param {any} node
 * @param {any} output
 */
function showOutput(node, output) {
  const found = readOutput(output);
  const place = shown.get(node);
  const text = JSON.stringify(found);
  if (!found || !place || place.known === text) return;
  place.known = text;
  place.view.show(found, false);
}

/** Show what the page remembers, or else the server: after the page was reloaded. @param {any} node */
async function recall(node) {
  if (!node.graph) return;
  const locator = locatorOf(rootOf(node), node);
  showOutput(node, app.nodeOutputs?.[locator]);
  if (!shown.get(node)?.view.isEmpty) return;
  try {
    const output = await lastOutput(api, rootOf(node), locator);
    if (shown.get(node)?.view.isEmpty) showOutput(node, output); // it may have gone or been filled in the meantime
  } catch (error) {
    console.error("ComfyUI-DeRaDiff: the server's history cannot be read.", error);
  }
}

/** @param {any} node */
function addCurve(node) {
  const words = findWords(app.extensionManager?.setting?.get("Comfy.Locale"));
  const view = new CurveView((event) => passWheel(event, app.canvas), words);
  decorate(node, NAME, "DERADIFF_FOUND_CURVE", view.element, sized(HEIGHT));
  node.setSize([Math.max(node.size[0], WIDTH), Math.max(node.size[1], node.computeSize()[1])]);
  whileInGraph(node, () => {
    shown.set(node, { view, known: "" });
    view.start();
    requestAnimationFrame(() => recall(node));
    return [() => shown.delete(node), () => view.stop(), keepPlace(node, NAME, view.element, app.canvas)];
  });
  chain(node, "onExecuted", (output) => {
    const place = shown.get(node);
    if (place && readOutput(output)) place.known = ""; // the end of a search that found the same again
    showOutput(node, output);
  });
}

app.registerExtension({
  name: "DeRaDiff.FindLambda",
  setup() {
    api.addEventListener("deradiff_found", (/** @type {any} */ { detail }) => {
      const found = readFound(detail);
      const view = shown.get(nodeAt(app.rootGraph, String(detail?.node)))?.view;
      if (found) view?.show(found, true);
    });
  },
  nodeCreated(/** @type {any} */ node) {
    if (node.comfyClass !== NODE) return;
    installStyle(document, ID, CSS);
    addCurve(node);
  },
  onNodeOutputsUpdated() {
    for (const node of shown.keys()) recall(node);
  },
});
