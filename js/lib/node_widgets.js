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

/** @type {Map<string, WeakRef<HTMLElement>>} the last element of each place in a graph */
const latest = new Map();

/**
 * Do something while the node is in a graph, and keep its element on the page.
 * @param {any} node
 * @param {string} name of the widget
 * @param {HTMLElement} element
 * @param {() => () => void} enter when the node is added; it returns what to call when it is removed
 */
export function whileInGraph(node, name, element, enter) {
  let leave = () => {};
  chain(node, "onAdded", () => {
    leave();
    const actions = [enter(), takePlace(`${node.graph?.id} ${node.id} ${name}`, element)];
    leave = () => actions.forEach((act) => act());
  });
  chain(node, "onRemoved", () => {
    leave();
    leave = () => {};
  });
}

/**
 * Undo recreates every node, and Nodes 2.0 keeps showing the old node's element: replace it with the new one.
 * @param {string} place
 * @param {HTMLElement} element
 * @returns {() => void} stop
 */
function takePlace(place, element) {
  const old = latest.get(place)?.deref();
  latest.set(place, new WeakRef(element));
  if (!old || old === element) return () => {};
  return watch(() => old.isConnected && !element.isConnected, (stale) => stale && old.replaceWith(element));
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
 */
export function decorate(node, name, type, element, options) {
  const unsaved = { serialize: false, getValue: () => "", setValue: () => {} };
  const widget = node.addDOMWidget(name, type, element, { ...options, ...unsaved });
  widget.serialize = false;
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
