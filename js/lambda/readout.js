// The line at the end of a node that says what its lambda means.
// The only module of the read-out that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { make } from "../lib/dom.js";
import { isLinked, numberOf } from "../lib/graph_values.js";
import { REALIGNING } from "../lib/kinds.js";
import { MARGIN, decorate, sized, whileInGraph } from "../lib/node_widgets.js";
import { installStyle } from "../lib/style.js";
import { watch } from "../lib/watch.js";
import { wordsFor } from "../lib/words.js";
import { CSS, ID } from "./lambda_style.js";
import { betaLine, meaning, withFactors } from "./meaning.js";

const NAME = "lambda_meaning";
const HEIGHT = 18; // pixels

/** @typedef {import("../lib/words.js").Words} Words */

const ofLambda = (/** @type {any} */ node, /** @type {Words} */ words) =>
  withFactors(meaning(numberOf(node, "lambda"), words), isLinked(node, "schedule"), isLinked(node, "mask"), words);
const ofBetas = (/** @type {any} */ node, /** @type {Words} */ words) =>
  betaLine(numberOf(node, "trained_beta"), numberOf(node, "target_beta"), words);

/** @type {Map<string, (node: any, words: Words) => string>} what is said on which node */
const LINES = new Map([...REALIGNING.map((kind) => /** @type {const} */ ([kind, ofLambda])), ["DeRaDiffLambdaFromBeta", ofBetas]]);

/**
 * @param {any} node
 * @param {(node: any, words: Words) => string} line
 */
function addLine(node, line) {
  const words = wordsFor(app.extensionManager?.setting?.get("Comfy.Locale"));
  const element = make("div", "deradiff-meaning", { role: "note", textContent: line(node, words) });
  element.style.setProperty("--deradiff-height", `${HEIGHT}px`);
  const fixed = { ...sized(HEIGHT), getMaxHeight: () => HEIGHT + 2 * MARGIN };
  decorate(node, NAME, "DERADIFF_MEANING", element, fixed);
  const say = (/** @type {string} */ text) => (element.textContent = element.title = text);
  whileInGraph(node, NAME, element, () => watch(() => line(node, words), say));
}

app.registerExtension({
  name: "DeRaDiff.LambdaReadout",
  nodeCreated(/** @type {any} */ node) {
    const line = LINES.get(node.comfyClass);
    if (!line) return;
    installStyle(document, ID, CSS);
    addLine(node, line);
  },
});
