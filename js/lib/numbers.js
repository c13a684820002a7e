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

/**
 * "312 +- 18", with the sign: the error to two digits, the value as far as it; the value alone if the error is 0, "?" for one that is unknown.
 * @param {number} value
 * @param {number | null} [error]
 * @returns {string}
 */
export function withError(value, error = 0) {
  if (error === 0) return shortNumber(value);
  if (error === null) return `${shortNumber(value)} \u00b1 ?`;
  const places = 1 - Math.floor(Math.log10(Number(error.toPrecision(2))));
  if (error < 1e-4 * Math.abs(value) || error >= 1e9 || places > 6) return `${shortNumber(value)} \u00b1 ${Number(error.toPrecision(2))}`;
  const unit = 10 ** -places;
  return [value, error].map((part) => (Math.round(part / unit) * unit).toFixed(Math.max(0, places))).join(" \u00b1 ");
}
