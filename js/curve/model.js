// The curve of a lambda schedule: its text, its value at a progress, its presets, and moving its points.
// Pure: no DOM, no ComfyUI. The same numbers as nodes/method/curve.py, bit for bit: tests/method/curves.json holds both to it.

/**
 * @typedef {[number, number]} Point progress 0..1 and the factor of lambda 0..2
 * @typedef {{points: Point[] | null, problem: [string, number] | null}} Parsed the problem: its name in js/lib/words.js, and which point
 */

export const HIGHEST = 2;
export const MOST_POINTS = 64;
export const FEWEST_POINTS = 2; // in the editor; a curve's text may have one
export const LINEAR = "linear";
const LONGEST = 10000; // characters of a curve's text
const NARROWEST = 1e-6; // between the progresses of two points
const FLATTEST = 1e-9; // slope; a segment below it counts as flat
const GAP = 0.001; // between the progresses of two points, where the editor puts them

/** @type {Record<string, Point[]>} */
export const PRESETS = {
  constant: [[0, 1], [1, 1]],
  rising: [[0, 0], [1, 1]],
  falling: [[0, 1], [1, 0]],
  cosine: [[0, 1], [0.1, 0.976], [0.25, 0.854], [0.5, 0.5], [0.75, 0.146], [0.9, 0.024], [1, 0]],
  window: [[0, 0], [0.2, 0], [0.3, 1], [0.7, 1], [0.8, 0], [1, 0]],
};

/**
 * The points of a widget's value, or what is wrong with it.
 * @param {string} text
 * @returns {Parsed}
 */
export function parse(text) {
  if (text.length > LONGEST) return broken("long");
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    return broken("json");
  }
  if (!Array.isArray(found)) return broken("json");
  if (found.length < 1 || found.length > MOST_POINTS) return broken("count");
  for (const [index, point] of found.entries()) {
    const problem = problemOf(point, found[index - 1]);
    if (problem) return broken(problem, index + 1);
  }
  return { points: found, problem: null };
}

/**
 * @param {string} problem
 * @param {number} place
 * @returns {Parsed}
 */
const broken = (problem, place = 0) => ({ points: null, problem: [problem, place] });

/**
 * @param {any} point
 * @param {Point | undefined} before
 * @returns {string | null}
 */
function problemOf(point, before) {
  if (!Array.isArray(point) || point.length !== 2 || point.some((number) => typeof number !== "number")) return "pair";
  const [x, y] = point;
  if (!(x >= 0 && x <= 1)) return "x";
  if (!(y >= 0 && y <= HIGHEST)) return "y";
  return before && x - before[0] < NARROWEST ? "order" : null;
}

/**
 * @param {Point[]} points
 * @returns {string} the widget's value
 */
export function format(points) {
  return `[${points.map(([x, y]) => `[${x}, ${y}]`).join(", ")}]`;
}

/**
 * The name of the preset that has these points.
 * @param {Point[]} points
 * @returns {string | undefined}
 */
export function presetOf(points) {
  return Object.keys(PRESETS).find((name) => format(PRESETS[name]) === format(points));
}

/**
 * The curve's function of progress: constant beyond the first and the last point.
 * @param {Point[]} points
 * @param {string} interpolation
 * @returns {(x: number) => number}
 */
export function evaluator(points, interpolation) {
  const slopes = interpolation === LINEAR ? [] : slopesOf(points);
  return (x) => {
    const right = placeFor(points, x);
    if (right === 0 || right === points.length) return points[Math.max(right - 1, 0)][1];
    const [x0, y0] = points[right - 1];
    const [x1, y1] = points[right];
    const dx = x1 - x0;
    const dy = y1 - y0;
    const t = (x - x0) / dx;
    if (interpolation === LINEAR) return y0 + dy * t;
    const rising = t * t * (3.0 - 2.0 * t);
    const leaving = t * (1.0 - t) * (1.0 - t);
    const arriving = t * t * (t - 1.0);
    const y = y0 + dy * rising + dx * (leaving * slopes[right - 1] + arriving * slopes[right]);
    return Math.min(Math.max(y, Math.min(y0, y1)), Math.max(y0, y1));
  };
}

/**
 * Fritsch and Carlson's slopes.
 * @param {Point[]} points
 * @returns {number[]}
 */
function slopesOf(points) {
  const secants = points.slice(1).map(([x1, y1], index) => (y1 - points[index][1]) / (x1 - points[index][0]));
  if (!secants.length) return [0];
  const inner = secants.slice(1).map((b, index) => (secants[index] * b > 0 ? (secants[index] + b) / 2 : 0));
  const slopes = [secants[0], ...inner, secants[secants.length - 1]];
  secants.forEach((secant, index) => {
    if (Math.abs(secant) < FLATTEST) {
      slopes[index] = slopes[index + 1] = 0;
      return;
    }
    const a = slopes[index] / secant;
    const b = slopes[index + 1] / secant;
    if (a * a + b * b > 9) {
      const limit = 3 / Math.sqrt(a * a + b * b);
      slopes[index] = limit * a * secant;
      slopes[index + 1] = limit * b * secant;
    }
  });
  return slopes;
}

/**
 * The number of points at or before this progress.
 * @param {Point[]} points
 * @param {number} x
 * @returns {number}
 */
function placeFor(points, x) {
  const found = points.findIndex((point) => point[0] > x);
  return found < 0 ? points.length : found;
}

/**
 * The points with one added, and its index; null if there is no room for it.
 * @param {Point[]} points
 * @param {number} x
 * @param {number} y
 * @returns {{points: Point[], index: number} | null}
 */
export function added(points, x, y) {
  const index = placeFor(points, x);
  const [low, high] = room(points[index - 1], points[index]);
  if (points.length >= MOST_POINTS || low > high) return null;
  const point = /** @type {Point} */ ([rounded(clamped(x, low, high)), rounded(clamped(y, 0, HIGHEST))]);
  return { points: [...points.slice(0, index), point, ...points.slice(index)], index };
}

/**
 * The points with one of them moved, between its neighbours.
 * @param {Point[]} points
 * @param {number} index
 * @param {number} x
 * @param {number} y
 * @returns {Point[]}
 */
export function moved(points, index, x, y) {
  const [low, high] = room(points[index - 1], points[index + 1]);
  const [x0, y0] = points[index]; // an unchanged coordinate keeps its precision
  const to = x === x0 || low > high ? x0 : rounded(clamped(x, low, high));
  const up = y === y0 ? y0 : rounded(clamped(y, 0, HIGHEST));
  return points.map((point, place) => (place === index ? [to, up] : point));
}

/**
 * The nearest place of a grid of 0.05 by 0.1.
 * @param {Point} point
 * @returns {Point}
 */
export const snapped = ([x, y]) => [Math.round(20 * x) / 20, Math.round(10 * y) / 10];

/**
 * The points without one of them; null if too few would be left.
 * @param {Point[]} points
 * @param {number} index
 * @returns {Point[] | null}
 */
export function removed(points, index) {
  return points.length > FEWEST_POINTS ? points.filter((_, place) => place !== index) : null;
}

/**
 * The smallest and the largest progress between two points. Rounding takes less than half of GAP, so it keeps the order.
 * @param {Point | undefined} before
 * @param {Point | undefined} after
 */
const room = (before, after) => [before ? before[0] + GAP : 0, after ? after[0] - GAP : 1];

const clamped = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
  Math.min(Math.max(value, low), high);
const rounded = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
