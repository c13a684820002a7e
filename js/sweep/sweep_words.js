// The texts of the sweep viewer in the front end's languages; English for all others.
// Pure: no DOM, no ComfyUI.

const ENGLISH = {
  empty: "Queue the workflow to see the sweep here.",
  deleted: "ComfyUI has deleted these temporary images. Queue the workflow again.",
  recalled: "From the last run of this workflow.",
  thumbs: "Images by lambda",
  previous: "Previous sample",
  next: "Next sample",
  sample: (/** @type {number} */ index, /** @type {number} */ count) => `Sample ${index} of ${count}`,
  merged: "Merged weights",
  mergedTitle: "Show the models with interpolated weights instead of the realigned ones",
  weights: "weights",
  chosen: "chosen",
  nats: (/** @type {string} */ kl) => `KL ${kl} nats`,
  seconds: (/** @type {string} */ seconds) => `${seconds} s`,
  score: (/** @type {string} */ score) => `score ${score}`,
  compare: "What to compare with",
  versus: (/** @type {string} */ what) => `vs ${what}`,
  sameMerged: "merged weights, same \u03bb",
  sameRealigned: "realigned, same \u03bb",
  modes: { hold: "Hold", wipe: "Wipe", side: "Side by side" },
  modeTitles: {
    hold: "Hold the image to see the other one",
    wipe: "A divider between the two images",
    side: "The two images next to each other",
  },
  divider: "Divider between the images",
  clickLarge: "Click to enlarge",
  clickBack: "Click to go back",
  hints: {
    hold: (/** @type {string} */ click, /** @type {string} */ other) => `${click}, hold to compare with ${other}`,
    wipe: (/** @type {string} */ click, /** @type {string} */ _other) => `${click}, drag to move the divider`,
    side: (/** @type {string} */ click, /** @type {string} */ _other) => click,
  },
  stage: "The image. Arrow keys move lambda, Enter enlarges, and the space bar, held, compares.",
  enlarge: "Enlarge",
  shrink: "Back to the node (Esc)",
  target: "The node to write lambda into",
  use: "Use this \u03bb",
  useIn: (/** @type {string} */ label) => `Write it into ${label}`,
  noTarget: "There is no KSampler (DeRaDiff) or Realign Model in this workflow.",
  gone: "That node is no longer in the workflow.",
  noWidget: (/** @type {string} */ label) => `${label} has no lambda widget.`,
  linked: (/** @type {string} */ label) => `The lambda of ${label} is connected to another node. Remove that link to set it here.`,
  outside: (/** @type {string} */ label, /** @type {number} */ min, /** @type {number} */ max, /** @type {number} */ lambda) =>
    `${label} takes a lambda from ${min} to ${max}, not ${lambda}.`,
  written: (/** @type {number} */ lambda, /** @type {string} */ label) => `\u03bb = ${lambda} is set in ${label}.`,
};

/** @typedef {typeof ENGLISH} SweepWords */

/** @type {SweepWords} */
const CHINESE = {
  empty: "\u8fd0\u884c\u5de5\u4f5c\u6d41\u540e\uff0c\u03bb \u626b\u63cf\u4f1a\u663e\u793a\u5728\u8fd9\u91cc\u3002",
  deleted: "ComfyUI \u5df2\u5220\u9664\u8fd9\u4e9b\u4e34\u65f6\u56fe\u50cf\uff0c\u8bf7\u91cd\u65b0\u8fd0\u884c\u5de5\u4f5c\u6d41\u3002",
  recalled: "\u6765\u81ea\u6b64\u5de5\u4f5c\u6d41\u7684\u4e0a\u4e00\u6b21\u8fd0\u884c\u3002",
  thumbs: "\u5404 \u03bb \u7684\u56fe\u50cf",
  previous: "\u4e0a\u4e00\u4e2a\u6837\u672c",
  next: "\u4e0b\u4e00\u4e2a\u6837\u672c",
  sample: (index, count) => `\u7b2c ${index} \u4e2a\u6837\u672c\uff0c\u5171 ${count} \u4e2a`,
  merged: "\u5408\u5e76\u6743\u91cd",
  mergedTitle: "\u663e\u793a\u6743\u91cd\u63d2\u503c\u7684\u6a21\u578b\uff0c\u800c\u4e0d\u662f\u91cd\u65b0\u5bf9\u9f50\u7684\u6a21\u578b",
  weights: "\u6743\u91cd",
  chosen: "\u5df2\u9009\u5b9a",
  nats: (kl) => `KL ${kl} nats`,
  seconds: (seconds) => `${seconds} \u79d2`,
  score: (score) => `\u8bc4\u5206 ${score}`,
  compare: "\u6bd4\u8f83\u5bf9\u8c61",
  versus: (what) => `\u5bf9\u6bd4 ${what}`,
  sameMerged: "\u5408\u5e76\u6743\u91cd\uff08\u76f8\u540c \u03bb\uff09",
  sameRealigned: "\u91cd\u65b0\u5bf9\u9f50\uff08\u76f8\u540c \u03bb\uff09",
  modes: { hold: "\u6309\u4f4f", wipe: "\u5206\u5272", side: "\u5e76\u6392" },
  modeTitles: { hold: "\u6309\u4f4f\u56fe\u50cf\u4ee5\u67e5\u770b\u53e6\u4e00\u5f20", wipe: "\u4e24\u5f20\u56fe\u50cf\u4e4b\u95f4\u7684\u5206\u5272\u7ebf", side: "\u4e24\u5f20\u56fe\u50cf\u5e76\u6392\u663e\u793a" },
  divider: "\u4e24\u5f20\u56fe\u50cf\u4e4b\u95f4\u7684\u5206\u5272\u7ebf",
  clickLarge: "\u5355\u51fb\u653e\u5927",
  clickBack: "\u5355\u51fb\u8fd4\u56de",
  hints: {
    hold: (click, other) => `${click}\uff0c\u6309\u4f4f\u4e0e ${other} \u6bd4\u8f83`,
    wipe: (click) => `${click}\uff0c\u62d6\u52a8\u4ee5\u79fb\u52a8\u5206\u5272\u7ebf`,
    side: (click) => click,
  },
  stage: "\u56fe\u50cf\u3002\u65b9\u5411\u952e\u6539\u53d8 \u03bb\uff0c\u56de\u8f66\u952e\u653e\u5927\uff0c\u6309\u4f4f\u7a7a\u683c\u952e\u6bd4\u8f83\u3002",
  enlarge: "\u653e\u5927",
  shrink: "\u8fd4\u56de\u8282\u70b9 (Esc)",
  target: "\u5199\u5165 \u03bb \u7684\u8282\u70b9",
  use: "\u4f7f\u7528\u6b64 \u03bb",
  useIn: (label) => `\u5199\u5165 ${label}`,
  noTarget: "\u6b64\u5de5\u4f5c\u6d41\u4e2d\u6ca1\u6709 KSampler (DeRaDiff) \u6216 Realign Model\u3002",
  gone: "\u8be5\u8282\u70b9\u5df2\u4e0d\u5728\u5de5\u4f5c\u6d41\u4e2d\u3002",
  noWidget: (label) => `${label} \u6ca1\u6709 \u03bb \u63a7\u4ef6\u3002`,
  linked: (label) => `${label} \u7684 \u03bb \u8fde\u63a5\u5230\u4e86\u53e6\u4e00\u4e2a\u8282\u70b9\u3002\u8bf7\u65ad\u5f00\u8be5\u8fde\u63a5\u540e\u518d\u5728\u6b64\u8bbe\u7f6e\u3002`,
  outside: (label, min, max, lambda) => `${label} \u7684 \u03bb \u5fc5\u987b\u5728 ${min} \u5230 ${max} \u4e4b\u95f4\uff0c\u4e0d\u80fd\u662f ${lambda}\u3002`,
  written: (lambda, label) => `\u5df2\u5728 ${label} \u4e2d\u8bbe\u7f6e \u03bb = ${lambda}\u3002`,
};

/** @type {SweepWords} */
const JAPANESE = {
  empty: "\u30ef\u30fc\u30af\u30d5\u30ed\u30fc\u3092\u5b9f\u884c\u3059\u308b\u3068\u3001\u30b9\u30a4\u30fc\u30d7\u304c\u3053\u3053\u306b\u8868\u793a\u3055\u308c\u307e\u3059\u3002",
  deleted: "\u3053\u306e\u4e00\u6642\u753b\u50cf\u306f ComfyUI \u306b\u3088\u308a\u524a\u9664\u3055\u308c\u307e\u3057\u305f\u3002\u30ef\u30fc\u30af\u30d5\u30ed\u30fc\u3092\u3082\u3046\u4e00\u5ea6\u5b9f\u884c\u3057\u3066\u304f\u3060\u3055\u3044\u3002",
  recalled: "\u3053\u306e\u30ef\u30fc\u30af\u30d5\u30ed\u30fc\u306e\u524d\u56de\u306e\u5b9f\u884c\u7d50\u679c\u3067\u3059\u3002",
  thumbs: "\u03bb\u3054\u3068\u306e\u753b\u50cf",
  previous: "\u524d\u306e\u30b5\u30f3\u30d7\u30eb",
  next: "\u6b21\u306e\u30b5\u30f3\u30d7\u30eb",
  sample: (index, count) => `\u30b5\u30f3\u30d7\u30eb ${index} / ${count}`,
  merged: "\u91cd\u307f\u306e\u88dc\u9593",
  mergedTitle: "\u518d\u30a2\u30e9\u30a4\u30f3\u3067\u306f\u306a\u304f\u3001\u91cd\u307f\u3092\u88dc\u9593\u3057\u305f\u30e2\u30c7\u30eb\u3092\u8868\u793a\u3057\u307e\u3059",
  weights: "\u91cd\u307f",
  chosen: "\u9078\u629e\u6e08\u307f",
  nats: (kl) => `KL ${kl} nats`,
  seconds: (seconds) => `${seconds} \u79d2`,
  score: (score) => `\u30b9\u30b3\u30a2 ${score}`,
  compare: "\u6bd4\u8f03\u306e\u76f8\u624b",
  versus: (what) => `\u6bd4\u8f03: ${what}`,
  sameMerged: "\u91cd\u307f\u306e\u88dc\u9593\uff08\u540c\u3058\u03bb\uff09",
  sameRealigned: "\u518d\u30a2\u30e9\u30a4\u30f3\uff08\u540c\u3058\u03bb\uff09",
  modes: { hold: "\u9577\u62bc\u3057", wipe: "\u30ef\u30a4\u30d7", side: "\u4e26\u5217" },
  modeTitles: { hold: "\u753b\u50cf\u3092\u62bc\u3057\u3066\u3044\u308b\u9593\u3001\u3082\u3046\u4e00\u65b9\u3092\u8868\u793a", wipe: "2 \u679a\u306e\u753b\u50cf\u3092\u5883\u754c\u7dda\u3067\u5206\u3051\u3066\u8868\u793a", side: "2 \u679a\u306e\u753b\u50cf\u3092\u4e26\u3079\u3066\u8868\u793a" },
  divider: "\u753b\u50cf\u306e\u5883\u754c\u7dda",
  clickLarge: "\u30af\u30ea\u30c3\u30af\u3067\u62e1\u5927",
  clickBack: "\u30af\u30ea\u30c3\u30af\u3067\u623b\u308b",
  hints: {
    hold: (click, other) => `${click}\u3001\u9577\u62bc\u3057\u3067 ${other} \u3068\u6bd4\u8f03`,
    wipe: (click) => `${click}\u3001\u30c9\u30e9\u30c3\u30b0\u3067\u5883\u754c\u7dda\u3092\u79fb\u52d5`,
    side: (click) => click,
  },
  stage: "\u753b\u50cf\u3002\u77e2\u5370\u30ad\u30fc\u3067\u03bb\u3092\u5909\u66f4\u3001Enter \u3067\u62e1\u5927\u3001\u30b9\u30da\u30fc\u30b9\u30ad\u30fc\u3092\u62bc\u3057\u3066\u3044\u308b\u9593\u306f\u6bd4\u8f03\u3002",
  enlarge: "\u62e1\u5927",
  shrink: "\u30ce\u30fc\u30c9\u306b\u623b\u308b (Esc)",
  target: "\u03bb\u3092\u66f8\u304d\u8fbc\u3080\u30ce\u30fc\u30c9",
  use: "\u3053\u306e\u03bb\u3092\u4f7f\u3046",
  useIn: (label) => `${label} \u306b\u66f8\u304d\u8fbc\u3080`,
  noTarget: "\u3053\u306e\u30ef\u30fc\u30af\u30d5\u30ed\u30fc\u306b\u306f KSampler (DeRaDiff) \u3082 Realign Model \u3082\u3042\u308a\u307e\u305b\u3093\u3002",
  gone: "\u305d\u306e\u30ce\u30fc\u30c9\u306f\u3082\u3046\u30ef\u30fc\u30af\u30d5\u30ed\u30fc\u306b\u3042\u308a\u307e\u305b\u3093\u3002",
  noWidget: (label) => `${label} \u306b\u306f\u03bb\u306e\u30a6\u30a3\u30b8\u30a7\u30c3\u30c8\u304c\u3042\u308a\u307e\u305b\u3093\u3002`,
  linked: (label) => `${label} \u306e\u03bb\u306f\u5225\u306e\u30ce\u30fc\u30c9\u306b\u63a5\u7d9a\u3055\u308c\u3066\u3044\u307e\u3059\u3002\u3053\u3053\u3067\u8a2d\u5b9a\u3059\u308b\u306b\u306f\u63a5\u7d9a\u3092\u5916\u3057\u3066\u304f\u3060\u3055\u3044\u3002`,
  outside: (label, min, max, lambda) => `${label} \u306e\u03bb\u306f ${min} \u304b\u3089 ${max} \u307e\u3067\u3067\u3059\uff08${lambda} \u306f\u4f7f\u3048\u307e\u305b\u3093\uff09\u3002`,
  written: (lambda, label) => `${label} \u306b \u03bb = ${lambda} \u3092\u8a2d\u5b9a\u3057\u307e\u3057\u305f\u3002`,
};

/** @type {Record<string, SweepWords>} */
const LANGUAGES = { en: ENGLISH, zh: CHINESE, ja: JAPANESE };

/**
 * @param {unknown} [locale] the front end's setting: "en", "zh", "ja"
 * @returns {SweepWords}
 */
export function sweepWords(locale) {
  return LANGUAGES[String(locale)] ?? ENGLISH;
}
