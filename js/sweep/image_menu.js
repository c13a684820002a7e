// An image of the viewer in its node's context menu, with ComfyUI's own entries: Open Image, Copy Image, Save Image.
// Uses only the node it is given: imports no ComfyUI.
//
// Those entries act on node.imgs, and the canvas draws whatever is there all over the node. So there is an image there only while
// the menu is being made, and in Nodes 2.0, which draws nothing, until the viewer is used again: its menu looks when an entry is chosen.

const isNodes2 = () => Boolean(window.LiteGraph?.vueNodesMode);

/**
 * @param {any} node
 * @param {() => HTMLImageElement | null} shown the image of a menu that was not asked for at an image
 * @param {() => any} canvas
 * @returns {{press: (event: PointerEvent, image: HTMLImageElement | null) => void, menu: (event: MouseEvent) => void}}
 * what to call for every press of a button in the viewer, with the image below it, and for the event contextmenu
 */
export function offerImages(node, shown, canvas) {
  /** @type {HTMLImageElement | null} */ let asked = null;
  let making = false;
  const offered = () => (making ? (asked ?? shown()) : isNodes2() ? asked : null);
  const get = () => {
    const image = offered();
    return image ? [image] : undefined;
  };
  Object.defineProperty(node, "imgs", { configurable: true, get, set: () => {} });
  node.overIndex = 0;
  const { getExtraMenuOptions } = node;
  node.getExtraMenuOptions = function (/** @type {any[]} */ ...args) {
    making = true;
    try {
      return getExtraMenuOptions?.apply(this, args);
    } finally {
      making = false;
      if (!isNodes2()) asked = null;
    }
  };
  return {
    press: (event, image) => {
      asked = event.button === 2 ? image : null;
      if (event.button === 2 && !isNodes2()) canvas().canvas.dispatchEvent(new PointerEvent(event.type, event)); // it opens the menu
    },
    menu: (event) => {
      if (isNodes2()) return; // the node around the viewer opens the menu
      event.preventDefault();
      event.stopPropagation();
    },
  };
}
