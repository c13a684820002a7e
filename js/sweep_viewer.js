// The node DeRaDiffSweepViewer in ComfyUI's front end: its widget, and where its results come from.
// The one module here that knows ComfyUI; it works in LiteGraph and in Nodes 2.0.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { readSweep } from "./sweep_model.js";
import { installStyle } from "./sweep_style.js";
import { targetsIn, writeLambda } from "./sweep_targets.js";
import { HEIGHT, SweepView } from "./sweep_view.js";

const NODE = "DeRaDiffSweepViewer";
const MARGIN = 4;
const SIZE = [400, 560];

/** @type {Map<any, SweepView>} the viewers of the nodes that are in a graph now */
const viewers = new Map();
/** @type {Map<string, import("./sweep_view.js").State>} what each was set to: switching tabs makes the nodes anew */
const states = new Map();

const rootOf = (/** @type {any} */ node) => node.graph?.rootGraph ?? app.rootGraph ?? app.graph;

/** The key of a node in app.nodeOutputs: "5", or "<subgraph>:5". @param {any} node */
function locator(node) {
  const { graph } = node;
  return !graph || graph === rootOf(node) ? String(node.id) : `${graph.id}:${node.id}`;
}

/** @param {any} node */
function hostOf(node) {
  return {
    url: (/** @type {string} */ path) => api.apiURL(path),
    targets: () => targetsIn(rootOf(node)),
    use: (/** @type {string} */ key, /** @type {number} */ lambda) => {
      const target = targetsIn(rootOf(node)).find((each) => each.key === key);
      return target ? writeLambda(target, lambda, app.canvas) : "That node is no longer in the workflow.";
    },
    wheel: (/** @type {WheelEvent} */ event) => {
      if (!window.LiteGraph?.vueNodesMode) app.canvas.processMouseWheel(event); // there the node does it
    },
  };
}

/**
 * @param {any} node
 * @param {any} outputs app.nodeOutputs
 */
function update(node, outputs) {
  const viewer = viewers.get(node);
  if (!viewer || !node.graph) return;
  const key = `${rootOf(node).id} ${locator(node)}`;
  if (!states.has(key)) states.set(key, viewer.state);
  viewer.state = /** @type {import("./sweep_view.js").State} */ (states.get(key));
  viewer.show(readSweep(outputs?.[locator(node)]));
}

/**
 * Call `after` behind the node's own method, whose result stays.
 * @param {any} node
 * @param {string} name
 * @param {(...args: any[]) => void} after
 */
function chain(node, name, after) {
  const before = node[name];
  node[name] = function (/** @type {any[]} */ ...args) {
    const result = before?.apply(this, args);
    after(...args);
    return result;
  };
}

/** @param {any} node */
function addViewer(node) {
  const view = new SweepView(hostOf(node), { lambda: null, sample: 0, method: null, target: null });
  const widget = node.addDOMWidget("sweep_viewer", "DERADIFF_SWEEP_VIEWER", view.element, {
    serialize: false,
    hideOnZoom: false,
    margin: MARGIN,
    getMinHeight: () => HEIGHT + 2 * MARGIN,
    getValue: () => "",
    setValue: () => {},
  });
  widget.serialize = false;
  node.setSize([Math.max(node.size[0], SIZE[0]), Math.max(node.size[1], SIZE[1])]);
  chain(node, "onAdded", () => {
    viewers.set(node, view);
    view.start();
    requestAnimationFrame(() => update(node, app.nodeOutputs));
  });
  chain(node, "onRemoved", () => {
    viewers.delete(node);
    view.stop();
  });
  chain(node, "onExecuted", (output) => {
    const sweep = readSweep(output);
    if (sweep) view.show(sweep);
    else update(node, app.nodeOutputs);
  });
}

app.registerExtension({
  name: "DeRaDiff.SweepViewer",
  nodeCreated(/** @type {any} */ node) {
    if (node.comfyClass !== NODE) return;
    installStyle(document);
    addViewer(node);
  },
  onNodeOutputsUpdated(/** @type {any} */ outputs) {
    for (const node of viewers.keys()) update(node, outputs);
  },
});
