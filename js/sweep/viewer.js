// The node DeRaDiffSweepViewer in ComfyUI's front end: its widget, and where its results come from.
// The only module of the viewer that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { lastOutput, locatorOf } from "../lib/history.js";
import { chain, decorate, keepPlace, passWheel, sized, whileInGraph } from "../lib/node_widgets.js";
import { installStyle } from "../lib/style.js";
import { offerImages } from "./image_menu.js";
import { readSweep } from "./results.js";
import { CSS, ID } from "./sweep_style.js";
import { sweepWords } from "./sweep_words.js";
import { targetsIn, writeLambda } from "./targets.js";
import { HEIGHT, SweepView, firstState } from "./view.js";

const NODE = "DeRaDiffSweepViewer";
const NAME = "sweep_viewer";
const SIZE = [420, 580];

/** @type {Map<any, SweepView>} the viewers of the nodes that are in a graph now */
const viewers = new Map();
/** @type {Map<string, import("./view.js").State>} the settings of each viewer: switching tabs recreates the nodes */
const states = new Map();

const rootOf = (/** @type {any} */ node) => node.graph?.rootGraph ?? app.rootGraph;

/**
 * @param {any} node
 * @param {import("./sweep_words.js").SweepWords} words
 */
function hostOf(node, words) {
  const images = offerImages(node, () => viewers.get(node)?.image ?? null, () => app.canvas);
  return {
    url: (/** @type {string} */ path) => api.apiURL(path),
    targets: () => targetsIn(rootOf(node)),
    use: (/** @type {string} */ key, /** @type {number} */ lambda) => {
      const target = targetsIn(rootOf(node)).find((each) => each.key === key);
      return target ? writeLambda(target, lambda, app.canvas, words) : words.gone;
    },
    wheel: (/** @type {WheelEvent} */ event) => passWheel(event, app.canvas),
    press: images.press,
    menu: images.menu,
  };
}

/** Show what the page remembers of the node. @param {any} node */
function update(node) {
  const viewer = viewers.get(node);
  if (!viewer || !node.graph) return;
  const locator = locatorOf(rootOf(node), node);
  const key = `${rootOf(node).id} ${locator}`;
  if (!states.has(key)) states.set(key, viewer.state);
  viewer.state = /** @type {import("./view.js").State} */ (states.get(key));
  viewer.show(readSweep(app.nodeOutputs?.[locator]));
}

/** Show what the page remembers, or else the server: after the page was reloaded. @param {any} node */
async function recall(node) {
  update(node);
  if (!viewers.get(node)?.isEmpty) return;
  try {
    const sweep = readSweep(await lastOutput(api, rootOf(node), locatorOf(rootOf(node), node)));
    const viewer = viewers.get(node); // it may have gone or been filled in the meantime
    if (sweep && viewer?.isEmpty) viewer.show(sweep, viewer.words.recalled);
  } catch (error) {
    console.error("ComfyUI-DeRaDiff: the server's history cannot be read.", error);
  }
}

/** @param {any} node */
function addViewer(node) {
  const words = sweepWords(app.extensionManager?.setting?.get("Comfy.Locale"));
  const view = new SweepView(hostOf(node, words), firstState(), words);
  decorate(node, NAME, "DERADIFF_SWEEP_VIEWER", view.element, sized(HEIGHT));
  node.setSize([Math.max(node.size[0], SIZE[0]), Math.max(node.size[1], SIZE[1])]);
  whileInGraph(node, () => {
    viewers.set(node, view);
    view.start();
    requestAnimationFrame(() => recall(node));
    return [() => viewers.delete(node), () => view.stop(), keepPlace(node, NAME, view.element, app.canvas)];
  });
  chain(node, "onExecuted", (output) => {
    const sweep = readSweep(output);
    if (sweep) view.show(sweep);
    else update(node);
  });
}

app.registerExtension({
  name: "DeRaDiff.SweepViewer",
  nodeCreated(/** @type {any} */ node) {
    if (node.comfyClass !== NODE) return;
    installStyle(document, ID, CSS);
    addViewer(node);
  },
  onNodeOutputsUpdated() {
    for (const node of viewers.keys()) recall(node);
  },
});
