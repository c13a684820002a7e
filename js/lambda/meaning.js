// What a lambda means, in words.
// Pure: no DOM, no ComfyUI.

import { lambdaText, shortNumber } from "../lib/numbers.js";

/**
 * @typedef {import("../lib/words.js").Words} Words
 */

/**
 * @param {number | null} lambda null: it comes from a link and is unknown before the run
 * @param {Words} words
 * @returns {string} "0.50: twice as regularised as trained"
 */
export function meaning(lambda, words) {
  if (lambda === null) return words.fromInput;
  if (lambda === 0) return words.reference;
  if (lambda === 1) return words.aligned;
  if (lambda > 1) return words.beyond(lambdaText(lambda));
  if (lambda < 0) return words.away(lambdaText(lambda));
  return words.regularised(lambdaText(lambda), String(Number((1 / lambda).toPrecision(3))));
}

/**
 * @param {string} text of meaning()
 * @param {boolean} schedule whether one is connected
 * @param {boolean} mask whether one is connected
 * @param {Words} words
 * @returns {string} "0.50: twice as regularised as trained (x schedule)"
 */
export function withFactors(text, schedule, mask, words) {
  const factors = [schedule && words.schedule, mask && words.mask].filter(Boolean);
  return factors.length ? `${text} (\u00d7 ${factors.join(" \u00d7 ")})` : text;
}

/**
 * @typedef {{lambda?: number, kl?: number | null, cost?: number | null, error?: number | null, warnings?: string[]}} Ran what a node's
 * run was: its own lambda, what is known of the rest, and what it warned of
 *
 * @param {any} output what onExecuted gives
 * @returns {Ran}
 */
export const ranOf = (output) => output?.deradiff_run?.at?.(-1) ?? {};

/**
 * @param {Ran} ran
 * @param {Words} words
 * @param {boolean} named whether its lambda is said as well
 * @returns {string} "KL 312 nats; 1.18 models, error \u2248 0.03": what is known of it, the error as predicted
 */
export function runLine({ lambda, kl, cost, error }, words, named) {
  const parts = named && typeof lambda === "number" ? [`\u03bb ${lambdaText(lambda)}`] : [];
  if (typeof kl === "number") parts.push(words.drifted(shortNumber(kl)));
  if (typeof cost === "number" && typeof error === "number") parts.push(words.reused(cost.toFixed(2), shortNumber(error)));
  return parts.join("; ");
}

/**
 * @param {number | null} trained beta
 * @param {number | null} target beta
 * @param {Words} words
 * @returns {string} "lambda = 5000 / 10000 = 0.50"
 */
export function betaLine(trained, target, words) {
  if (trained === null || target === null) return words.fromInput;
  return `lambda = ${trained} / ${target} = ${ratioText(trained / target)}`;
}

/** @param {number} ratio */
function ratioText(ratio) {
  return ratio >= 0.01 && ratio < 1000 ? lambdaText(ratio) : String(Number(ratio.toPrecision(3)));
}
