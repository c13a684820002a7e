// What the curve editor needs from the graph around its node: the other inputs, lambda and the sampler's steps.
// Uses only the graph it is given: no DOM, no ComfyUI.

import { consumersOf, isLinked, isLinkedHere, numberOf, valueOf } from "../lib/graph_values.js";
import { REALIGNING, kindOf } from "../lib/kinds.js";
import { LINEAR } from "./model.js";
import { ticksOf } from "./ticks.js";

const TAKE_A_SCHEDULE = [...REALIGNING, "DeRaDiffLambdaSweep"];

/**
 * @typedef {{
 *   interpolation: string, start: number, end: number, lambda: number | null, ticks: number[], note: "linked" | "core" | null,
 * }} Context
 */

/** @type {Context} what holds where nothing is known */
export const ALONE = { interpolation: "monotone_cubic", start: 0, end: 1, lambda: null, ticks: [], note: null };

/**
 * @param {any} node a DeRaDiffLambdaSchedule
 * @returns {Context}
 */
export function contextOf(node) {
  const consumers = consumersOf(node).filter((consumer) => TAKE_A_SCHEDULE.includes(kindOf(consumer)));
  return {
    interpolation: valueOf(node, "interpolation") === LINEAR ? LINEAR : "monotone_cubic",
    start: numberOf(node, "start_percent") ?? 0,
    end: numberOf(node, "end_percent") ?? 1,
    lambda: agreed(consumers.map((consumer) => numberOf(consumer, "lambda"))),
    ticks: agreed(consumers.map(stepsOf)) ?? [],
    note: isLinked(node, "core_curve") ? "core" : isLinkedHere(node, "curve") ? "linked" : null,
  };
}

/**
 * The value they all share; null if they differ or one is unknown.
 * @template T
 * @param {(T | null)[]} values
 * @returns {T | null}
 */
function agreed(values) {
  const texts = new Set(values.map((value) => JSON.stringify(value)));
  return texts.size === 1 ? values[0] : null;
}

/**
 * @param {any} node
 * @returns {number[] | null} the progress at the beginning of each of its steps; a Realign has none, its sampler is another node
 */
function stepsOf(node) {
  if (kindOf(node) === "DeRaDiffRealign") return null;
  const [denoise, start, end] =
    kindOf(node) === "DeRaDiffKSamplerAdvanced"
      ? [1, numberOf(node, "start_at_step"), numberOf(node, "end_at_step")]
      : [numberOf(node, "denoise"), 0, Infinity];
  const steps = numberOf(node, "steps");
  const [scheduler, sampler] = [valueOf(node, "scheduler"), valueOf(node, "sampler_name")];
  if (steps === null || denoise === null || start === null || end === null || !scheduler || !sampler) return null;
  return ticksOf({ steps, scheduler, sampler, denoise, start, end });
}

/**
 * @param {number} x a progress
 * @param {number} y the curve's value there
 * @param {Context} context
 * @returns {string} "\u2192 \u03bb 0.22", or the factor where lambda is unknown
 */
export function lambdaAt(x, y, { start, end, lambda }) {
  const factor = x < start || x > end ? 0 : y;
  return lambda === null ? `\u2192 \u00d7 ${factor.toFixed(2)}` : `\u2192 \u03bb ${(lambda * factor).toFixed(2)}`;
}
