// The axes of a plot: where its numbers stand, and how they are written.
// Pure: no DOM, no ComfyUI.

import { shortNumber } from "../lib/numbers.js";

const ROUND = [1, 2, 2.5, 5, 10]; // the steps that are easy to read, in each power of ten
const MOST_DECIMALS = 4;
const LITTLE = 1e-9; // of a step

/**
 * @param {number} from
 * @param {number} to
 * @param {number} most how many steps there may be, more only where there would be less than two numbers
 * @returns {{value: number, text: string}[]} round numbers between these, all with the same decimals
 */
export function ticksBetween(from, to, most) {
  const least = (to - from) / most;
  if (!(least > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * /** @type {number} */ (ROUND.find((round) => round * power >= least * (1 - LITTLE)));
  const count = Math.floor(to / step + LITTLE) - Math.ceil(from / step - LITTLE) + 1;
  if (count < 2) return ticksBetween(from, to, most + 1);
  const values = Array.from({ length: count }, (_, index) => (Math.ceil(from / step - LITTLE) + index) * step);
  const decimals = decimalsOf(step);
  return values.map((value) => ({ value, text: decimals > MOST_DECIMALS ? shortNumber(value) : value.toFixed(decimals) }));
}

/** @param {number} step @returns {number} how many it needs */
function decimalsOf(step) {
  let decimals = 0;
  while (decimals <= MOST_DECIMALS && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > LITTLE * 10 ** decimals * step) decimals += 1;
  return decimals;
}

/**
 * The range that shows a band in full, and of single values as much as leaves the band at least a third of the height.
 * @param {number[]} band
 * @param {number[]} values
 * @returns {[number, number]}
 */
export function rangeOf(band, values) {
  const [low, high] = [Math.min(...band), Math.max(...band)];
  const size = high - low || Math.abs(high) || 1;
  const from = Math.max(low - size, Math.min(low, ...values));
  const to = Math.min(high + size, Math.max(high, ...values));
  const room = (to - from || size) * 0.06;
  return [from - room, to + room];
}
