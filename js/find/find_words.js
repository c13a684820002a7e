// The texts of a search for lambda in the front end's languages; English for all others.
// Pure: no DOM, no ComfyUI.

const ENGLISH = {
  empty: "The curve appears here while the search runs.",
  relative: (/** @type {string} */ scorer, /** @type {string} */ lambda) => `${scorer}, relative to \u03bb = ${lambda}`,
  heldOut: (/** @type {string} */ name, /** @type {string | null} */ turn) => (turn === null ? name : `${name}, turns at \u03bb = ${turn}`),
  images: (/** @type {number} */ images, /** @type {number} */ budget) => `${images} of ${budget} images`,
  settled: (/** @type {string} */ lambda, /** @type {string} */ from, /** @type {string} */ to, /** @type {string} */ percent, /** @type {string} */ images) =>
    `\u03bb = ${lambda}, ${from} to ${to} alike (${percent}), ${images}`,
  alone: (/** @type {string} */ lambda, /** @type {string} */ percent, /** @type {string} */ images) => `\u03bb = ${lambda} (${percent}), ${images}`,
  soFar: (/** @type {string} */ lambda, /** @type {string} */ percent, /** @type {string} */ images) =>
    `so far \u03bb = ${lambda} (${percent}), ${images}`,
  undecided: (/** @type {string} */ lambda, /** @type {string} */ percent, /** @type {number | null} */ more) =>
    `undecided: \u03bb = ${lambda} (${percent}), ${more === null ? "more images than are sensible" : `about ${more} more ${more === 1 ? "image" : "images"}`}`,
};

/** @typedef {typeof ENGLISH} FindWords */

/** @type {FindWords} */
const CHINESE = {
  empty: "\u641c\u7d22\u8fd0\u884c\u65f6\uff0c\u66f2\u7ebf\u4f1a\u663e\u793a\u5728\u8fd9\u91cc\u3002",
  relative: (scorer, lambda) => `${scorer}\uff0c\u76f8\u5bf9\u4e8e \u03bb = ${lambda}`,
  heldOut: (name, turn) => (turn === null ? name : `${name}\uff0c\u5728 \u03bb = ${turn} \u5904\u8f6c\u6298`),
  images: (images, budget) => `\u5df2\u7528 ${images} / ${budget} \u5f20\u56fe\u50cf`,
  settled: (lambda, from, to, percent, images) => `\u03bb = ${lambda}\uff0c${from} \u5230 ${to} \u540c\u6837\u597d\uff08${percent}\uff09\uff0c${images}`,
  alone: (lambda, percent, images) => `\u03bb = ${lambda}\uff08${percent}\uff09\uff0c${images}`,
  soFar: (lambda, percent, images) => `\u76ee\u524d \u03bb = ${lambda}\uff08${percent}\uff09\uff0c${images}`,
  undecided: (lambda, percent, more) => `\u672a\u5b9a\uff1a\u03bb = ${lambda}\uff08${percent}\uff09\uff0c${more === null ? "\u6240\u9700\u7684\u56fe\u50cf\u591a\u5230\u4e0d\u5207\u5b9e\u9645" : `\u7ea6\u9700\u518d\u7528 ${more} \u5f20\u56fe\u50cf`}`,
};

/** @type {FindWords} */
const JAPANESE = {
  empty: "\u63a2\u7d22\u306e\u5b9f\u884c\u4e2d\u3001\u3053\u3053\u306b\u30ab\u30fc\u30d6\u304c\u8868\u793a\u3055\u308c\u307e\u3059\u3002",
  relative: (scorer, lambda) => `${scorer}\u3001\u03bb = ${lambda} \u3068\u306e\u5dee`,
  heldOut: (name, turn) => (turn === null ? name : `${name}\u3001\u03bb = ${turn} \u3067\u4e0b\u304c\u308a\u306b\u8ee2\u3058\u308b`),
  images: (images, budget) => `\u753b\u50cf ${images} / ${budget} \u679a`,
  settled: (lambda, from, to, percent, images) => `\u03bb = ${lambda}\u3001${from} \u304b\u3089 ${to} \u306f\u540c\u7b49\uff08${percent}\uff09\u3001${images}`,
  alone: (lambda, percent, images) => `\u03bb = ${lambda}\uff08${percent}\uff09\u3001${images}`,
  soFar: (lambda, percent, images) => `\u4eca\u306e\u3068\u3053\u308d \u03bb = ${lambda}\uff08${percent}\uff09\u3001${images}`,
  undecided: (lambda, percent, more) =>
    `\u672a\u6c7a\u5b9a\uff1a\u03bb = ${lambda}\uff08${percent}\uff09\u3001${more === null ? "\u5fc5\u8981\u306a\u753b\u50cf\u304c\u73fe\u5b9f\u7684\u3067\u306a\u3044\u307b\u3069\u591a\u3044" : `\u3042\u3068\u7d04 ${more} \u679a\u306e\u753b\u50cf\u304c\u5fc5\u8981`}`,
};

/** @type {Record<string, FindWords>} */
const LANGUAGES = { zh: CHINESE, ja: JAPANESE };

/**
 * @param {unknown} [locale] the front end's setting: "en", "zh", "ja"
 * @returns {FindWords}
 */
export function findWords(locale) {
  return LANGUAGES[String(locale)] ?? ENGLISH;
}
