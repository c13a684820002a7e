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
  empty: "运行工作流后，λ 扫描会显示在这里。",
  deleted: "ComfyUI 已删除这些临时图像，请重新运行工作流。",
  recalled: "来自此工作流的上一次运行。",
  thumbs: "各 λ 的图像",
  previous: "上一个样本",
  next: "下一个样本",
  sample: (index, count) => `第 ${index} 个样本，共 ${count} 个`,
  merged: "合并权重",
  mergedTitle: "显示权重插值的模型，而不是重新对齐的模型",
  weights: "权重",
  chosen: "已选定",
  nats: (kl) => `KL ${kl} nats`,
  seconds: (seconds) => `${seconds} 秒`,
  score: (score) => `评分 ${score}`,
  compare: "比较对象",
  versus: (what) => `对比 ${what}`,
  sameMerged: "合并权重（相同 λ）",
  sameRealigned: "重新对齐（相同 λ）",
  modes: { hold: "按住", wipe: "分割", side: "并排" },
  modeTitles: { hold: "按住图像以查看另一张", wipe: "两张图像之间的分割线", side: "两张图像并排显示" },
  divider: "两张图像之间的分割线",
  clickLarge: "单击放大",
  clickBack: "单击返回",
  hints: {
    hold: (click, other) => `${click}，按住与 ${other} 比较`,
    wipe: (click) => `${click}，拖动以移动分割线`,
    side: (click) => click,
  },
  stage: "图像。方向键改变 λ，回车键放大，按住空格键比较。",
  enlarge: "放大",
  shrink: "返回节点 (Esc)",
  target: "写入 λ 的节点",
  use: "使用此 λ",
  useIn: (label) => `写入 ${label}`,
  noTarget: "此工作流中没有 KSampler (DeRaDiff) 或 Realign Model。",
  gone: "该节点已不在工作流中。",
  noWidget: (label) => `${label} 没有 λ 控件。`,
  linked: (label) => `${label} 的 λ 连接到了另一个节点。请断开该连接后再在此设置。`,
  outside: (label, min, max, lambda) => `${label} 的 λ 必须在 ${min} 到 ${max} 之间，不能是 ${lambda}。`,
  written: (lambda, label) => `已在 ${label} 中设置 λ = ${lambda}。`,
};

/** @type {SweepWords} */
const JAPANESE = {
  empty: "ワークフローを実行すると、スイープがここに表示されます。",
  deleted: "この一時画像は ComfyUI により削除されました。ワークフローをもう一度実行してください。",
  recalled: "このワークフローの前回の実行結果です。",
  thumbs: "λごとの画像",
  previous: "前のサンプル",
  next: "次のサンプル",
  sample: (index, count) => `サンプル ${index} / ${count}`,
  merged: "重みの補間",
  mergedTitle: "再アラインではなく、重みを補間したモデルを表示します",
  weights: "重み",
  chosen: "選択済み",
  nats: (kl) => `KL ${kl} nats`,
  seconds: (seconds) => `${seconds} 秒`,
  score: (score) => `スコア ${score}`,
  compare: "比較の相手",
  versus: (what) => `比較: ${what}`,
  sameMerged: "重みの補間（同じλ）",
  sameRealigned: "再アライン（同じλ）",
  modes: { hold: "長押し", wipe: "ワイプ", side: "並列" },
  modeTitles: { hold: "画像を押している間、もう一方を表示", wipe: "2 枚の画像を境界線で分けて表示", side: "2 枚の画像を並べて表示" },
  divider: "画像の境界線",
  clickLarge: "クリックで拡大",
  clickBack: "クリックで戻る",
  hints: {
    hold: (click, other) => `${click}、長押しで ${other} と比較`,
    wipe: (click) => `${click}、ドラッグで境界線を移動`,
    side: (click) => click,
  },
  stage: "画像。矢印キーでλを変更、Enter で拡大、スペースキーを押している間は比較。",
  enlarge: "拡大",
  shrink: "ノードに戻る (Esc)",
  target: "λを書き込むノード",
  use: "このλを使う",
  useIn: (label) => `${label} に書き込む`,
  noTarget: "このワークフローには KSampler (DeRaDiff) も Realign Model もありません。",
  gone: "そのノードはもうワークフローにありません。",
  noWidget: (label) => `${label} にはλのウィジェットがありません。`,
  linked: (label) => `${label} のλは別のノードに接続されています。ここで設定するには接続を外してください。`,
  outside: (label, min, max, lambda) => `${label} のλは ${min} から ${max} までです（${lambda} は使えません）。`,
  written: (lambda, label) => `${label} に λ = ${lambda} を設定しました。`,
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
