// Numbers as text.
// Pure: no DOM, no ComfyUI.

/**
 * "0.50", "0.125": two decimals, more where they are needed.
 * @param {number} value
 * @returns {string}
 */
export function lambdaText(value) {
  const text = String(Number(value.toFixed(4)));
  return text.length - text.indexOf(".") - 1 > 2 && text.includes(".") ? text : Number(text).toFixed(2);
}

/**
 * Three significant digits, without exponent from 0.0001 to 100,000.
 * @param {number} value
 * @returns {string}
 */
export function shortNumber(value) {
  const size = Math.abs(value);
  if (size >= 1e5 || (size > 0 && size < 1e-4)) return value.toExponential(1);
  return size >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
