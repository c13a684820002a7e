// What an image of a sweep is compared with: any of its images, or the other method's at the same lambda.
// Pure: no DOM, no ComfyUI.

import { INTERPOLATED, entriesOf, label, methodsOf, nearest } from "./results.js";

/**
 * @typedef {import("./results.js").Sweep} Sweep
 * @typedef {import("./results.js").Entry} Entry
 * @typedef {import("./sweep_words.js").SweepWords} SweepWords
 */

export const MODES = /** @type {const} */ (["hold", "wipe", "side"]);
const SAME = "same";

const keyOf = (/** @type {Entry} */ entry) => `${entry.method} ${entry.lambda}`;

/**
 * What is compared with at first: lambda 0, the reference; the smallest lambda where 0 was not swept.
 * @param {Sweep} sweep
 * @returns {Entry}
 */
export function baseline(sweep) {
  return entriesOf(sweep, methodsOf(sweep)[0])[0];
}

/**
 * @param {Sweep} sweep
 * @param {string | null} key of choicesOf; null for the first one, and so is one that this sweep does not have
 * @param {Entry} shown
 * @returns {Entry} the image to compare with
 */
export function otherOf(sweep, key, shown) {
  const method = methodsOf(sweep).find((each) => each !== shown.method);
  if (key === SAME && method) {
    const entries = entriesOf(sweep, method);
    return entries[nearest(entries, shown.lambda)];
  }
  return sweep.entries.find((entry) => keyOf(entry) === key) ?? baseline(sweep);
}

/**
 * Everything to compare with, as a list to choose from: the lambdas of each method, and with two of them the other at the same lambda.
 * @param {Sweep} sweep
 * @param {string} method that is shown
 * @param {SweepWords} words
 * @returns {{key: string, label: string}[]}
 */
export function choicesOf(sweep, method, words) {
  const methods = methodsOf(sweep);
  const listed = methods.flatMap((each) => entriesOf(sweep, each)).map((entry) => ({ key: keyOf(entry), label: label(entry, words) }));
  const same = { key: SAME, label: method === INTERPOLATED ? words.sameRealigned : words.sameMerged };
  return (methods.length > 1 ? [same, ...listed] : listed).map((choice) => ({ ...choice, label: words.versus(choice.label) }));
}

/**
 * @param {Sweep} sweep
 * @param {string | null} key
 * @returns {string} the key of what otherOf gives for it
 */
export function knownKey(sweep, key) {
  if (key === SAME && methodsOf(sweep).length > 1) return SAME;
  return keyOf(sweep.entries.find((entry) => keyOf(entry) === key) ?? baseline(sweep));
}
