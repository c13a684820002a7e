// The texts of the curve editor and the read-outs in the front end's languages; English for all others.
// Pure: no DOM, no ComfyUI.

const ENGLISH = {
  presets: "Preset…",
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
  drifted: (/** @type {string} */ kl) => `KL ${kl} nats`,
  reused: (/** @type {string} */ cost, /** @type {string} */ error) => `${cost} models, error \u2248 ${error}`,
  stage: (/** @type {string} */ lambda, /** @type {number} */ number, /** @type {number} */ count, /** @type {boolean} */ weights) =>
    `\u03bb ${lambda}${weights ? " (weights)" : ""}: ${number} of ${count}`,
  left: (/** @type {string} */ time) => `${time} left`,
};

/** @typedef {typeof ENGLISH} Words */

/** @type {Words} */
const CHINESE = {
  presets: "预设…",
  preset: { constant: "恒定", rising: "上升", falling: "下降", cosine: "余弦", window: "窗口" },
  plot: "lambda 的系数随采样进度的变化",
  point: (index, count) => `第 ${index} 个点，共 ${count} 个`,
  at: (x, y) => `进度 ${x}，系数 ${y}`,
  hint: "单击以添加点。",
  progress: "进度",
  factor: "lambda 的系数",
  menu: { add: "在此添加点", type: "输入坐标", remove: "移除该点", reset: "重置曲线" },
  backwards: "start_percent 位于 end_percent 之后。",
  outside: "此处 lambda 为 0：仅参考模型。",
  step: (index, count, x) => `第 ${index} 步（共 ${count} 步）约从 ${x} 开始。`,
  broken: "无法读取此曲线：",
  kept: "在您选择预设之前，原文本会保留。",
  long: () => "文本过长。",
  json: () => "应为点的列表，例如 [[0, 1], [1, 0]]。",
  count: () => "应有 1 到 64 个点。",
  pair: (index) => `第 ${index} 个点应为两个数 [x, y]。`,
  x: (index) => `第 ${index} 个点的 x（进度）必须在 0 到 1 之间。`,
  y: (index) => `第 ${index} 个点的 y（系数）必须在 0 到 2 之间。`,
  order: (index) => `第 ${index} 个点必须位于前一个点的右侧。`,
  fewest: "曲线至少保留两个点。",
  full: "此处没有空间再添加点。",
  linked: "曲线来自其输入。",
  core: "已连接 core_curve，将代替此曲线。",
  fromInput: "lambda 来自其输入",
  schedule: "调度",
  mask: "遮罩",
  reference: "仅参考模型",
  aligned: "与训练时的对齐模型相同",
  regularised: (lambda, times) => `${lambda}：正则化强度为训练时的 ${times} 倍`,
  beyond: (lambda) => `${lambda}：超出训练范围，可能出现瑕疵`,
  drifted: (kl) => `KL ${kl} nats`,
  reused: (cost, error) => `${cost} 个模型，误差 \u2248 ${error}`,
  stage: (lambda, number, count, weights) => `\u03bb ${lambda}${weights ? "（权重）" : ""}：第 ${number} / ${count} 个`,
  left: (time) => `剩余 ${time}`,
};

/** @type {Words} */
const JAPANESE = {
  presets: "プリセット…",
  preset: { constant: "一定", rising: "上昇", falling: "下降", cosine: "コサイン", window: "ウィンドウ" },
  plot: "サンプリングの進行に対する lambda の係数",
  point: (index, count) => `点 ${index} / ${count}`,
  at: (x, y) => `進行 ${x}、係数 ${y}`,
  hint: "クリックで点を追加します。",
  progress: "進行",
  factor: "lambda の係数",
  menu: { add: "ここに点を追加", type: "座標を入力", remove: "点を削除", reset: "曲線をリセット" },
  backwards: "start_percent が end_percent より後にあります。",
  outside: "ここでは lambda は 0：参照モデルのみ。",
  step: (index, count, x) => `ステップ ${index} / ${count} は約 ${x} から始まります。`,
  broken: "この曲線は読み取れません：",
  kept: "プリセットを選ぶまで元のテキストは保持されます。",
  long: () => "テキストが長すぎます。",
  json: () => "[[0, 1], [1, 0]] のような点のリストが必要です。",
  count: () => "点は 1 から 64 個までです。",
  pair: (index) => `点 ${index} は 2 つの数 [x, y] でなければなりません。`,
  x: (index) => `点 ${index} の x（進行）は 0 から 1 の間でなければなりません。`,
  y: (index) => `点 ${index} の y（係数）は 0 から 2 の間でなければなりません。`,
  order: (index) => `点 ${index} は前の点より右になければなりません。`,
  fewest: "曲線には少なくとも 2 つの点が必要です。",
  full: "ここにはもう点を追加できません。",
  linked: "曲線は入力から来ます。",
  core: "core_curve が接続されており、この曲線の代わりに使われます。",
  fromInput: "lambda は入力から来ます",
  schedule: "スケジュール",
  mask: "マスク",
  reference: "参照モデルのみ",
  aligned: "学習時のアライメントのまま",
  regularised: (lambda, times) => `${lambda}：正則化は学習時の ${times} 倍`,
  beyond: (lambda) => `${lambda}：学習の範囲外、アーティファクトに注意`,
  drifted: (kl) => `KL ${kl} nats`,
  reused: (cost, error) => `${cost}モデル分、誤差 \u2248 ${error}`,
  stage: (lambda, number, count, weights) => `\u03bb ${lambda}${weights ? "（重み）" : ""}：${number} / ${count}`,
  left: (time) => `残り ${time}`,
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
