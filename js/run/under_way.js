// How far a node is that runs: which lambda of which, and how long the rest takes.
// Uses only the nodes it is given: no DOM, no ComfyUI.

import { lambdaText } from "../lib/numbers.js";

/**
 * @typedef {import("../lib/words.js").Words} Words
 * @typedef {{lambda: number, method: string, number: number, count: number, left: number | null}} Stage left: in seconds, null if unknown
 */

/** @type {WeakMap<any, {stage: Stage, at: number}>} */
let running = new WeakMap();

/**
 * @param {any} node
 * @param {Stage} stage
 */
export function enter(node, stage) {
  running.set(node, { stage, at: performance.now() });
}

/** Nothing runs any more. */
export function leaveAll() {
  running = new WeakMap();
}

/**
 * @param {any} node
 * @param {Words} words
 * @returns {string} "lambda 0.50 (2 of 5), 40 s left" with the Greek letter, counted down; empty if it does not run
 */
export function stageLine(node, words) {
  const found = running.get(node);
  if (!found) return "";
  const { lambda, method, number, count, left } = found.stage;
  const place = words.stage(lambdaText(lambda), number, count, method === "interpolated");
  if (left === null) return place;
  const rest = Math.max(0, left - (performance.now() - found.at) / 1000);
  return `${place}, ${words.left(timeText(Math.ceil(rest)))}`;
}

/** @param {number} seconds @returns {string} "40 s", "2:05 min" */
function timeText(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
}
