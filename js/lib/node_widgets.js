// DOM elements as widgets of a node, in LiteGraph and in Nodes 2.0, and callbacks after the node's own methods.
// Uses only the nodes it is given: imports no ComfyUI.

import { watch } from "./watch.js";

export const MARGIN = 4; // pixels around an element in LiteGraph

/**
 * Call `after` after the node's own method; the result is still the method's.
 * @param {any} node
 * @param {string} name
 * @param {(...args: any[]) => void} after
 */
export function chain(node, name, after) {
  const before = node[name];
  node[name] = function (/** @type {any[]} */ ...args) {
    const result = before?.apply(this, args);
    after(...args);
    return result;
  };
}

/**
 * Do something while the node is in a graph.
 * @param {any} node
 * @param {() => (() => void)[]} enter when the node is added; it returns what to call when it is gone
 */
export function whileInGraph(node, enter) {
  let leave = () => {};
  chain(node, "onAdded", () => {
    leave();
    // Front ends before 1.58 do not tell the nodes of a subgraph that the workflow has been replaced.
    const actions = [...enter(), watch(() => isThere(node), (there) => there || leave())];
    leave = () => {
      leave = () => {};
      for (const act of actions) act();
    };
  });
  chain(node, "onRemoved", () => leave());
}

/** Whether the node is in the workflow that is open. @param {any} node */
function isThere(node) {
  const { graph } = node;
  const root = graph?.rootGraph;
  return graph?.getNodeById(node.id) === node && (graph === root || root.subgraphs.get(graph.id) === graph);
}

/**
 * Keep an element in its node's box on the page. In Nodes 2.0 a box shows the element that it was made with, also when undo
 * or another graph has put another node into it.
 * @param {any} node
 * @param {string} name of the widget
 * @param {HTMLElement} element
 * @param {any} canvas the page's, of which one graph is open
 * @returns {() => void} stop
 */
export function keepPlace(node, name, element, canvas) {
  element.dataset.deradiff = name;
  const stale = () => document.querySelector(`[data-node-id="${node.id}"] [data-deradiff="${CSS.escape(name)}"]`);
  const isLost = () => !element.isConnected && node.graph === canvas.graph && Boolean(stale());
  return watch(isLost, (lost) => lost && stale()?.replaceWith(element));
}

/**
 * The options that make a DOM widget as high as its element; Nodes 2.0 takes the element's own height instead.
 * @param {number} height of the element, in pixels
 * @returns {Record<string, any>}
 */
export function sized(height) {
  return { hideOnZoom: false, margin: MARGIN, getMinHeight: () => height + 2 * MARGIN };
}

/**
 * An element that shows something and has no value: it is neither saved nor queued, so it may be added to any node, last.
 * @param {any} node
 * @param {string} name
 * @param {string} type
 * @param {HTMLElement} element
 * @param {Record<string, any>} options
 * @returns {any} the widget
 */
export function decorate(node, name, type, element, options) {
  const unsaved = { serialize: false, getValue: () => "", setValue: () => {} };
  const widget = node.addDOMWidget(name, type, element, { ...options, ...unsaved });
  widget.serialize = false;
  return widget;
}

/**
 * Write a value into a widget as the user would: one change that can be undone.
 * @param {any} node
 * @param {any} widget
 * @param {any} value
 * @param {any} canvas what widget callbacks are given
 */
export function writeWidget(node, widget, value, canvas) {
  canvas?.emitBeforeChange?.();
  widget.value = value;
  widget.callback?.(widget.value, canvas, node);
  canvas?.emitAfterChange?.();
  node.setDirtyCanvas?.(true, true);
}

/**
 * Zoom the canvas when the wheel is turned over an element.
 * @param {WheelEvent} event
 * @param {any} canvas
 */
export function passWheel(event, canvas) {
  if (!window.LiteGraph?.vueNodesMode) canvas.processMouseWheel(event); // there the node handles it
}
