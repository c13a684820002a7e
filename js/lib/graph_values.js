// Reading a graph before it runs: the values of inputs, and the nodes connected to an output.
// Uses only the graph it is given: no DOM, no ComfyUI.

import { kindOf } from "./kinds.js";

const RUNS = [undefined, 0]; // modes of a node that is neither muted nor bypassed
const NUMBERS = ["PrimitiveFloat", "PrimitiveInt", "PrimitiveNode"]; // nodes that only hold a number, in their first widget
const DEEPEST = 20; // reroutes one after another

const linkIn = (/** @type {any} */ graph, /** @type {any} */ id) => graph?.getLink?.(id) ?? graph?.links?.get?.(id) ?? graph?.links?.[id];

/**
 * @param {any} node
 * @param {string} name
 * @returns {boolean} whether something is connected to this input
 */
export function isLinked(node, name) {
  return Boolean(node.inputs?.some((/** @type {any} */ slot) => slot.name === name && slot.link != null));
}

/**
 * The value of an input: its widget's, or that of the node connected to it; null if it is unknown before the run.
 * @param {any} node
 * @param {string} name
 * @param {number} depth
 * @returns {any}
 */
export function valueOf(node, name, depth = 0) {
  const slot = node.inputs?.find((/** @type {any} */ each) => each.name === name);
  if (slot?.link != null) return valueFrom(node.graph, slot.link, depth);
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === name)?.value ?? null;
}

/**
 * @param {any} graph
 * @param {any} id the link's
 * @param {number} depth
 */
function valueFrom(graph, id, depth) {
  const origin = graph?.getNodeById?.(linkIn(graph, id)?.origin_id);
  if (!origin || !RUNS.includes(origin.mode) || depth > DEEPEST) return null;
  if (kindOf(origin) === "Reroute") return origin.inputs[0]?.link == null ? null : valueFrom(graph, origin.inputs[0].link, depth + 1);
  if (NUMBERS.includes(kindOf(origin))) return origin.widgets?.[0]?.value ?? null;
  if (kindOf(origin) !== "DeRaDiffLambdaFromBeta") return null;
  const [trained, target] = ["trained_beta", "target_beta"].map((beta) => valueOf(origin, beta, depth + 1));
  return trained > 0 && target > 0 ? trained / target : null;
}

/**
 * The value of an input if it is a number, else null.
 * @param {any} node
 * @param {string} name
 * @returns {number | null}
 */
export function numberOf(node, name) {
  const value = valueOf(node, name);
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * The nodes connected to an output, also through reroutes; those of other graphs are not found.
 * @param {any} node
 * @param {number} output
 * @param {number} depth
 * @returns {any[]}
 */
export function consumersOf(node, output = 0, depth = 0) {
  const links = node.outputs?.[output]?.links ?? [];
  return links.flatMap((/** @type {any} */ id) => {
    const target = node.graph?.getNodeById?.(linkIn(node.graph, id)?.target_id);
    if (!target || !RUNS.includes(target.mode) || depth > DEEPEST) return [];
    return kindOf(target) === "Reroute" ? consumersOf(target, 0, depth + 1) : [target];
  });
}
