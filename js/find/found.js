// What a search for lambda has found so far, read from the node's message or results, and the line that says it.
// Pure: no DOM, no ComfyUI. What is read is made by nodes/find_lambda.py.

import { lambdaText } from "../lib/numbers.js";

/**
 * @typedef {import("./find_words.js").FindWords} FindWords
 * @typedef {{middle: number[], low: number[], high: number[]}} Band a curve and its confidence band, at each strength
 * @typedef {Band & {
 *   strengths: number[], held_out: (Band & {name: string}) | null, turn: number | null, dots: [number, number][],
 *   scorer: string, confidence: number, images: number, budget: number,
 *   best: number, chance: number, settled: boolean, alike: [number, number] | null, more: number | null,
 * }} Found
 */

const isNumber = (/** @type {unknown} */ value) => typeof value === "number" && Number.isFinite(value);
const isPair = (/** @type {unknown} */ value) => Array.isArray(value) && value.length === 2 && value.every(isNumber);

/**
 * What a message or an entry of the results holds, or null: it is of another kind.
 * @param {any} from
 * @returns {Found | null}
 */
export function readFound(from) {
  const strengths = from?.strengths;
  if (!Array.isArray(strengths) || !strengths.length || !strengths.every(isNumber)) return null;
  if (strengths.some((strength, index) => index > 0 && strength <= strengths[index - 1])) return null;
  const numbers = [from.confidence, from.images, from.budget, from.best, from.chance];
  if (!isBand(from, strengths.length) || !numbers.every(isNumber)) return null;
  return {
    ...from,
    held_out: isBand(from.held_out, strengths.length) ? from.held_out : null,
    turn: isNumber(from.turn) ? from.turn : null,
    dots: Array.isArray(from.dots) ? from.dots.filter(isPair) : [],
    scorer: String(from.scorer ?? ""),
    settled: from.settled === true,
    alike: isPair(from.alike) ? from.alike : null,
    more: isNumber(from.more) ? from.more : null,
  };
}

/**
 * @param {any} output what onExecuted and app.nodeOutputs give for one node
 * @returns {Found | null}
 */
export const readOutput = (output) => readFound(output?.deradiff_found?.at?.(-1));

/**
 * @param {any} band
 * @param {number} count
 * @returns {boolean} whether it has that many numbers of each kind
 */
function isBand(band, count) {
  const curves = [band?.middle, band?.low, band?.high];
  return curves.every((curve) => Array.isArray(curve) && curve.length === count && curve.every(isNumber));
}

/**
 * The curve at a strength, straight between its neighbours.
 * @param {number[]} strengths
 * @param {number[]} curve
 * @param {number} at
 * @returns {number}
 */
export function valueAt(strengths, curve, at) {
  const next = strengths.findIndex((strength) => strength >= at);
  if (next <= 0) return curve[next === 0 ? 0 : curve.length - 1];
  const part = (at - strengths[next - 1]) / (strengths[next] - strengths[next - 1]);
  return curve[next - 1] + part * (curve[next] - curve[next - 1]);
}

/**
 * "lambda = 0.60, 0.45 to 0.75 alike (95 %), 96 of 128 images", with the Greek letter, and what is said before it is settled.
 * @param {Found} found
 * @param {boolean} runs whether the search is still under way
 * @param {FindWords} words
 * @returns {string}
 */
export function lineOf({ best, chance, confidence, settled, alike, more, images, budget }, runs, words) {
  const lambda = lambdaText(best);
  const counted = words.images(images, budget);
  if (settled && alike && alike[0] < alike[1]) {
    return words.settled(lambda, lambdaText(alike[0]), lambdaText(alike[1]), percent(confidence), counted);
  }
  if (settled) return words.alone(lambda, percent(chance), counted);
  if (runs) return words.soFar(lambda, percent(chance), counted);
  return words.undecided(lambda, percent(chance), more === null ? null : Math.round(more));
}

/** @param {number} chance @returns {string} "97 %", rounded down as in nodes/report/digits.py; "99.4 %", "> 99.9 %" near certainty */
function percent(chance) {
  if (chance >= 0.999 && chance < 1) return "> 99.9 %";
  if (chance < 0.001 && chance > 0) return "< 0.1 %";
  const parts = chance >= 0.99 || chance < 0.01 ? 10 : 1; // of one percent
  return `${Math.floor(100 * parts * chance + 1e-9) / parts} %`;
}
