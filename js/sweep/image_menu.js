// An image of the viewer in its node's context menu, with ComfyUI's own entries: Open Image, Copy Image, Save Image.
// Uses only the node it is given: imports no ComfyUI.
//
// Those entries act on node.imgs, and the canvas draws whatever is there all over the node. So there is an image there only while
// the menu is being made, and in Nodes 2.0, which draws nothing, until the viewer is used again: its menu looks when an entry is chosen.

/**
 * @param {any} node
 * @param {() => HTMLImageElement | null} shown the image of a menu that was opened elsewhere on the node
 * @returns {{ask: (image: HTMLImageElement | null) => void}} say which image the next menu is about; null: none any more
 */
export function offerImages(node, shown) {
  /** @type {HTMLImageElement | null} */ let asked = null;
  Object.defineProperty(node, "imgs", { configurable: true, get: () => (asked ? [asked] : undefined), set: () => {} });
  node.overIndex = 0;
  const { getExtraMenuOptions } = node;
  node.getExtraMenuOptions = function (/** @type {any[]} */ ...args) {
    const before = asked;
    asked ??= shown();
    try {
      return getExtraMenuOptions?.apply(this, args);
    } finally {
      asked = before;
    }
  };
  return { ask: (image) => (asked = image) };
}

/**
 * Open the node's menu for an image.
 * @param {any} node
 * @param {MouseEvent} event
 * @param {(image: HTMLImageElement | null) => void} ask
 * @param {HTMLImageElement | null} image
 * @param {any} canvas
 */
export function openMenu(node, event, ask, image, canvas) {
  ask(image);
  if (window.LiteGraph?.vueNodesMode) return; // the node around the viewer hears the event and opens the menu
  event.preventDefault();
  event.stopPropagation();
  canvas.adjustMouseEvent(event);
  canvas.processContextMenu(node, event);
  ask(null);
}
