// The nodes of a graph that take a lambda, and writing one into them.
// Uses only the graph it is given: no DOM, no ComfyUI.

import { isLinked } from "../lib/graph_values.js";
import { REALIGNING, kindOf } from "../lib/kinds.js";
import { writeWidget } from "../lib/node_widgets.js";

/**
 * @typedef {{key: string, label: string, node: any}} Target
 */

/**
 * Every realigning node of the graph and of its subgraphs, in the order of the graph.
 * @param {any} graph
 * @param {string} path titles of the subgraphs around it
 * @param {Set<any>} seen graphs that were visited: a subgraph may be used more than once
 * @returns {Target[]}
 */
export function targetsIn(graph, path = "", seen = new Set()) {
  if (!graph || seen.has(graph)) return [];
  seen.add(graph);
  return (graph.nodes ?? graph._nodes ?? []).flatMap((/** @type {any} */ node) => {
    if (node.subgraph) return targetsIn(node.subgraph, `${path}${titleOf(node)} \u203a `, seen);
    if (!REALIGNING.includes(kindOf(node))) return [];
    return [{ key: `${graph.id}:${node.id}`, label: `${path}${titleOf(node)} (#${node.id})`, node }];
  });
}

/**
 * Write lambda into the node's widget as if it had been typed.
 * @param {Target} target
 * @param {number} lambda
 * @param {any} canvas what widget callbacks are given
 * @param {import("./sweep_words.js").SweepWords} words
 * @returns {string} what was done, or why it could not be
 */
export function writeLambda(target, lambda, canvas, words) {
  const { node, label } = target;
  const widget = node.widgets?.find((/** @type {any} */ each) => each.name === "lambda");
  if (!widget) return words.noWidget(label);
  if (isLinked(node, "lambda")) return words.linked(label);
  const { min = 0, max = Infinity } = widget.options ?? {};
  if (lambda < min || lambda > max) return words.outside(label, min, max, lambda);
  writeWidget(node, widget, lambda, canvas);
  return words.written(widget.value, label);
}

/**
 * @param {any} node
 * @returns {string}
 */
function titleOf(node) {
  return node.title || node.type;
}
