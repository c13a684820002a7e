// What the sweep viewer shows, read from the node's results: entries, samples, the text below an image.
// Pure: no DOM, no ComfyUI. The results are those of nodes/viewer.py.

import { lambdaText, shortNumber, withError } from "../lib/numbers.js";
import { sweepWords } from "./sweep_words.js";

/**
 * @typedef {{filename: string, subfolder: string, type: string}} ImageRef
 * @typedef {{image: ImageRef, score: number | null}} Sample
 * @typedef {{lambda: number, method: string, seconds: number | null, kl: number | null, kl_error?: number | null, samples: Sample[]}} Entry
 * @typedef {{scorer: string | null, chosen?: number | null, entries: Entry[]}} Sweep
 */

export const REALIGNED = "realigned";
export const INTERPOLATED = "interpolated";

/**
 * The sweep in a node's results, or null: nothing was run yet, or the results are not the viewer's.
 * @param {any} output what onExecuted and app.nodeOutputs give for one node
 * @returns {Sweep | null}
 */
export function readSweep(output) {
  const sweep = output?.deradiff_sweep?.at?.(-1);
  return sweep?.entries?.length ? sweep : null;
}

/**
 * The entries of one method, lambda rising.
 * @param {Sweep} sweep
 * @param {string} method
 * @returns {Entry[]}
 */
export function entriesOf(sweep, method) {
  return sweep.entries.filter((entry) => entry.method === method).sort((a, b) => a.lambda - b.lambda);
}

/**
 * The methods of the sweep, realigned first.
 * @param {Sweep} sweep
 * @returns {string[]}
 */
export function methodsOf(sweep) {
  return [REALIGNED, INTERPOLATED].filter((method) => sweep.entries.some((entry) => entry.method === method));
}

/**
 * The index of the entry with the nearest lambda; of two, the smaller.
 * @param {Entry[]} entries
 * @param {number} lambda
 * @returns {number}
 */
export function nearest(entries, lambda) {
  let best = 0;
  entries.forEach((entry, index) => {
    if (Math.abs(entry.lambda - lambda) < Math.abs(entries[best].lambda - lambda)) best = index;
  });
  return best;
}

/**
 * Whether this is the entry that was chosen: by lambda, of the realigned ones.
 * @param {Sweep} sweep
 * @param {Entry} entry
 * @returns {boolean}
 */
export function isChosen(sweep, entry) {
  return entry.method === REALIGNED && typeof sweep.chosen === "number" && Math.abs(entry.lambda - sweep.chosen) < 1e-9;
}

/**
 * "lambda = 0.50", "lambda = 0.50 (weights)", with the Greek letter.
 * @param {Entry} entry
 * @param {import("./sweep_words.js").SweepWords} words
 * @returns {string}
 */
export function label(entry, words = sweepWords()) {
  return `\u03bb = ${lambdaText(entry.lambda)}${entry.method === INTERPOLATED ? ` (${words.weights})` : ""}`;
}

/**
 * lambda, "KL 12.3 nats", "1.2 s" and "score 0.31", with dots between; unknown parts are left out.
 * @param {Entry} entry
 * @param {number} sample
 * @param {import("./sweep_words.js").SweepWords} words
 * @returns {string}
 */
export function readout(entry, sample, words = sweepWords()) {
  const score = entry.samples[sample]?.score;
  const known = (/** @type {number | null | undefined} */ value) => value !== null && value !== undefined;
  const parts = [`\u03bb = ${lambdaText(entry.lambda)}`];
  if (entry.method === INTERPOLATED) parts.push(words.weights);
  if (known(entry.kl)) parts.push(words.nats(withError(entry.kl, entry.kl_error)));
  if (known(entry.seconds)) parts.push(words.seconds(entry.seconds.toFixed(1)));
  if (known(score)) parts.push(words.score(shortNumber(score)));
  return parts.join(" \u00b7 ");
}

/**
 * The server's path to the image.
 * @param {ImageRef} image
 * @returns {string}
 */
export function imagePath(image) {
  return `/view?${new URLSearchParams({ filename: image.filename, subfolder: image.subfolder, type: image.type })}`;
}
