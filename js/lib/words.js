// The texts of the curve editor and the read-outs in the front end's languages; English for all others.
// Pure: no DOM, no ComfyUI.

const ENGLISH = {
  presets: "Preset\u2026",
  preset: { constant: "Constant", rising: "Rising", falling: "Falling", cosine: "Cosine", window: "Window" },
  plot: "The factor of lambda over the progress of sampling",
  point: (/** @type {number} */ index, /** @type {number} */ count) => `Point ${index} of ${count}`,
  at: (/** @type {string} */ x, /** @type {string} */ y) => `progress ${x}, factor ${y}`,
  hint: "Click to add a point.",
  progress: "progress",
  factor: "factor of lambda",
  menu: { add: "Add a point here", type: "Type its coordinates", remove: "Remove the point", reset: "Reset the curve" },
  backwards: "start_percent lies after end_percent.",
  outside: "Lambda is 0 here: the reference alone.",
  step: (/** @type {number} */ index, /** @type {number} */ count, /** @type {string} */ x) =>
    `Step ${index} of ${count} begins at about ${x}.`,
  broken: "This curve cannot be read:",
  kept: "Its text is kept until you choose a preset.",
  long: () => "the text is too long.",
  json: () => "expected a list of points such as [[0, 1], [1, 0]].",
  count: () => "expected 1 to 64 points.",
  pair: (/** @type {number} */ index) => `expected two numbers [x, y] for point ${index}.`,
  x: (/** @type {number} */ index) => `the x (progress) of point ${index} must lie between 0 and 1.`,
  y: (/** @type {number} */ index) => `the y (factor) of point ${index} must lie between 0 and 2.`,
  order: (/** @type {number} */ index) => `point ${index} must lie to the right of the point before it.`,
  fewest: "A curve needs at least two points.",
  full: "There is no room for another point here.",
  linked: "The curve comes from its input.",
  core: "core_curve is connected and used instead of this curve.",
  fromInput: "lambda comes from its input",
  schedule: "schedule",
  mask: "mask",
  reference: "reference only",
  aligned: "aligned as trained",
  regularised: (/** @type {string} */ lambda, /** @type {string} */ times) =>
    `${lambda}: ${times === "2" ? "twice" : `${times} times`} as regularised as trained`,
  beyond: (/** @type {string} */ lambda) => `${lambda}: beyond training, expect artefacts`,
  away: (/** @type {string} */ lambda) => `${lambda}: away from the alignment`,
  drifted: (/** @type {string} */ kl) => `KL ${kl} nats`,
  reused: (/** @type {string} */ cost, /** @type {string} */ error) => `${cost} models, error \u2248 ${error}`,
  stage: (/** @type {string} */ lambda, /** @type {number} */ number, /** @type {number} */ count, /** @type {boolean} */ weights) =>
    `\u03bb ${lambda}${weights ? " (weights)" : ""}: ${number} of ${count}`,
  left: (/** @type {string} */ time) => `${time} left`,
};

/** @typedef {typeof ENGLISH} Words */

/** @type {Words} */
const CHINESE = {
  presets: "\u9884\u8bbe\u2026",
  preset: { constant: "\u6052\u5b9a", rising: "\u4e0a\u5347", falling: "\u4e0b\u964d", cosine: "\u4f59\u5f26", window: "\u7a97\u53e3" },
  plot: "lambda \u7684\u7cfb\u6570\u968f\u91c7\u6837\u8fdb\u5ea6\u7684\u53d8\u5316",
  point: (index, count) => `\u7b2c ${index} \u4e2a\u70b9\uff0c\u5171 ${count} \u4e2a`,
  at: (x, y) => `\u8fdb\u5ea6 ${x}\uff0c\u7cfb\u6570 ${y}`,
  hint: "\u5355\u51fb\u4ee5\u6dfb\u52a0\u70b9\u3002",
  progress: "\u8fdb\u5ea6",
  factor: "lambda \u7684\u7cfb\u6570",
  menu: { add: "\u5728\u6b64\u6dfb\u52a0\u70b9", type: "\u8f93\u5165\u5750\u6807", remove: "\u79fb\u9664\u8be5\u70b9", reset: "\u91cd\u7f6e\u66f2\u7ebf" },
  backwards: "start_percent \u4f4d\u4e8e end_percent \u4e4b\u540e\u3002",
  outside: "\u6b64\u5904 lambda \u4e3a 0\uff1a\u4ec5\u53c2\u8003\u6a21\u578b\u3002",
  step: (index, count, x) => `\u7b2c ${index} \u6b65\uff08\u5171 ${count} \u6b65\uff09\u7ea6\u4ece ${x} \u5f00\u59cb\u3002`,
  broken: "\u65e0\u6cd5\u8bfb\u53d6\u6b64\u66f2\u7ebf\uff1a",
  kept: "\u5728\u60a8\u9009\u62e9\u9884\u8bbe\u4e4b\u524d\uff0c\u539f\u6587\u672c\u4f1a\u4fdd\u7559\u3002",
  long: () => "\u6587\u672c\u8fc7\u957f\u3002",
  json: () => "\u5e94\u4e3a\u70b9\u7684\u5217\u8868\uff0c\u4f8b\u5982 [[0, 1], [1, 0]]\u3002",
  count: () => "\u5e94\u6709 1 \u5230 64 \u4e2a\u70b9\u3002",
  pair: (index) => `\u7b2c ${index} \u4e2a\u70b9\u5e94\u4e3a\u4e24\u4e2a\u6570 [x, y]\u3002`,
  x: (index) => `\u7b2c ${index} \u4e2a\u70b9\u7684 x\uff08\u8fdb\u5ea6\uff09\u5fc5\u987b\u5728 0 \u5230 1 \u4e4b\u95f4\u3002`,
  y: (index) => `\u7b2c ${index} \u4e2a\u70b9\u7684 y\uff08\u7cfb\u6570\uff09\u5fc5\u987b\u5728 0 \u5230 2 \u4e4b\u95f4\u3002`,
  order: (index) => `\u7b2c ${index} \u4e2a\u70b9\u5fc5\u987b\u4f4d\u4e8e\u524d\u4e00\u4e2a\u70b9\u7684\u53f3\u4fa7\u3002`,
  fewest: "\u66f2\u7ebf\u81f3\u5c11\u4fdd\u7559\u4e24\u4e2a\u70b9\u3002",
  full: "\u6b64\u5904\u6ca1\u6709\u7a7a\u95f4\u518d\u6dfb\u52a0\u70b9\u3002",
  linked: "\u66f2\u7ebf\u6765\u81ea\u5176\u8f93\u5165\u3002",
  core: "\u5df2\u8fde\u63a5 core_curve\uff0c\u5c06\u4ee3\u66ff\u6b64\u66f2\u7ebf\u3002",
  fromInput: "lambda \u6765\u81ea\u5176\u8f93\u5165",
  schedule: "\u8c03\u5ea6",
  mask: "\u906e\u7f69",
  reference: "\u4ec5\u53c2\u8003\u6a21\u578b",
  aligned: "\u4e0e\u8bad\u7ec3\u65f6\u7684\u5bf9\u9f50\u6a21\u578b\u76f8\u540c",
  regularised: (lambda, times) => `${lambda}\uff1a\u6b63\u5219\u5316\u5f3a\u5ea6\u4e3a\u8bad\u7ec3\u65f6\u7684 ${times} \u500d`,
  beyond: (lambda) => `${lambda}\uff1a\u8d85\u51fa\u8bad\u7ec3\u8303\u56f4\uff0c\u53ef\u80fd\u51fa\u73b0\u7455\u75b5`,
  away: (lambda) => `${lambda}\uff1a\u8fdc\u79bb\u5bf9\u9f50`,
  drifted: (kl) => `KL ${kl} nats`,
  reused: (cost, error) => `${cost} \u4e2a\u6a21\u578b\uff0c\u8bef\u5dee \u2248 ${error}`,
  stage: (lambda, number, count, weights) => `\u03bb ${lambda}${weights ? "\uff08\u6743\u91cd\uff09" : ""}\uff1a\u7b2c ${number} / ${count} \u4e2a`,
  left: (time) => `\u5269\u4f59 ${time}`,
};

/** @type {Words} */
const JAPANESE = {
  presets: "\u30d7\u30ea\u30bb\u30c3\u30c8\u2026",
  preset: { constant: "\u4e00\u5b9a", rising: "\u4e0a\u6607", falling: "\u4e0b\u964d", cosine: "\u30b3\u30b5\u30a4\u30f3", window: "\u30a6\u30a3\u30f3\u30c9\u30a6" },
  plot: "\u30b5\u30f3\u30d7\u30ea\u30f3\u30b0\u306e\u9032\u884c\u306b\u5bfe\u3059\u308b lambda \u306e\u4fc2\u6570",
  point: (index, count) => `\u70b9 ${index} / ${count}`,
  at: (x, y) => `\u9032\u884c ${x}\u3001\u4fc2\u6570 ${y}`,
  hint: "\u30af\u30ea\u30c3\u30af\u3067\u70b9\u3092\u8ffd\u52a0\u3057\u307e\u3059\u3002",
  progress: "\u9032\u884c",
  factor: "lambda \u306e\u4fc2\u6570",
  menu: { add: "\u3053\u3053\u306b\u70b9\u3092\u8ffd\u52a0", type: "\u5ea7\u6a19\u3092\u5165\u529b", remove: "\u70b9\u3092\u524a\u9664", reset: "\u66f2\u7dda\u3092\u30ea\u30bb\u30c3\u30c8" },
  backwards: "start_percent \u304c end_percent \u3088\u308a\u5f8c\u306b\u3042\u308a\u307e\u3059\u3002",
  outside: "\u3053\u3053\u3067\u306f lambda \u306f 0\uff1a\u53c2\u7167\u30e2\u30c7\u30eb\u306e\u307f\u3002",
  step: (index, count, x) => `\u30b9\u30c6\u30c3\u30d7 ${index} / ${count} \u306f\u7d04 ${x} \u304b\u3089\u59cb\u307e\u308a\u307e\u3059\u3002`,
  broken: "\u3053\u306e\u66f2\u7dda\u306f\u8aad\u307f\u53d6\u308c\u307e\u305b\u3093\uff1a",
  kept: "\u30d7\u30ea\u30bb\u30c3\u30c8\u3092\u9078\u3076\u307e\u3067\u5143\u306e\u30c6\u30ad\u30b9\u30c8\u306f\u4fdd\u6301\u3055\u308c\u307e\u3059\u3002",
  long: () => "\u30c6\u30ad\u30b9\u30c8\u304c\u9577\u3059\u304e\u307e\u3059\u3002",
  json: () => "[[0, 1], [1, 0]] \u306e\u3088\u3046\u306a\u70b9\u306e\u30ea\u30b9\u30c8\u304c\u5fc5\u8981\u3067\u3059\u3002",
  count: () => "\u70b9\u306f 1 \u304b\u3089 64 \u500b\u307e\u3067\u3067\u3059\u3002",
  pair: (index) => `\u70b9 ${index} \u306f 2 \u3064\u306e\u6570 [x, y] \u3067\u306a\u3051\u308c\u3070\u306a\u308a\u307e\u305b\u3093\u3002`,
  x: (index) => `\u70b9 ${index} \u306e x\uff08\u9032\u884c\uff09\u306f 0 \u304b\u3089 1 \u306e\u9593\u3067\u306a\u3051\u308c\u3070\u306a\u308a\u307e\u305b\u3093\u3002`,
  y: (index) => `\u70b9 ${index} \u306e y\uff08\u4fc2\u6570\uff09\u306f 0 \u304b\u3089 2 \u306e\u9593\u3067\u306a\u3051\u308c\u3070\u306a\u308a\u307e\u305b\u3093\u3002`,
  order: (index) => `\u70b9 ${index} \u306f\u524d\u306e\u70b9\u3088\u308a\u53f3\u306b\u306a\u3051\u308c\u3070\u306a\u308a\u307e\u305b\u3093\u3002`,
  fewest: "\u66f2\u7dda\u306b\u306f\u5c11\u306a\u304f\u3068\u3082 2 \u3064\u306e\u70b9\u304c\u5fc5\u8981\u3067\u3059\u3002",
  full: "\u3053\u3053\u306b\u306f\u3082\u3046\u70b9\u3092\u8ffd\u52a0\u3067\u304d\u307e\u305b\u3093\u3002",
  linked: "\u66f2\u7dda\u306f\u5165\u529b\u304b\u3089\u6765\u307e\u3059\u3002",
  core: "core_curve \u304c\u63a5\u7d9a\u3055\u308c\u3066\u304a\u308a\u3001\u3053\u306e\u66f2\u7dda\u306e\u4ee3\u308f\u308a\u306b\u4f7f\u308f\u308c\u307e\u3059\u3002",
  fromInput: "lambda \u306f\u5165\u529b\u304b\u3089\u6765\u307e\u3059",
  schedule: "\u30b9\u30b1\u30b8\u30e5\u30fc\u30eb",
  mask: "\u30de\u30b9\u30af",
  reference: "\u53c2\u7167\u30e2\u30c7\u30eb\u306e\u307f",
  aligned: "\u5b66\u7fd2\u6642\u306e\u30a2\u30e9\u30a4\u30e1\u30f3\u30c8\u306e\u307e\u307e",
  regularised: (lambda, times) => `${lambda}\uff1a\u6b63\u5247\u5316\u306f\u5b66\u7fd2\u6642\u306e ${times} \u500d`,
  beyond: (lambda) => `${lambda}\uff1a\u5b66\u7fd2\u306e\u7bc4\u56f2\u5916\u3001\u30a2\u30fc\u30c6\u30a3\u30d5\u30a1\u30af\u30c8\u306b\u6ce8\u610f`,
  away: (lambda) => `${lambda}: \u30a2\u30e9\u30a4\u30e1\u30f3\u30c8\u304b\u3089\u96e2\u308c\u308b\u65b9\u5411`,
  drifted: (kl) => `KL ${kl} nats`,
  reused: (cost, error) => `${cost}\u30e2\u30c7\u30eb\u5206\u3001\u8aa4\u5dee \u2248 ${error}`,
  stage: (lambda, number, count, weights) => `\u03bb ${lambda}${weights ? "\uff08\u91cd\u307f\uff09" : ""}\uff1a${number} / ${count}`,
  left: (time) => `\u6b8b\u308a ${time}`,
};

/** @type {Record<string, Words>} */
const LANGUAGES = { zh: CHINESE, ja: JAPANESE };

/**
 * @param {unknown} locale the front end's setting: "en", "zh", "ja"
 * @returns {Words}
 */
export function wordsFor(locale) {
  return LANGUAGES[String(locale)] ?? ENGLISH;
}
