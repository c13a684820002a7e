// Reading a graph before it runs: the values of inputs, and the nodes connected to an output.
// Uses only the nodes it is given: no DOM, no ComfyUI.

import { kindOf } from "./kinds.js";

const RUNS = [undefined, 0]; // modes of a node that is neither muted nor bypassed
const NUMBERS = ["PrimitiveFloat", "PrimitiveInt", "PrimitiveNode"]; // nodes that only hold a number, in their first widget
const DEEPEST = 20; // reroutes one after another

const slotOf = (/** @type {any} */ node, /** @type {string} */ name) =>
  (node.inputs ?? []).findIndex((/** @type {any} */ slot) => slot.name === name);

/**
 * @param {any} node
 * @param {string} name
 * @returns {boolean} whether something is connected to this input
 */
export function isLinked(node, name) {
  const slot = slotOf(node, name);
  return slot >= 0 && Boolean(node.graph) && node.isInputConnected(slot);
}

/**
 * @param {any} node
 * @param {string} name
 * @returns {boolean} whether a node of the same graph is connected to this input: not where it is an input of the subgraph
 */
export function isLinkedHere(node, name) {
  return isLinked(node, name) && Boolean(node.getInputNode(slotOf(node, name)));
}

/**
 * The value of an input: its widget's, or that of the node connected to it; null if it is unknown before the run.
 * @param {any} node
 * @param {string} name
 * @param {number} depth
 * @returns {any}
 */
export function valueOf(node, name, depth = 0) {
  if (isLinked(node, name)) return valueFrom(node.getInputNode(slotOf(node, name)), depth);
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === name)?.value ?? null;
}

/**
 * @param {any} origin the node that is connected; null: it is outside of this graph
 * @param {number} depth
 */
function valueFrom(origin, depth) {
  if (!origin || !RUNS.includes(origin.mode) || depth > DEEPEST) return null;
  if (kindOf(origin) === "Reroute") return origin.isInputConnected(0) ? valueFrom(origin.getInputNode(0), depth + 1) : null;
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
  const targets = (node.graph && node.getOutputNodes(output)) || [];
  return targets.flatMap((/** @type {any} */ target) => {
    if (!RUNS.includes(target.mode) || depth > DEEPEST) return [];
    return kindOf(target) === "Reroute" ? consumersOf(target, 0, depth + 1) : [target];
  });
}

/**
 * The node in a subgraph that has its input from this input of the subgraph, through the subgraphs inside of it too.
 * @param {any} host the subgraph's node
 * @param {string} name of its input
 * @returns {{node: any, name: string} | null} the first one, and the name of its input
 */
export function insideOf(host, name) {
  for (const node of host.subgraph.nodes) {
    for (const [slot, input] of (node.inputs ?? []).entries()) {
      const link = node.getInputLink(slot);
      if (!link || node.getInputNode(slot) || host.subgraph.inputs[link.origin_slot]?.name !== name) continue;
      return node.subgraph ? insideOf(node, input.name) : { node, name: input.name };
    }
  }
  return null;
}

/**
 * @param {any} root the outermost graph
 * @param {string} id of a node as the server names it: "5", or "7:5" for the one in the subgraph of node 7
 * @returns {any} the node, undefined if it is not there
 */
export function nodeAt(root, id) {
  const [first, ...rest] = id.split(":");
  const node = root?.nodes.find((/** @type {any} */ each) => String(each.id) === first);
  return rest.length ? nodeAt(node?.subgraph, rest.join(":")) : node;
}
