// Watching what sends no event: values of other nodes' widgets, links, modes.
// Uses only the page's animation frames: no ComfyUI.
//
// Dragging, typing, undo, other extensions and workflows change a widget, in two front ends; even more changes a link.
// Comparing a few values once per frame finds every change, and pauses while the tab is hidden.

/** @type {Set<() => void>} */
const looks = new Set();
let waiting = false;

/**
 * Call `show` with what `read` returns, now and whenever it changes (compared as JSON).
 * @template T
 * @param {() => T} read
 * @param {(value: T) => void} show
 * @returns {() => void} stop watching
 */
export function watch(read, show) {
  let known = "";
  const look = () => {
    const value = read();
    const text = JSON.stringify(value);
    if (text === known) return;
    known = text;
    show(value);
  };
  looks.add(look);
  wait();
  return () => looks.delete(look);
}

function wait() {
  if (waiting || !looks.size) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    wait();
    for (const look of looks) look();
  });
}
