// The line at the end of a node that says what its lambda means.
// The only module of the read-out that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { isLinked, numberOf } from "../lib/graph_values.js";
import { REALIGNING } from "../lib/kinds.js";
import { addLine } from "../lib/line.js";
import { chain, keepPlace, whileInGraph } from "../lib/node_widgets.js";
import { watch } from "../lib/watch.js";
import { wordsFor } from "../lib/words.js";
import { betaLine, meaning, runLine, withFactors } from "./meaning.js";

const NAME = "lambda_meaning";

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
function addMeaning(node, line) {
  const words = wordsFor(app.extensionManager?.setting?.get("Comfy.Locale"));
  const ran = { of: "", text: "" }; // the last run, and what was said when it ended
  const full = () => {
    const said = line(node, words);
    return ran.text && ran.of === said ? `${ran.text}; ${said}` : said;
  };
  const { element, say } = addLine(node, NAME, full());
  chain(node, "onExecuted", (output) => Object.assign(ran, { of: line(node, words), text: runLine(output, words) }));
  whileInGraph(node, () => [watch(full, say), keepPlace(node, NAME, element, app.canvas)]);
}

app.registerExtension({
  name: "DeRaDiff.LambdaReadout",
  nodeCreated(/** @type {any} */ node) {
    const line = LINES.get(node.comfyClass);
    if (line) addMeaning(node, line);
  },
});
