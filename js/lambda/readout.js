// The line at the end of a node that says what its lambda means, what its last run was, and how far it is while it runs.
// The only module of the read-out that imports ComfyUI. Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { isLinked, numberOf } from "../lib/graph_values.js";
import { REALIGNING } from "../lib/kinds.js";
import { addLine } from "../lib/line.js";
import { chain, keepPlace, whileInGraph } from "../lib/node_widgets.js";
import { watch } from "../lib/watch.js";
import { wordsFor } from "../lib/words.js";
import { stageLine } from "../run/under_way.js";
import { betaLine, meaning, ranOf, runLine, withFactors } from "./meaning.js";

const NAME = "lambda_meaning";

/**
 * @typedef {import("../lib/words.js").Words} Words
 * @typedef {import("./meaning.js").Ran} Ran
 */

const ofLambda = (/** @type {any} */ node, /** @type {Words} */ words) =>
  withFactors(meaning(numberOf(node, "lambda"), words), isLinked(node, "schedule"), isLinked(node, "mask"), words);
const ofBetas = (/** @type {any} */ node, /** @type {Words} */ words) =>
  betaLine(numberOf(node, "trained_beta"), numberOf(node, "target_beta"), words);

/** @type {Map<string, (node: any, words: Words) => string>} what is said on which node */
const LINES = new Map([
  ...REALIGNING.map((kind) => /** @type {const} */ ([kind, ofLambda])),
  ["DeRaDiffLambdaFromBeta", ofBetas],
  ["DeRaDiffLambdaSweep", () => ""],
  ["DeRaDiffFindLambda", () => ""],
]);

/** What multiplies lambda, to be compared. @param {any} node */
const factorsOf = (node) => JSON.stringify([isLinked(node, "schedule"), isLinked(node, "mask")]);

/**
 * Whether the node's values are still those of its last run: another lambda may have been set while it ran.
 * @param {any} node
 * @param {{ran: Ran, factors: string}} last
 */
function holds(node, { ran, factors }) {
  const lambda = numberOf(node, "lambda");
  return (lambda === null || ran.lambda === undefined || lambda === ran.lambda) && factors === factorsOf(node);
}

/**
 * @param {any} node
 * @param {(node: any, words: Words) => string} line
 */
function addMeaning(node, line) {
  const words = wordsFor(app.extensionManager?.setting?.get("Comfy.Locale"));
  let last = { ran: /** @type {Ran} */ ({}), factors: factorsOf(node) };
  const full = () => {
    const stage = stageLine(node, words);
    if (stage) return { said: stage, warns: false };
    const { ran } = holds(node, last) ? last : { ran: /** @type {Ran} */ ({}) };
    const warnings = (ran.warnings ?? []).map((text) => `\u26a0 ${text}`);
    const unknown = numberOf(node, "lambda") === null;
    const parts = [runLine(ran, words, unknown), ...(warnings.length ? warnings : [line(node, words)])];
    return { said: parts.filter(Boolean).join("; "), warns: warnings.length > 0 };
  };
  const { element, say } = addLine(node, NAME, full().said);
  chain(node, "onExecuted", (output) => (last = { ran: ranOf(output), factors: factorsOf(node) }));
  const show = (/** @type {{said: string, warns: boolean}} */ { said, warns }) => say(said, warns);
  whileInGraph(node, () => [watch(full, show), keepPlace(node, NAME, element, app.canvas)]);
}

app.registerExtension({
  name: "DeRaDiff.LambdaReadout",
  nodeCreated(/** @type {any} */ node) {
    const line = LINES.get(node.comfyClass);
    if (line) addMeaning(node, line);
  },
});
